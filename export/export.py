"""One call from weights to proven model files: FP32 ONNX, INT8 ONNX, metadata, and the parity report.

Ties the steps together and decides file names; every step is a module of its own.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fsd.compression.budget import BUDGETS
from fsd.data.errors import ModelError, OutputError
from fsd.export.calibration import Clip, calibrate
from fsd.export.metadata import write_model
from fsd.export.onnx_export import DEFAULT_OPSET, export_onnx
from fsd.export.parity import ParityReport, compare
from fsd.export.quantize import activations_of, quantize, quantized_nodes
from fsd.export.recipes import RECIPES
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.config import NetworkConfig
from fsd.networks.feeds import Step
from fsd.networks.model_metadata import describe
from fsd.networks.weights import load_weights, untrained, weights_sha256

SYNTHETIC_CLIPS, SYNTHETIC_TICKS = 4, 240


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `fsd export`.

    Attributes:
        weights: a safetensors file; None exports an untrained network, always the same one.
        out: folder that the files go into; made if missing.
        target: runtime that the INT8 file is for; a key of `RECIPES`.
        int8: also write an INT8 file.
        opset: ONNX operator set.
        budget: of the untrained network; a weights file brings its own.
        seed: of the untrained network.
        calibration_every: one tick in so many is looked at for ranges; memory is written at every tick.
        parity_ticks: length of the proof; 0 leaves it out.
    """

    weights: Path | None = None
    out: Path = Path("exported")
    target: str = "ort-cpu"
    int8: bool = True
    opset: int = DEFAULT_OPSET
    budget: str = "B100"
    seed: int = 0
    calibration_every: int = 4
    parity_ticks: int = 1000

    def __post_init__(self) -> None:
        if self.target not in RECIPES:
            raise ValueError(f"There is no quantization recipe for {self.target!r}; use one of {', '.join(RECIPES)}.")
        if self.budget not in BUDGETS:
            raise ValueError(f"There is no budget {self.budget!r}; use one of {', '.join(BUDGETS)}.")
        if self.calibration_every < 1:
            raise ValueError(f"calibration_every must be at least 1, got {self.calibration_every}.")
        if self.parity_ticks < 0:
            raise ValueError(f"parity_ticks must not be negative, got {self.parity_ticks}.")


@dataclass(frozen=True)
class Exported:
    """What `export` wrote: `int8`, `calibration`, `parity` are None where not asked for."""

    fp32: Path
    int8: Path | None
    calibration: Path | None
    parity: Path | None
    report: ParityReport | None


def export(
    config: ExportConfig,
    clips: Sequence[Clip] | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Exported:
    """Export, quantize and prove a network.

    Args:
        clips: drives to calibrate on and to prove on, each iterable more than once (a `RecordedClip`, or a list of
            steps); None uses made-up ones, which is right only for an untrained network.
        progress: told in a few words what happens now.

    Raises:
        ModelError: the weights do not load, or the graph cannot be exported or quantized.
        OutputError: the folder cannot be written.
    """
    if config.weights is None:
        network, trained, sha256 = untrained(NetworkConfig(BUDGETS[config.budget]), config.seed), False, ""
    else:
        network, header = load_weights(config.weights)
        trained, sha256 = bool(header["trained"]), weights_sha256(config.weights)
    if clips is None:
        if trained:
            raise ModelError(
                "A trained network must be calibrated on real drives: made-up ticks give ranges that no road keeps. "
                "Name recordings with `--data`."
            )
        clips = synthetic_clips(network.config)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder {config.out}: {error.strerror}. Choose another with `--out`."
        ) from error

    budget = network.config.budget
    name = budget.name.lower()
    progress("exporting")
    model = export_onnx(network, config.opset)
    fp32 = config.out / f"{name}_fp32.onnx"
    write_model(model, describe(name, budget, trained, "fp32", "any", sha256), fp32)

    int8 = ranges = None
    if config.int8:
        recipe = RECIPES[config.target]
        progress("calibrating")
        tensors = activations_of(model, quantized_nodes(model))
        calibration = calibrate(model, budget, tensors, clips, config.calibration_every)
        ranges = config.out / f"{name}_calibration.json"
        calibration.save(ranges)
        progress("quantizing")
        notes = {
            **recipe.summary(),
            "calibration": f"{calibration.ticks} ticks of {calibration.clips} rolled-out clips",
        }
        int8 = config.out / f"{name}_int8.onnx"
        write_model(
            quantize(model, calibration, recipe),
            describe(name, budget, trained, "int8", recipe.target, sha256, notes),
            int8,
        )

    report, parity = None, None
    if config.parity_ticks:
        progress("proving")
        report = compare(network, fp32, int8, _first_ticks(clips, config.parity_ticks))
        parity = config.out / "parity.json"
        parity.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    return Exported(fp32, int8, ranges, parity, report)


def synthetic_clips(config: NetworkConfig) -> list[Clip]:
    """Made-up drives, the last with a camera missing."""
    return [
        list(synthetic_steps(config.budget, SYNTHETIC_TICKS, seed, missing_camera=7 if seed == 3 else None))
        for seed in range(SYNTHETIC_CLIPS)
    ]


def _first_ticks(clips: Iterable[Clip], count: int) -> Iterator[Clip]:
    """The first `count` ticks over all clips, clip by clip; each part is to be used up before the next."""
    left = count
    for clip in clips:
        if left == 0:
            return

        def head(clip: Clip = clip) -> Iterator[Step]:
            nonlocal left
            for step in islice(clip, left):
                left -= 1
                yield step

        yield head()
