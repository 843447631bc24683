"""Parity check: run the same drive through PyTorch, FP32 ONNX and the files made of it, and compare their outputs.

Differences are reported in decibels and in the units of the plan, such as metres, 1/m, m/s². Each file keeps its own
recurrent state, so an error that accumulates shows as growth. It compares numbers, not driving quality.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.errors import ModelError
from fsd.export.gaze_feedback import Feedback
from fsd.export.onnx_runner import (
    BatchRunner,
    Clip,
    MakeFeeds,
    OnnxRunner,
    Reference,
    ReferenceRunner,
    Runner,
    open_model,
)
from fsd.export.plan_measure import RELATIVE, PlanMeasure, distances, format_distance

UNOPTIMISED_TICKS = 100
"""Ticks for sessions without graph optimisation: they are ten times slower, and only have to agree."""

REFERENCE = "pytorch"
UNOPTIMISED = "_unoptimised"
FP32 = "onnx_fp32"
FP32_BATCH = FP32 + "_batch"
FP16 = "onnx_fp16"
SCHEMA_VERSION = 1
"""Of `parity.json`; rises when a field changes its name or meaning."""

GROWTH_NOISE = 1e-6
"""In the unit of the headline: differences of float rounding, whose ratio says nothing."""

DRIFT_PARTS = 10
"""Number of parts of the drive; the mean distance in each shows whether an error grows."""


@dataclass(frozen=True)
class Limits:
    """Tolerances of a proof, in the unit of the measure's headline.

    Attributes:
        fp32_max: FP32 ONNX against PyTorch, at every tick, of the measure's `strictest` quantity.
        int8_mean, fp16_mean: against FP32, on average over the ticks.
    """

    fp32_max: float
    int8_mean: float
    fp16_mean: float

    def mean_of(self, name: str) -> float:
        """Limit of a file, by its name in the report."""
        return self.fp16_mean if name.startswith(FP16) else self.int8_mean


DEFAULT_LIMITS = {
    # 1e-4 m: 100 times float rounding over a few recurrent steps. 0.05 m: far less than steering corrects within one
    # tick. 0.02 m: eleven bits of a 40 m plan.
    "m": Limits(1e-4, 0.05, 0.02),
    # 0.01 rad at the road wheels is a twentieth of a lane's width after 20 m.
    "rad": Limits(1e-4, 0.01, 0.002),
    # 5e-4 1/m is 0.1 m after 20 m.
    "1/m": Limits(1e-5, 5e-4, 1e-4),
    RELATIVE: Limits(1e-3, 0.1, 0.02),
}
"""Unit of the headline -> limits; a measure in another unit needs limits of its own."""


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run PyTorch on one thread: idle threads spin, and beside other work two threads used 150 ms of CPU time for a
    tick that takes one thread 14 ms.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Distance:
    """Of one quantity over the drive, in its `unit`."""

    unit: str
    mean: float
    max: float


@dataclass(frozen=True)
class Comparison:
    """Differences of one file from its reference over all ticks.

    Attributes:
        ticks: number of compared ticks.
        max_abs: output name -> largest difference, in the output's unit.
        sqnr_db: output name -> signal over difference, decibels, over the whole drive.
        growth: mean distance of the headline in the last quarter of the drive over that in the first; 1: no growth.
        worst_tick: tick of the largest distance, counted over all clips.
        headline: name of the quantity that the file is judged by; unit: its unit.
        distances: every quantity of the plan.
        drift: mean distance of the headline in each tenth of the drive.
        position_mean_m, position_max_m: distance of the waypoints at 1, 2, 3 s; empty for a model that plans no path.
        anywhere_max_m: largest distance of any waypoint at any tick.
        curvature_mean_per_m, curvature_max_per_m, acceleration_mean_mps2, acceleration_max_mps2: of the controls.
        drift_m: `drift`, where its unit is metres.
    """

    reference: str
    ticks: int
    max_abs: dict[str, float]
    sqnr_db: dict[str, float]
    growth: float
    worst_tick: int
    headline: str = "position_3s"
    unit: str = "m"
    distances: dict[str, Distance] = field(default_factory=dict)
    drift: tuple[float, ...] = ()
    position_mean_m: dict[str, float] = field(default_factory=dict)
    position_max_m: dict[str, float] = field(default_factory=dict)
    anywhere_max_m: float | None = None
    curvature_mean_per_m: float | None = None
    curvature_max_per_m: float | None = None
    acceleration_mean_mps2: float | None = None
    acceleration_max_mps2: float | None = None
    drift_m: tuple[float, ...] = ()

    @property
    def growth_text(self) -> str:
        """The growth, where there is a difference that could grow."""
        is_noise = max(self.drift, default=0.0) < GROWTH_NOISE
        return f"not told, differences are below {GROWTH_NOISE:g}" if is_noise else f"{self.growth:.2f}"


@dataclass(frozen=True)
class ParityReport:
    """`comparisons` by file and optimisation; `failures` are sentences, empty if all tolerances hold.

    `failed` names the failed comparisons; `notes` state what the check does not cover; `scope` on what it was made.

    Attributes:
        warnings: sentences on missed targets, which decide nothing; warned: names of what missed them.
        feedback: file -> its differences from FP32 where each chooses its own patches; empty if none chooses.
        int8_feedback_mean_m, int8_feedback_p99_m, int8_feedback_max_m: of the first INT8 file, in metres; None in
            another unit.
    """

    ticks: int
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scope: str = ""
    warnings: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    feedback: dict[str, Feedback] = field(default_factory=dict)
    int8_feedback_mean_m: float | None = None
    int8_feedback_p99_m: float | None = None
    int8_feedback_max_m: float | None = None

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"schema_version": SCHEMA_VERSION, "passed": self.passed, **asdict(self)}


def compare(
    reference: Reference | None,
    make_feeds: MakeFeeds,
    measure: PlanMeasure,
    fp32: Path,
    others: Mapping[str, Path],
    clips: Iterable[Clip],
    limits: Limits | None = None,
    unoptimised_ticks: int = UNOPTIMISED_TICKS,
) -> ParityReport:
    """Compare FP32 with PyTorch, and the other files with FP32, with and without graph optimisation.

    Args:
        reference: the model in PyTorch; None if there is none: then the optimised FP32 file is the reference of all.
        others: INT8, FP16 and batch files by their name in the report: `onnx_int8`, `onnx_fp16` …
        limits: None takes those of `DEFAULT_LIMITS` for the measure's unit.

    Raises:
        ModelError: the clips have no ticks.
    """
    runners: dict[str, Runner] = {}
    if reference is not None:
        runners[REFERENCE] = ReferenceRunner(reference, make_feeds)
    for name, path in {FP32: fp32, **others}.items():
        kind = BatchRunner if name == FP32_BATCH else OnnxRunner
        runners[name] = kind(open_model(path), make_feeds)
        runners[name + UNOPTIMISED] = kind(open_model(path, optimise=False), make_feeds)
    float_reference = REFERENCE if reference is not None else FP32
    pairs = {name: float_reference if name.startswith(FP32) else FP32 for name in runners}
    pairs = {name: other for name, other in pairs.items() if name not in (other, REFERENCE)}
    tallies = {name: _Tally(measure) for name in pairs}
    ticks = 0
    with one_torch_thread():
        for clip in clips:
            for runner in runners.values():
                runner.reset()
            for step in clip:
                if ticks == unoptimised_ticks:
                    runners = {name: runner for name, runner in runners.items() if not name.endswith(UNOPTIMISED)}
                outputs = {name: runner.step(step) for name, runner in runners.items()}
                for name in outputs.keys() & pairs.keys():
                    tallies[name].add(outputs[name], outputs[pairs[name]])
                ticks += 1
    if ticks == 0:
        raise ModelError("The clips given with `--data` have no ticks for the parity check. Name other clips.")
    comparisons = {name: tally.finish(pairs[name]) for name, tally in tallies.items() if tally.ticks}
    found = dict(_failures(comparisons, measure, limits or limits_for(measure)))
    return ParityReport(ticks, comparisons, tuple(found.values()), tuple(found))


def limits_for(
    measure: PlanMeasure, fp32_max: float | None = None, int8_mean: float | None = None, fp16_mean: float | None = None
) -> Limits:
    """Limits in the unit of a measure; None takes the default.

    Raises:
        ModelError: there is no default for this unit.
    """
    unit = measure.quantities[measure.headline].unit
    default = DEFAULT_LIMITS.get(unit)
    given = (fp32_max, int8_mean, fp16_mean)
    if default is None:
        if None in given:
            raise ModelError(
                f"There are no default limits in {unit}. Give `--fp32-limit`, `--int8-limit` and `--fp16-limit`."
            )
        default = Limits(0, 0, 0)
    standard = (default.fp32_max, default.int8_mean, default.fp16_mean)
    return Limits(*(usual if value is None else value for usual, value in zip(standard, given, strict=True)))


def _failures(comparisons: dict[str, Comparison], measure: PlanMeasure, limits: Limits) -> Iterable[tuple[str, str]]:
    """(name, sentence) of each comparison over its limit; NaN counts as over."""
    for name, result in comparisons.items():
        if name.startswith(FP32):
            quantity, found = measure.quantities[measure.strictest], result.distances[measure.strictest]
            if not found.max <= limits.fp32_max:
                other = "PyTorch" if result.reference == REFERENCE else result.reference
                yield (
                    name,
                    f"{name} is up to {_brief(found.max, quantity.unit)} from {other}; "
                    f"{_limit(limits.fp32_max, quantity.unit)} is the limit.",
                )
        else:
            quantity, found = measure.quantities[measure.headline], result.distances[measure.headline]
            if not found.mean <= limits.mean_of(name):
                yield (
                    name,
                    f"{name} is {format_distance(found.mean, quantity.unit)} from FP32 ({quantity.label}) on average; "
                    f"{_limit(limits.mean_of(name), quantity.unit)} is the limit.",
                )


def _brief(value: float, unit: str) -> str:
    return format_distance(value, unit) if unit == RELATIVE else f"{value:.2g} {unit}"


def _limit(value: float, unit: str) -> str:
    return format_distance(value, unit) if unit == RELATIVE else f"{value:g} {unit}"


class _Tally:
    """Accumulates differences tick by tick, without storing all outputs of a drive."""

    def __init__(self, measure: PlanMeasure) -> None:
        self.measure, self.ticks = measure, 0
        self.max_abs: dict[str, float] = {}
        self.signal: dict[str, float] = {}
        self.noise: dict[str, float] = {}
        self.distances: dict[str, list[float]] = {name: [] for name in measure.quantities}

    def add(self, outputs: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> None:
        self.ticks += 1
        for name in [name for name in reference if name in outputs and outputs[name].size]:
            wanted = np.asarray(reference[name], np.float64)
            difference = outputs[name].astype(np.float64) - wanted
            # np.maximum propagates NaN, unlike a comparison.
            self.max_abs[name] = float(np.maximum(self.max_abs.get(name, 0.0), np.abs(difference).max()))
            self.signal[name] = self.signal.get(name, 0.0) + float((wanted**2).sum())
            self.noise[name] = self.noise.get(name, 0.0) + float((difference**2).sum())
        for name, value in distances(self.measure, outputs, reference).items():
            self.distances[name].append(value)

    def finish(self, reference: str) -> Comparison:
        series = {name: np.array(values) for name, values in self.distances.items()}
        quantities = self.measure.quantities
        found = {name: Distance(quantities[name].unit, float(v.mean()), float(v.max())) for name, v in series.items()}
        headline, strictest = series[self.measure.headline], series[self.measure.strictest]
        quarter = max(self.ticks // 4, 1)
        early, late = headline[:quarter].mean(), headline[-quarter:].mean()
        drift = tuple(float(part.mean()) for part in np.array_split(headline, DRIFT_PARTS) if part.size)
        unit = quantities[self.measure.headline].unit
        positions = {
            name.removeprefix("position_"): each for name, each in found.items() if name.startswith("position_")
        }
        curvature, acceleration = found.get("curvature"), found.get("acceleration")
        return Comparison(
            reference=reference,
            ticks=self.ticks,
            max_abs=self.max_abs,
            sqnr_db={
                name: 10 * float(np.log10(max(self.signal[name], 1e-30) / max(self.noise[name], 1e-30)))
                for name in self.signal
            },
            growth=float(late / max(early, 1e-12)),
            worst_tick=int(np.argmax(strictest)),
            headline=self.measure.headline,
            unit=unit,
            distances=found,
            drift=drift,
            position_mean_m={name: each.mean for name, each in positions.items()},
            position_max_m={name: each.max for name, each in positions.items()},
            anywhere_max_m=found["anywhere"].max if "anywhere" in found else None,
            curvature_mean_per_m=curvature.mean if curvature else None,
            curvature_max_per_m=curvature.max if curvature else None,
            acceleration_mean_mps2=acceleration.mean if acceleration else None,
            acceleration_max_mps2=acceleration.max if acceleration else None,
            drift_m=drift if unit == "m" else (),
        )
