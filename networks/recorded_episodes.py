"""Convert recorded clips to episodes: decoded, aligned and compressed at 36 Hz as in a replay, labelled by the drive.

A clip is split once in time into a training and a test part. Between them is a gap as long as the maximum image age;
the compressor is reset after it and training labels end before it, so that no image, memory or label is in both parts.
It does not know how the network is trained.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError, OutputError, UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import MAX_FRAME_AGE_MS, MAX_FRAME_AGE_NS, RATE_HZ
from fsd.data.steering import SteeringGeometry
from fsd.data.text_files import read_json
from fsd.networks.dataset import EpisodeWriter
from fsd.networks.input_buffers import TickInput
from fsd.networks.recorded_labels import RecordedLabels

EVERY_TICKS = 4
"""The recording rate of simulated episodes: nine ticks per second."""

TRAINING_SHARE = 2 / 3


@dataclass(frozen=True)
class TimeSplit:
    """Where a clip is split: ticks before `train_end` are for training, those from `test_begin` on for testing."""

    train_end: int
    test_begin: int
    train_until_ns: int

    @classmethod
    def at(cls, clip: Clip, train_until_s: float | None) -> "TimeSplit":
        """Split a clip at a time from its start; None: after two thirds.

        Raises:
            UsageError: one part would be empty, or the clip's length is unknown.
        """
        with FrameSource(clip, workers=1) as source:
            ticks = source.expected_ticks
        if train_until_s is None:
            if ticks is None:
                raise UsageError(f"The length of {clip.path} is unknown. Choose the split with `--train-until-s`.")
            train_until_s = TRAINING_SHARE * max(ticks / float(RATE_HZ) - MAX_FRAME_AGE_NS / SECOND_NS, 0.0)
        train_until_ns = round(train_until_s * SECOND_NS)
        split = cls(ticks_before(train_until_ns), ticks_before(train_until_ns + MAX_FRAME_AGE_NS), train_until_ns)
        if split.train_end < 1 or (ticks is not None and split.test_begin >= ticks):
            length = "unknown" if ticks is None else f"{ticks / float(RATE_HZ):.3f} s"
            raise UsageError(
                f"{clip.path}: a split at {train_until_s:.3f} s leaves no tick to train on, or none to test on after a "
                f"gap of {MAX_FRAME_AGE_MS:g} ms (clip length: {length}). Choose another `--train-until-s`."
            )
        return split


def ticks_before(time_ns: int) -> int:
    """Number of ticks before a time from the clip's start; also the index of the first later tick."""
    return max(0, (time_ns - 1) * RATE_HZ.numerator // (RATE_HZ.denominator * SECOND_NS) + 1)


@dataclass(frozen=True)
class EpisodeMaker:
    """Makes the two episodes of a clip, `out/train/<name>` and `out/test/<name>`; finished ones are kept.

    Attributes:
        out: folder of all episodes; budget: budget of the compressor; geometry: from steering wheel to curvature.
        train_until_s: time of the split; None: after two thirds.
    """

    out: Path
    budget: Budget
    geometry: SteeringGeometry
    train_until_s: float | None = None

    def make(self, clip: Clip, name: str, progress: Callable[[int], None] | None = None) -> TimeSplit:
        """Record both parts of a clip.

        Args:
            name: name of both episodes; progress: called with every tick that was read.

        Raises:
            ClipError: the clip has no labels, or a part has no tick.
            OutputError: an episode of that name was made with other settings.
        """
        split = TimeSplit.at(clip, self.train_until_s)
        self._record(clip, "train", name, split, progress)
        self._record(clip, "test", name, split, progress)
        return split

    def _record(
        self, clip: Clip, part: str, name: str, split: TimeSplit, progress: Callable[[int], None] | None
    ) -> None:
        starts_ns = [stream.start_ns for stream in clip.streams if stream is not None and stream.start_ns is not None]
        is_training = part == "train"
        # Training labels use nothing recorded at or after the split.
        until_ns = min(starts_ns, default=0) + split.train_until_ns - 1 if is_training else None
        labels = RecordedLabels(clip, self.geometry, until_ns)
        first_tick = 0 if is_training else split.test_begin
        facts: dict[str, Any] = {
            "scenario": "recorded",
            "clip": clip.name,
            "part": part,
            "first_tick": first_tick,
            "train_until_s": split.train_until_ns / SECOND_NS,
            "curvature_from": labels.curvature_from,
            "steering_ratio": self.geometry.ratio,
            "wheelbase_m": self.geometry.wheelbase_m,
            "budget": self.budget.name,
        }
        folder = self.out / part / name
        if _is_made(folder, facts):
            return
        writer = EpisodeWriter(folder, self.budget, EVERY_TICKS)
        compressor = Compressor(clip.rig, self.budget)
        ticks = split.train_end if is_training else None
        with FrameSource(clip, 1, max_age_ns=MAX_FRAME_AGE_NS, start_tick=first_tick, max_ticks=ticks) as source:
            for index, frame_set in enumerate(source):
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                compressed = compressor.step(frame_set, ego, None)
                if index % EVERY_TICKS:
                    writer.skip(compressed)
                else:
                    command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                    # No ego motion as input: yaw rate over speed is nearly the curvature label.
                    writer.add(TickInput(compressed, None, command), labels.at(frame_set.timestamp_ns))
                if progress is not None:
                    progress(frame_set.tick)
        if not len(writer):
            raise ClipError(f"{clip.path} ends before its {part} part begins. Choose another `--train-until-s`.")
        writer.close(facts)


def _is_made(folder: Path, facts: dict[str, Any]) -> bool:
    """Whether the episode exists and was made with the same settings."""
    path = folder / "episode.json"
    if not path.exists():
        return False
    found = read_json(path, OutputError)
    other = [name for name, value in facts.items() if found.get(name) != value]
    if other:
        raise OutputError(
            f"{folder} was made with {other[0]} = {found.get(other[0])!r}, which now is {facts[other[0]]!r}. "
            "Choose another folder with `--out`, or delete this one."
        )
    return True
