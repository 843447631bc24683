"""How far two precisions drift apart when each chooses what it sees: a recording replayed once for each file.

The other comparisons feed every file the same pictures. On the road, the saliency request of one tick chooses the
patches of the next, so that small differences change the pictures too. Here every file has its own compressor, memory
and request, as in the engine; the frames are decoded once.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.export.onnx_runner import MakeFeeds, OnnxRunner, open_model
from fsd.export.plan_measure import PlanMeasure, distances, format_distance

FEEDBACK = "_feedback"
"""End of the name of such a comparison among failures and warnings."""


class RecordedTick(NamedTuple):
    """What a recording has for one tick; the frames are valid until the next one."""

    frame_set: FrameSet
    ego: EgoSample | None
    command: str


class GazeStep(NamedTuple):
    """A step as the model's feeds load it, and the compressed tick in it; valid until the next one.

    `starts_run`: nothing before it may be remembered.
    """

    step: Any
    compressed: CompressedTick
    starts_run: bool


class GazeReplay(Protocol):
    """One replay of a recording: a compressor that follows the requests of one model."""

    def step(self, tick: RecordedTick, /) -> GazeStep | None:
        """The model's next step; None at ticks between the steps of a model with a rate of its own."""
        ...

    def steer(self, outputs: Mapping[str, np.ndarray], /) -> None:
        """Take the request for the next ticks from the outputs of a step."""
        ...


@runtime_checkable
class GazeClip(Protocol):
    """A recording that can be compressed anew, by the requests of a model."""

    def recorded_ticks(self) -> Iterator[RecordedTick]:
        """The recording, from its start."""
        ...

    def gaze_replay(self) -> GazeReplay | None:
        """A new replay; None where the model's outputs do not steer the compressor."""
        ...


@dataclass(frozen=True)
class Feedback:
    """Differences of one file from FP32 over a drive on which each chooses its own patches.

    Attributes:
        ticks: number of compared steps.
        headline, unit: quantity of the plan, and its unit.
        mean, p99, max: distance of the headline, in its unit.
        patches_differ: share of a tick's patches that the other file did not read, on average over the ticks.
    """

    ticks: int
    headline: str
    unit: str
    mean: float
    p99: float
    max: float
    patches_differ: float


@dataclass(frozen=True)
class FeedbackLimits:
    """Largest mean and 99th percentile of the distance; None is no limit."""

    mean: float | None = None
    p99: float | None = None


TARGETS = {"m": FeedbackLimits(0.10, 0.40)}
"""Unit of the headline -> what is wanted. Missing it is a warning: the files do what they can with the pictures they
are given, and only the gaze or another training can bring them closer. 0.10 m: twice what the same pictures may cost.
0.40 m: an eighth of a lane's width."""


def compare_feedback(
    make_feeds: MakeFeeds,
    measure: PlanMeasure,
    fp32: Path,
    others: Mapping[str, Path],
    clips: Iterable[Any],
    max_ticks: int | None = None,
) -> dict[str, Feedback]:
    """Replay recordings once with FP32 and once with each of the other files, each with its own gaze.

    Args:
        clips: those that are no `GazeClip`, and those that the model does not steer, are left out.
        max_ticks: over all clips, counted in ticks of the recordings; None is all.

    Returns:
        name of a file -> its differences; empty if there is nothing to replay.
    """
    if not others:
        return {}
    runners = {name: OnnxRunner(open_model(path), make_feeds) for name, path in {"": fp32, **others}.items()}
    apart: dict[str, list[float]] = {name: [] for name in others}
    unread: dict[str, list[float]] = {name: [] for name in others}
    left = sys.maxsize if max_ticks is None else max_ticks
    for clip in clips:
        if left <= 0:
            break
        for steps in _replayed(clip, runners, left):
            left -= 1
            if not steps:
                continue
            reference, outputs = steps[""]
            for name in others:
                patches, found = steps[name]
                apart[name].append(distances(measure, found, outputs)[measure.headline])
                unread[name].append(len(reference - patches) / max(len(reference), 1))
    unit = measure.quantities[measure.headline].unit
    return {name: _summary(measure.headline, unit, apart[name], unread[name]) for name in others if apart[name]}


_Step = tuple[set[int], Mapping[str, np.ndarray]]
"""The patches that a step read, and the model's outputs."""


def _replayed(clip: Any, runners: Mapping[str, OnnxRunner], max_ticks: int) -> Iterator[dict[str, _Step]]:
    """For each tick of a clip, the step of every model; empty between the steps of a model with its own rate."""
    if not isinstance(clip, GazeClip):
        return
    replays = {name: replay for name in runners if (replay := clip.gaze_replay()) is not None}
    if not replays:
        return
    for runner in runners.values():
        runner.reset()
    for _, tick in zip(range(max_ticks), clip.recorded_ticks(), strict=False):
        found: dict[str, _Step] = {}
        for name, replay in replays.items():
            seen = replay.step(tick)
            if seen is None:
                continue
            if seen.starts_run:
                runners[name].reset()
            outputs = runners[name].step(seen.step)
            replay.steer(outputs)
            found[name] = _patches(seen.compressed), outputs
        yield found


def _patches(tick: CompressedTick) -> set[int]:
    """A number for each block, or quarter of a block, that a tick shows."""
    quarter = np.full(len(tick.patch_camera), -1) if tick.patch_quarter is None else tick.patch_quarter
    used = tick.patch_camera >= 0
    numbers = (tick.patch_camera[used].astype(np.int64) * 1024 + tick.patch_block[used]) * 8 + quarter[used] + 1
    return set(numbers.tolist())


def _summary(headline: str, unit: str, apart: list[float], unread: list[float]) -> Feedback:
    return Feedback(
        ticks=len(apart),
        headline=headline,
        unit=unit,
        mean=float(np.mean(apart)),
        p99=float(np.percentile(apart, 99)),
        max=float(np.max(apart)),
        patches_differ=float(np.mean(unread)),
    )


class Verdict(NamedTuple):
    """A sentence on the limits that are exceeded, and one on the targets that are missed; empty where none is."""

    failure: str
    warning: str


def judge(name: str, found: Feedback, limits: FeedbackLimits) -> Verdict:
    """Compare with the limits, and where there is none with the target of the unit; NaN counts as over."""
    targets = TARGETS.get(found.unit, FeedbackLimits())
    failures, warnings = [], []
    for where, value, limit, target in (
        ("on average", found.mean, limits.mean, targets.mean),
        ("at the 99th percentile", found.p99, limits.p99, targets.p99),
    ):
        distance_text = f"{format_distance(value, found.unit)} {where}"
        if limit is not None:
            if not value <= limit:
                failures.append(f"{distance_text} ({format_distance(limit, found.unit)} is the limit)")
        elif target is not None and not value <= target:
            warnings.append(f"{distance_text} ({format_distance(target, found.unit)} is the target)")
    sentences = (
        f"{name} is {' and '.join(over)} from FP32 where each chooses its own patches." if over else ""
        for over in (failures, warnings)
    )
    return Verdict(*sentences)
