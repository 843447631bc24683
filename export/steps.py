"""Steps that every export shares, of our own network and of third-party models: calibrate, quantize, prove."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import onnx

from fsd.data.errors import UsageError, few
from fsd.data.files import write_text
from fsd.export.activation_range import RangeMethod
from fsd.export.calibration import Calibration, calibrate
from fsd.export.clip_measure import MeasureClips, in_turn
from fsd.export.config import Int8Options, ProofOptions
from fsd.export.divergence import TorchModel, with_places
from fsd.export.gaze_feedback import FEEDBACK, FeedbackLimits, compare_feedback, judge
from fsd.export.kept_steps import KeptSteps
from fsd.export.node_choice import activations_of
from fsd.export.onnx_runner import Clip, MakeFeeds
from fsd.export.pair_safe import saturating_pairs
from fsd.export.parity import FP32_BATCH, ParityReport, compare, limits_for
from fsd.export.plan_measure import PlanMeasure, format_distance
from fsd.export.quantize import quantize
from fsd.export.recipes import Recipe
from fsd.export.sensitivity import (
    ProgressCallback,
    QuantizationTrial,
    Sensitivity,
    choose_float_layers,
    measure,
    sensitivity_content,
)
from fsd.export.speed import Speed

SENSITIVITY_FILE, PARITY_FILE = "sensitivity.json", "parity.json"
INT8 = "onnx_int8"


@dataclass(frozen=True)
class Exported:
    """What an export wrote: the FP32 file, the `others` by their name in the report, and the optional results.

    `name` is the model's, or the budget of our own network. `speed` is that of a third-party model.
    """

    name: str
    is_trained: bool
    fp32: Path
    others: Mapping[str, Path]
    calibration: Path | None
    parity: Path | None
    report: ParityReport | None
    sensitivity: Mapping[str, Sensitivity]
    speed: tuple[Speed, ...] = ()

    @property
    def int8(self) -> Path | None:
        """The first INT8 file, if there is one."""
        return next((path for name, path in self.others.items() if name.startswith(INT8)), None)


@dataclass(frozen=True)
class QuantizableModel:
    """A float graph with the nodes to quantize, how to feed it, and what its outputs mean.

    `notes`: for the metadata of quantized files.
    """

    graph: onnx.ModelProto
    nodes: Sequence[str]
    make_feeds: MakeFeeds
    measure: PlanMeasure
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class QuantizedGraph:
    """An INT8 graph, with notes for its metadata."""

    graph: onnx.ModelProto
    notes: dict[str, str]
    pair_safe: bool
    sensitivity: Sensitivity | None


def int8_suffix(target: str) -> str:
    """End of the name of a runtime's INT8 file."""
    return "int8" if target == "ort-cpu" else f"int8_{target}"


def int8_name(target: str) -> str:
    """Name of a runtime's INT8 file in the report."""
    return f"onnx_{int8_suffix(target)}"


def model_file_name(name: str, suffix: str) -> str:
    return f"{name}_{suffix}.onnx"


def calibration_file_name(name: str) -> str:
    return f"{name}_calibration.safetensors"


def calibrated(
    model: QuantizableModel, options: Int8Options, clips: Sequence[Clip], measure_clips: MeasureClips = in_turn
) -> Calibration:
    """Measure ranges on the first part of every clip."""
    return calibrate(
        model.graph,
        model.make_feeds,
        activations_of(model.graph, model.nodes),
        calibration_parts(options, clips),
        options.calibration_every,
        model.nodes,
        RangeMethod(options.method, options.percentile),
        options.roll_out,
        measure_clips,
    )


def quantized(
    model: QuantizableModel,
    options: Int8Options,
    calibration: Calibration,
    recipe: Recipe,
    clips: Sequence[Clip],
    kept: Sequence[str],
    progress: ProgressCallback,
) -> QuantizedGraph:
    """Quantize for one runtime, with the layers `kept` in float, and more of them if `mixed_limit` requires it."""
    progress(f"quantizing for {recipe.target}")
    notes = {**recipe.summary(), **model.notes, "calibration": calibration.summary()}
    if calibration.without_covariance:
        notes["rounding"] = f"without correlations of inputs in {calibration.without_covariance} large layers"
    sensitivity: Sensitivity | None = None
    if options.sensitivity or options.mixed_limit is not None:
        trial = QuantizationTrial(
            model.graph,
            model.nodes,
            calibration,
            recipe,
            model.make_feeds,
            model.measure,
            clips,
            options.sensitivity_ticks,
            kept,
        )
        sensitivity = measure(trial, progress)
        if options.mixed_limit is not None:
            chosen, left = choose_float_layers(trial, sensitivity, options.mixed_limit)
            kept = [*kept, *chosen]
            notes["mixed"] = _mixed_note(sensitivity, left, options.mixed_limit)
    if kept or options.mixed_limit is not None:
        notes["float_layers"] = ", ".join(kept) or "only those of the recipe"
    graph = quantize(model.graph, model.nodes, calibration, recipe, kept)
    pair_safe = not recipe.symmetric and saturating_pairs(graph) == 0
    return QuantizedGraph(graph, notes, pair_safe, sensitivity)


def prove(
    model: QuantizableModel,
    options: ProofOptions,
    fp32: Path,
    others: Mapping[str, Path],
    graphs: Mapping[str, onnx.ModelProto],
    clips: Sequence[Clip],
    pytorch: TorchModel | None,
    calibration: Path | None = None,
) -> ParityReport:
    """Compare the files over recurrent ticks; a failure names the first layer to diverge.

    Args:
        calibration: file of ranges from another export; None if they were measured on these clips.
        graphs: as in `with_places`.
    """
    limits = limits_for(model.measure, options.fp32_limit, options.int8_limit, options.fp16_limit)
    ticks = first_ticks(clips, options.parity_ticks)
    run = pytorch.run if pytorch is not None else None
    report = compare(run, model.make_feeds, model.measure, fp32, others, ticks, limits)
    failures = with_places(report, model.make_feeds, {**graphs}, others, clips, pytorch)
    scope = _scope(report, clips, others, calibration)
    report = replace(report, failures=failures, notes=_coverage(report, options), scope=scope)
    return with_feedback(report, model, options, fp32, others, clips)


def _scope(report: ParityReport, clips: Sequence[Clip], others: Mapping[str, Path], calibration: Path | None) -> str:
    """`40 ticks of demo, calibrated on the same clip`: how far the result carries."""
    names = [clip.path.name for clip in clips if isinstance(clip, KeptSteps)]
    scope = f"{report.ticks} ticks of {few(names) if names else 'generated steps'}"
    if not any(name.startswith(INT8) for name in others):
        return scope
    same = f"the same {'clips' if len(names) > 1 else 'clip' if names else 'steps'}"
    return f"{scope}, calibrated on {same if calibration is None else f'those of {calibration.name}'}"


def with_feedback(
    report: ParityReport,
    model: QuantizableModel,
    options: ProofOptions,
    fp32: Path,
    others: Mapping[str, Path],
    clips: Sequence[Clip],
) -> ParityReport:
    """The report with what the files differ by where each chooses its own patches.

    A limit of the options that is exceeded is a failure; a target that is missed without one is a warning.
    """
    files = {name: path for name, path in others.items() if name != FP32_BATCH}
    found = compare_feedback(model.make_feeds, model.measure, fp32, files, clips, options.parity_ticks)
    limits = FeedbackLimits(options.feedback_limit, options.feedback_p99_limit)
    verdicts = {name + FEEDBACK: judge(name, each, limits) for name, each in found.items()}
    failures = {name: verdict.failure for name, verdict in verdicts.items() if verdict.failure}
    warnings = {name: verdict.warning for name, verdict in verdicts.items() if verdict.warning}
    if not found and limits != FeedbackLimits():
        failures[FEEDBACK.strip("_")] = (
            "The limits of the files' own gaze cannot be checked: none of them chooses patches of a recording."
        )
    int8 = next((each for name, each in found.items() if name.startswith(INT8) and each.unit == "m"), None)
    return replace(
        report,
        failures=(*report.failures, *failures.values()),
        failed=(*report.failed, *failures),
        warnings=tuple(warnings.values()),
        warned=tuple(warnings),
        feedback=found,
        int8_feedback_mean_m=int8.mean if int8 else None,
        int8_feedback_p99_m=int8.p99 if int8 else None,
        int8_feedback_max_m=int8.max if int8 else None,
    )


def write_report(folder: Path, report: ParityReport, further: Mapping[str, Any] | None = None) -> Path:
    """Write `parity.json`."""
    path = folder / PARITY_FILE
    write_text(path, json.dumps({**report.to_dict(), **(further or {})}, indent=1) + "\n")
    return path


def write_sensitivity(folder: Path, by_target: Mapping[str, Sensitivity]) -> None:
    """Write `sensitivity.json`; nothing if nothing was measured."""
    if by_target:
        write_text(folder / SENSITIVITY_FILE, json.dumps(sensitivity_content(by_target), indent=1) + "\n")


def calibration_parts(options: Int8Options, clips: Sequence[Clip]) -> list[Clip]:
    """The first part of every clip."""
    return [_first_share(clip, options.fraction) for clip in clips]


def first_ticks(clips: Iterable[Clip], count: int) -> Iterator[Clip]:
    """The first `count` ticks over all clips, clip by clip; each must be consumed before the next."""
    left = count
    for clip in clips:
        if left == 0:
            return

        def head(clip: Clip = clip) -> Iterator[Any]:
            nonlocal left
            for step in islice(clip, left):
                left -= 1
                yield step

        yield head()


def _first_share(clip: Clip, fraction: float) -> Clip:
    """The first part of a clip; needs the clip's length unless `fraction` is 1."""
    if fraction == 1:
        return clip
    if not isinstance(clip, Sized):
        raise UsageError("`--fraction` needs clips of known length. Leave it out.")
    return FirstShare(clip, fraction)


@dataclass(frozen=True)
class FirstShare:
    """The first part of a clip of known length, which is found where it is read."""

    clip: Clip
    fraction: float

    def __iter__(self) -> Iterator[Any]:
        assert isinstance(self.clip, Sized)
        return islice(self.clip, max(round(len(self.clip) * self.fraction), 1))


def _mixed_note(sensitivity: Sensitivity, left: float, limit: float) -> str:
    unit = sensitivity.unit
    return (
        f"{format_distance(left, unit)} from float ({sensitivity.label}) over {sensitivity.ticks} ticks, "
        f"{format_distance(sensitivity.all_m, unit)} with none chosen; limit {format_distance(limit, unit)}"
    )


def _coverage(report: ParityReport, options: ProofOptions) -> tuple[str, ...]:
    if report.ticks >= options.parity_ticks:
        return ()
    return (
        f"The clips have {report.ticks} of the requested {options.parity_ticks} ticks: growth over a longer drive is "
        "not checked. Name longer recordings with `--data`.",
    )
