"""Settings of `fsd export`, validated on construction. Does not import torch."""

from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.options import OptionError, Options, option, results_folder
from fsd.export.recipes import RECIPES

VARIANTS = ("int8", "fp16", "weights8", "weights4", "dynamic")
"""Files of a third-party model beside FP32."""

RANGE_METHODS = ("minmax", "percentile", "entropy")
"""How ranges of activations are made of what was measured."""

DEFAULT_OPSET = 20
OPSETS = (18, 19, 20, 21, 22, 23)
"""Tested opsets. Torch's exporter supports none before 18: for 17 it writes 18."""

BATCH_AXIS = "batch"

OTHER_FORMATS = {
    "engine": "TensorRT engines fit one GPU and one version: build one from the ONNX file (`--target trt`, then "
    "`trtexec --onnx=FILE`)",
    "openvino": "OpenVINO reads the ONNX file (`--target openvino`)",
    "torchscript": "PyTorch has retired TorchScript",
}
"""Formats that are not supported, and the alternatives."""


LAST_SYMMETRIC_OPSET = 20
"""From opset 21 on, ONNX Runtime 1.31 moves int8 pairs past reshapes as uint8, and then rejects the graph."""


def proof_ticks(text: str) -> int:
    """A number of ticks to compare; 0 is refused, so that the proof is left out only on purpose, with `--no-parity`.

    Raises:
        ValueError: it is not a number above 0.
    """
    try:
        ticks = int(text)
    except ValueError:
        ticks = 0
    if ticks < 1:
        raise ValueError(f"Write a number of at least 1, got {text!r}; `--no-parity` leaves the proof out.")
    return ticks


@dataclass(frozen=True, kw_only=True)
class Int8Options(Options):
    """How the network is quantized; one file per target."""

    heading = "INT8"

    int8: bool = option(True, "write INT8 files", flag="--int8", default_text="yes")
    targets: tuple[str, ...] = option(
        ("ort-cpu",), "runtimes to write an INT8 file for", choices=tuple(RECIPES), flag="--target"
    )
    fraction: float = option(
        1.0, "part of each recording, from its start, that is used for calibration", above=0, at_most=1
    )
    calibration: Path | None = option(
        None,
        "calibration file of an earlier export of these weights, instead of a new calibration",
        default_text="none",
    )
    calibration_every: int = option(4, "measure ranges at one tick in N", at_least=1, is_argument=False)
    sensitivity: bool = option(False, "measure how far quantizing each layer alone moves the plan, in metres")
    sensitivity_ticks: int = option(72, "ticks over which layers are measured", at_least=1, is_argument=False)
    mixed_limit: float | None = option(
        None,
        "leave the layers that matter most in float, until the plan differs by at most this on average: metres at 3 s, "
        "radians of a model that only steers, else a share of the outputs",
        above=0,
        flag="--mixed",
        metavar="LIMIT",
        default_text="quantize all layers",
    )
    include: tuple[str, ...] = option(
        (),
        "patterns of node or module names to quantize that would stay in float",
        may_be_empty=True,
        metavar="PATTERN",
        default_text="none",
    )
    exclude: tuple[str, ...] = option(
        (),
        "patterns of node or module names to leave in float",
        may_be_empty=True,
        metavar="PATTERN",
        default_text="none",
    )
    method: str = option(
        "minmax",
        "how ranges are made of the values seen: all of them (minmax), all but the outermost (percentile), or those "
        "that lose least information (entropy)",
        choices=RANGE_METHODS,
    )
    percentile: float = option(
        99.99, "share of values inside a range, with `--method percentile`", unit="%", above=0, at_most=100
    )
    roll_out: bool = option(True, "carry the state from tick to tick while calibrating", is_argument=False)


@dataclass(frozen=True, kw_only=True)
class ProofOptions(Options):
    """How the files are compared with PyTorch; `parity_ticks` of 0 leaves the proof out."""

    heading = "proof"

    parity_ticks: int = option(
        1000, "ticks over which the files are compared with PyTorch", at_least=0, parse=proof_ticks
    )
    device: str = option("cpu", "hardware that runs PyTorch: cpu, cuda or cuda:N", metavar="DEVICE")
    fp32_limit: float | None = option(
        None,
        "largest difference of FP32 from PyTorch, in the unit of the plan",
        above=0,
        metavar="LIMIT",
        default_text="by unit, docs/export.md",
    )
    int8_limit: float | None = option(
        None,
        "largest mean difference of INT8 from FP32, in the unit of the plan",
        above=0,
        metavar="LIMIT",
        default_text="by unit, docs/export.md",
    )
    fp16_limit: float | None = option(
        None,
        "largest mean difference of FP16 from FP32, in the unit of the plan",
        above=0,
        metavar="LIMIT",
        default_text="by unit, docs/export.md",
    )
    feedback_limit: float | None = option(
        None,
        "largest mean difference of every file from FP32, in the unit of the plan, where each chooses its own patches",
        above=0,
        metavar="LIMIT",
        default_text="a warning, docs/export.md",
    )
    feedback_p99_limit: float | None = option(
        None,
        "largest 99th percentile of that difference",
        above=0,
        metavar="LIMIT",
        default_text="a warning, docs/export.md",
    )


@dataclass(frozen=True, kw_only=True)
class NetworkInt8Options(Int8Options):
    """What only our own network has."""

    heading = Int8Options.heading

    float_transformer: bool = option(
        False, "leave the transformer's linear layers in float: plans then agree within 1 mm on every processor"
    )


@dataclass(frozen=True, kw_only=True)
class ModelExportConfig(ProofOptions, Int8Options):
    """Settings of an export of any model."""

    out: Path = results_folder("out/export")
    variants: tuple[str, ...] = option(
        ("int8",),
        "files to write beside FP32: int8 (activations and weights), fp16, weights8 (8-bit weights alone, a smaller "
        "file), weights4 (4-bit weights in blocks), dynamic (matrix products in 8 bits, ranges found while running)",
        choices=VARIANTS,
        may_be_empty=True,
    )
    float_nodes: tuple[str, ...] = option(
        (),
        "patterns of node or module names that stay in float in FP16",
        may_be_empty=True,
        metavar="PATTERN",
        default_text="none",
    )
    smoothing: bool = option(True, "equalise the channels that linear layers read from a norm", is_argument=False)
    speed_rounds: int = option(30, "how often each file is timed; 0 leaves it out", at_least=0, is_argument=False)


@dataclass(frozen=True, kw_only=True)
class ExportConfig(ProofOptions, NetworkInt8Options):
    """Settings of an export. `weights` of None exports an untrained network, the same for a given `seed`."""

    weights: Path | None = option(
        None, "safetensors file to export", flag="", metavar="WEIGHTS", default_text="the packaged weights"
    )
    out: Path = results_folder("out/export")
    format: str = option("onnx", "file format; onnx is the only one", metavar="NAME")
    opset: int = option(DEFAULT_OPSET, "version of the ONNX operator set", choices=OPSETS)
    simplify: bool = option(False, "fold constants and remove nodes that change nothing")
    dynamic: tuple[str, ...] = option(
        (),
        f"axis to leave open, in an additional FP32 file; {BATCH_AXIS} is the only one: many cars in one run",
        may_be_empty=True,
        metavar="AXIS",
        default_text="none",
    )
    half: bool = option(False, "also write an FP16 file, with the same inputs and outputs")
    budget: str | None = option(
        None,
        "export for this budget: an untrained network, or weights of a foveated network for another number of patches",
        choices=tuple(ALL_BUDGETS),
        default_text=f"that of the weights, or {DEFAULT_BUDGET} with --seed",
    )
    seed: int = option(
        0,
        "export an untrained network made from this seed",
        at_least=0,
        default_text="0 with --budget, else the weights",
    )

    def __post_init__(self) -> None:
        if self.format != "onnx":
            instead = OTHER_FORMATS.get(self.format, "ONNX Runtime, TensorRT and OpenVINO read ONNX")
            raise OptionError("format", f"must be `onnx`, got {self.format!r}: {instead}")
        super().__post_init__()
        fixed = [axis for axis in self.dynamic if axis != BATCH_AXIS]
        if fixed:
            raise OptionError(
                "dynamic",
                f"cannot be {', '.join(fixed)}: the network is built for one budget's shapes. Export once per budget; "
                f"`--dynamic {BATCH_AXIS}` writes a file with a free batch size",
            )
        if self.opset > LAST_SYMMETRIC_OPSET and any(RECIPES[target].symmetric for target in self.targets):
            raise OptionError(
                "opset",
                f"must be {LAST_SYMMETRIC_OPSET} or lower for INT8 for {', '.join(self.targets)}, got {self.opset}: "
                "ONNX Runtime, which runs the parity check, does not load symmetric pairs of later opsets",
            )
        if not self.int8 and (
            self.sensitivity or self.float_transformer or self.mixed_limit is not None or self.calibration is not None
        ):
            raise ValueError(
                "--sensitivity, --float-transformer, --mixed and --calibration need INT8 files. Leave `--no-int8` out."
            )
