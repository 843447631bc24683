"""Settings of `fsd export`, checked at the door; what cannot be done is refused with the reason."""

from dataclasses import dataclass
from pathlib import Path

from fsd.compression.budget import BUDGETS
from fsd.export.onnx_export import BATCH_AXIS, DEFAULT_OPSET, OPSETS
from fsd.export.recipes import RECIPES

OTHER_FORMATS = {
    "engine": "TensorRT engines fit one GPU and one version: build yours from the ONNX file (`--target trt`, then "
    "`trtexec --onnx=FILE`)",
    "openvino": "OpenVINO reads the ONNX file as it is (`--target openvino`)",
    "torchscript": "PyTorch has retired TorchScript",
}
"""What people ask for, and what to do instead."""


LAST_SYMMETRIC_OPSET = 20
"""ONNX Runtime 1.31 moves int8 pairs past reshapes as uint8 from opset 21 on, and then refuses its own graph."""


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `fsd export`.

    Attributes:
        weights: a safetensors file; None exports an untrained network, always the same one.
        out: folder that the files go into; made if missing.
        format: `onnx`.
        targets: runtimes that INT8 files are for, one file each; keys of `RECIPES`.
        int8: also write INT8 files; half: also write an FP16 file, inputs and outputs as they are.
        opset: ONNX operator set.
        simplify: fold constants and drop what changes nothing, until no node goes any more.
        dynamic: axes of free size, in an FP32 file of its own; `batch` is the only one there is.
        device: where PyTorch computes in the proof, `cpu` or `cuda[:n]`.
        budget: of the untrained network; a weights file brings its own.
        seed: of the untrained network.
        calibration: the calibration file of an earlier export of these weights; None calibrates.
        fraction: the share of each clip, from its start, that is calibrated on.
        calibration_every: one tick in so many is looked at for ranges; memory is written at every tick.
        sensitivity: measure every layer; over `sensitivity_ticks` rolled-out ticks.
        mixed_m: leave layers in float until the mean distance at 3 s is at most this; None quantizes all.
        parity_ticks: length of the proof; 0 leaves it out (`--no-parity`).
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
            instead = OTHER_FORMATS.get(self.format, "ONNX Runtime, TensorRT and OpenVINO all read ONNX")
            raise ValueError(f"The only format is `onnx`, got {self.format!r}: {instead}.")
        for target in self.targets:
            if target not in RECIPES:
                raise ValueError(f"There is no quantization recipe for {target!r}; use one of {', '.join(RECIPES)}.")
        fixed = [axis for axis in self.dynamic if axis != BATCH_AXIS]
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)} cannot be dynamic: the network is built for one budget's shapes. Export once for "
                f"every budget; `--dynamic {BATCH_AXIS}` writes a file for many cars at a time."
            )
        if self.opset not in OPSETS:
            raise ValueError(f"opset must be one of {', '.join(map(str, OPSETS))} (tested), got {self.opset}.")
        if self.opset > LAST_SYMMETRIC_OPSET and any(RECIPES[target].symmetric for target in self.targets):
            raise ValueError(
                f"INT8 for {', '.join(self.targets)} needs opset {LAST_SYMMETRIC_OPSET} or lower, got {self.opset}: "
                "ONNX Runtime, on which the file is proven, does not load symmetric pairs of later ones."
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
            raise ValueError("--sensitivity, --mixed and --calibration are about INT8; leave `--no-int8` out.")
