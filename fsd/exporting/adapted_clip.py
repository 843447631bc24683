"""A recording as the inputs of a third-party model, by its adapter; can be iterated repeatedly.

What comes from the recording does not depend on the model's outputs, so steps are made once and kept in memory up to a
limit; later ones are decoded again in each pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fsd.compression.budget import BUDGETS
from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.networks.onnx_session import Signature
from fsd.runtime.gaze_loop import GazeLoop
from fsd.third_party.adapter import Adapter
from fsd.third_party.model_state import ModelState
from fsd.third_party.observation import Observer
from fsd.third_party.step_clock import StepClock

KEEP_BYTES = 2**30
"""Memory limit for the steps of all recordings of an export."""


class AdaptedStep(NamedTuple):
    """One step of the model: its inputs from outside, and what its state needs to know.

    `starts_run`: nothing before it may be remembered; `commit_slots`: see `ModelState.carry`.
    """

    inputs: Mapping[str, np.ndarray]
    starts_run: bool = False
    commit_slots: np.ndarray | None = None
    timestamp_ns: int = 0


class AdapterFeeds:
    """All inputs of a model: of the step that was loaded, and its own state. Implements `onnx_runner.Feeds`."""

    def __init__(self, adapter: Adapter, signature: Signature) -> None:
        self._state = ModelState(adapter, signature)
        self._signature = signature
        self._arrays: dict[str, np.ndarray] = {}
        self.reset()

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        return self._arrays

    def reset(self) -> None:
        """Empty the state, as at the start of a clip."""
        self._state.reset()
        self._arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._signature.items()}
        self._arrays |= self._state.arrays

    def load(self, step: AdaptedStep, /) -> None:
        """Take the inputs of one step; the arrays of the step are used as they are."""
        if step.starts_run:
            self._state.reset()
        self._arrays |= step.inputs

    def carry(self, step: AdaptedStep, outputs: Mapping[str, np.ndarray], /) -> None:
        """Take the state for the next step from the outputs of this one."""
        self._state.carry(outputs, step.commit_slots)


@dataclass
class AdaptedClip:
    """The first `max_ticks` ticks of a recording (None: all), as steps of a model with these inputs.

    Iterable repeatedly, one pass at a time. `keep_bytes` limits what is kept in memory.
    """

    path: Path
    adapter: Adapter
    signature: Signature
    max_ticks: int | None = None
    keep_bytes: int = KEEP_BYTES
    _kept: list[AdaptedStep] = field(default_factory=list, repr=False)
    _is_whole: bool = field(default=False, repr=False)

    def __len__(self) -> int:
        """Number of steps, from the recording's timestamps."""
        with FrameSource(open_clip(self.path), max_ticks=self.max_ticks) as frame_sets:
            expected = frame_sets.expected_ticks
        if expected is None:
            raise ClipError(f"The length of {self.path} is unknown. Leave `--fraction` out.")
        clock = StepClock(self.adapter.rate_hz)
        return sum(clock.is_due(tick) for tick in range(expected))

    def __iter__(self) -> Iterator[AdaptedStep]:
        known, used = len(self._kept), sum(map(_bytes_of, self._kept))
        yield from self._kept[:known]
        if self._is_whole:
            return
        made = 0
        # History and the compressor have state, so steps that are kept are made again before the first that is not.
        for step in self._observed():
            made += 1
            if made <= known:
                continue
            if made == len(self._kept) + 1 and (used := used + _bytes_of(step)) <= self.keep_bytes:
                self._kept.append(step)
            yield step
        self._is_whole = made == len(self._kept)

    def _observed(self) -> Iterator[AdaptedStep]:
        clip = open_clip(self.path)
        recorded = [camera for camera, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None]
        observer = Observer(
            self.adapter, self.signature, clip.rig, recorded=recorded, rig_is_assumed=clip.rig_is_assumed
        )
        compressed_input = self.adapter.compressed
        loop = None if compressed_input is None else GazeLoop(clip.rig, BUDGETS[compressed_input.budget])
        clock, run = StepClock(self.adapter.rate_hz), -1
        with FrameSource(self._with_needed_cameras(clip), max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                starts_run = frame_set.run != run
                if starts_run:
                    observer.reset()
                    clock.reset()
                    if loop is not None:
                        loop.reset()
                    run = frame_set.run
                compressed = None if loop is None else loop.step(frame_set, ego)
                if not clock.is_due(frame_set.tick):
                    continue
                inputs = observer.observe(frame_set, ego, command, compressed)
                slots = None if compressed is None else compressed.commit_slots.copy()
                copied = {name: array.copy() for name, array in inputs.items()}
                yield AdaptedStep(copied, starts_run, slots, frame_set.timestamp_ns)

    def _with_needed_cameras(self, clip: Clip) -> Clip:
        """The clip without the cameras that the model does not read, which would take most of the time to decode."""
        if self.adapter.compressed is not None:
            return clip
        needed = {canonical_name(source) for image in self.adapter.images for source in image.sources}
        streams = zip(CAMERAS, clip.streams, strict=True)
        return replace(clip, streams=tuple(stream if name in needed else None for name, stream in streams))


def _bytes_of(step: AdaptedStep) -> int:
    return sum(array.nbytes for array in step.inputs.values())
