"""A recording as the inputs of a third-party model, by its adapter.

Steps are made once and kept: without feedback of saliency they do not depend on the model's outputs. As a `GazeClip`, a
recording is compressed anew by the model's requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fsd.compression.budget import ALL_BUDGETS
from fsd.compression.tick import CompressedTick
from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS
from fsd.data.open_clip import open_clip
from fsd.export.gaze_feedback import GazeStep, RecordedTick
from fsd.export.kept_steps import KeptSteps
from fsd.networks.onnx_session import Signature
from fsd.runtime.gaze_loop import GazeLoop
from fsd.third_party.adapter import Adapter
from fsd.third_party.model_state import ModelState
from fsd.third_party.observation import Observer
from fsd.third_party.step_clock import StepClock


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
class AdaptedClip(KeptSteps[AdaptedStep]):
    """A recording as steps of a model with these inputs."""

    adapter: Adapter
    signature: Signature

    def __len__(self) -> int:
        """Number of steps, from the recording's timestamps."""
        clock = StepClock(self.adapter.rate_hz)
        return sum(clock.is_due(tick) for tick in range(self._expected_ticks()))

    def recorded_ticks(self) -> Iterator[RecordedTick]:
        clip = open_clip(self.path)
        with FrameSource(self._with_needed_cameras(clip), max_ticks=self.max_ticks) as frame_sets:
            for frame_set in frame_sets:
                ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
                command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
                yield RecordedTick(frame_set, ego, command)

    def gaze_replay(self) -> "AdaptedReplay | None":
        return None if self.adapter.outputs.saliency is None else self._replay()

    def _replay(self) -> "AdaptedReplay":
        return AdaptedReplay(open_clip(self.path), self.adapter, self.signature)

    def _steps(self) -> Iterator[AdaptedStep]:
        replay = self._replay()
        for tick in self.recorded_ticks():
            if (made := replay.advance(tick)) is not None:
                yield made[0]

    def _with_needed_cameras(self, clip: Clip) -> Clip:
        """The clip without the cameras that the model does not read, which would take most of the time to decode."""
        if self.adapter.compressed is not None:
            return clip
        needed = {canonical_name(source) for image in self.adapter.images for source in image.sources}
        streams = zip(CAMERAS, clip.streams, strict=True)
        return replace(clip, streams=tuple(stream if name in needed else None for name, stream in streams))

    def _bytes_of(self, step: AdaptedStep) -> int:
        return sum(array.nbytes for array in step.inputs.values())


class AdaptedReplay:
    """Makes the steps of a model from one pass over a recording; implements `GazeReplay`."""

    def __init__(self, clip: Clip, adapter: Adapter, signature: Signature) -> None:
        recorded = [camera for camera, stream in zip(CAMERAS, clip.streams, strict=True) if stream is not None]
        self._observer = Observer(adapter, signature, clip.rig, recorded=recorded, rig_is_assumed=clip.rig_is_assumed)
        compressed = adapter.compressed
        self._loop = None if compressed is None else GazeLoop(clip.rig, ALL_BUDGETS[compressed.budget])
        self._saliency = adapter.outputs.saliency
        self._clock, self._run = StepClock(adapter.rate_hz), -1

    def advance(self, tick: RecordedTick) -> tuple[AdaptedStep, CompressedTick | None] | None:
        """The next step with the compressed tick in it, if there is one; None between the steps of the model."""
        frame_set, ego, command = tick
        starts_run = frame_set.run != self._run
        if starts_run:
            self._observer.reset()
            self._clock.reset()
            if self._loop is not None:
                self._loop.reset()
            self._run = frame_set.run
        compressed = None if self._loop is None else self._loop.step(frame_set, ego)
        if not self._clock.is_due(frame_set.tick):
            return None
        inputs = self._observer.observe(frame_set, ego, command, compressed)
        slots = None if compressed is None else compressed.commit_slots.copy()
        copied = {name: array.copy() for name, array in inputs.items()}
        return AdaptedStep(copied, starts_run, slots, frame_set.timestamp_ns), compressed

    def step(self, tick: RecordedTick, /) -> GazeStep | None:
        """As `advance`, of a model that takes the compressor's ticks."""
        made = self.advance(tick)
        if made is None:
            return None
        assert made[1] is not None, "an adapter with a saliency request has compressed inputs"
        return GazeStep(made[0], made[1], made[0].starts_run)

    def steer(self, outputs: Mapping[str, np.ndarray], /) -> None:
        """Take the request from the model's outputs."""
        assert self._loop is not None
        assert self._saliency is not None
        self._loop.saliency = outputs[self._saliency].reshape(len(CAMERAS), GRID_ROWS, GRID_COLUMNS).astype(np.float32)
