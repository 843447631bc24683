"""Settings of `fsd export`, validated on construction."""

from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import BUDGETS
from fsd.export.onnx_export import BATCH_AXIS, DEFAULT_OPSET, OPSETS
from fsd.export.recipes import RECIPES

OTHER_FORMATS = {
    "engine": "TensorRT engines fit one GPU and one version: build one from the ONNX file (`--target trt`, then "
    "`trtexec --onnx=FILE`)",
    "openvino": "OpenVINO reads the ONNX file (`--target openvino`)",
    "torchscript": "PyTorch has retired TorchScript",
}
"""Formats that are not supported, and the alternatives."""


LAST_SYMMETRIC_OPSET = 20
"""From opset 21 on, ONNX Runtime 1.31 moves int8 pairs past reshapes as uint8, and then rejects the graph."""


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `fsd export`.

    Attributes:
        weights: a safetensors file; None: an untrained network, the same for the same `seed`.
        out: output folder; created if missing.
        format: `onnx`.
        targets: runtimes for which INT8 files are written, one file each; keys of `RECIPES`.
        int8: also write INT8 files; half: also write an FP16 file with float32 inputs and outputs.
        opset: ONNX operator set.
        simplify: fold constants and remove redundant nodes until the graph no longer shrinks.
        dynamic: axes of free size, in a separate FP32 file; only `batch` is supported.
        device: device of PyTorch in the parity check, `cpu` or `cuda[:n]`.
        budget: budget of the untrained network; a weights file has its own.
        seed: seed of the untrained network.
        calibration: the calibration file of an earlier export of these weights; None calibrates.
        fraction: the share of each clip, from its start, used for calibration.
        calibration_every: ranges are measured at one tick in `calibration_every`; memory is written at every tick.
        sensitivity: measure the effect of every layer, over `sensitivity_ticks` rolled-out ticks.
        mixed_m: leave layers in float until the mean distance at 3 s is at most this; None: quantize all.
        parity_ticks: length of the parity check; 0 skips it (`--no-parity`).
    """

    weights: Path | None = None
    out: Path = Path("exported")
    format: str = "onnx"
    targets: tuple[str, ...] = ("ort-cpu",)
    int8: bool = True
    half: bool = False
    opset: int = DEFAULT_OPSET
    simplify: bool = False
    dynamic: tuple[str, ...] = ()
    device: str = "cpu"
    budget: str = "B100"
    seed: int = 0
    calibration: Path | None = None
    fraction: float = 1.0
    calibration_every: int = 4
    sensitivity: bool = False
    sensitivity_ticks: int = 72
    mixed_m: float | None = None
    parity_ticks: int = 1000

    def __post_init__(self) -> None:
        if self.format != "onnx":
            instead = OTHER_FORMATS.get(self.format, "ONNX Runtime, TensorRT and OpenVINO read ONNX")
            raise ValueError(f"The only format is `onnx`, got {self.format!r}: {instead}.")
        for target in self.targets:
            if target not in RECIPES:
                raise ValueError(f"There is no quantization recipe for {target!r}; use one of {', '.join(RECIPES)}.")
        fixed = [axis for axis in self.dynamic if axis != BATCH_AXIS]
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)} cannot be dynamic: the network is built for one budget's shapes. Export once per "
                f"budget; `--dynamic {BATCH_AXIS}` writes a file with a free batch size."
            )
        if self.opset not in OPSETS:
            raise ValueError(f"opset must be one of {', '.join(map(str, OPSETS))} (tested), got {self.opset}.")
        if self.opset > LAST_SYMMETRIC_OPSET and any(RECIPES[target].symmetric for target in self.targets):
            raise ValueError(
                f"INT8 for {', '.join(self.targets)} needs opset {LAST_SYMMETRIC_OPSET} or lower, got {self.opset}: "
                "ONNX Runtime, which runs the parity check, does not load symmetric pairs of later opsets."
            )
        if self.budget not in BUDGETS:
            raise ValueError(f"There is no budget {self.budget!r}; use one of {', '.join(BUDGETS)}.")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, got {self.fraction}.")
        if self.calibration_every < 1 or self.sensitivity_ticks < 1:
            raise ValueError(
                f"calibration_every and sensitivity_ticks must be at least 1, got {self.calibration_every} and "
                f"{self.sensitivity_ticks}."
            )
        if self.mixed_m is not None and not 0 < self.mixed_m < float("inf"):
            raise ValueError(f"mixed_m must be a distance above 0 m, got {self.mixed_m}.")
        if self.parity_ticks < 0:
            raise ValueError(f"parity_ticks must not be negative, got {self.parity_ticks}.")
        if not self.int8 and (self.sensitivity or self.mixed_m is not None or self.calibration is not None):
            raise ValueError("--sensitivity, --mixed and --calibration need INT8 files. Leave `--no-int8` out.")
