"""Variants that share weights and shapes, run side by side: one batch a tick, each with a memory of its own.

Pictures in bfloat16 as in training, memory and plan in float32; the same for all that is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from _rd_variants import Lane

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.networks.clip_module import EGO_INPUTS, IMAGE_INPUTS
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import DrivingNetwork


@dataclass
class _Seat:
    """A lane's place in the batch: its inputs, its network's last wishes, slots written by ticks that were not run."""

    lane: Lane
    feeds: InputBuffers
    saliency: np.ndarray | None = None
    late_slots: list[int] = field(default_factory=list)


class BatchRunner:
    """Runs lanes of one budget shape through one network, at every tick that has fresh pictures.

    Between those, lanes compress on, and what they commit to memory is written with the next answer, as in training.
    """

    def __init__(self, network: DrivingNetwork, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        budget = lanes[0].variant.budget
        arrays = {name: np.zeros((len(lanes), *shape), dtype) for name, (shape, dtype) in input_shapes(budget).items()}
        self._inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self._seats = []
        for index, lane in enumerate(lanes):
            feeds = InputBuffers(lane.variant.budget)
            feeds.arrays = {name: array[index] for name, array in arrays.items()}
            self._seats.append(_Seat(lane, feeds))

    def reset(self) -> None:
        """Forget the drive."""
        for seat in self._seats:
            seat.lane.reset()
            seat.feeds.reset()
            seat.saliency = None
            seat.late_slots.clear()

    def skip(self, frame_set: FrameSet, ego: EgoSample) -> None:
        """A tick with held pictures: compressed, not planned for."""
        for seat in self._seats:
            tick = seat.lane.step(frame_set, ego, seat.saliency)
            seat.late_slots += [int(slot) for slot in tick.commit_slots if slot >= 0]

    def plan(self, frame_set: FrameSet, ego: EgoSample, command: str) -> np.ndarray:
        """(lanes, 16, 4) float32 trajectories of a tick with fresh pictures."""
        commits = []
        for seat in self._seats:
            tick = seat.lane.step(frame_set, ego, seat.saliency)
            seat.feeds.load(TickInput(tick, ego, command))
            # Their poses are already new and their content is not: the trainer does not read them either.
            seat.feeds.arrays["memory_valid"][seat.late_slots] = 0.0
            commits.append(_all_commits(tick, seat.late_slots))
            seat.late_slots.clear()
        outputs = self._run()
        for index, (seat, slots) in enumerate(zip(self._seats, commits, strict=True)):
            seat.feeds.commit(slots, outputs["new_k"][index], outputs["new_v"][index])
            seat.saliency = outputs["saliency"][index]
        return outputs["trajectory"]

    def _run(self) -> dict[str, np.ndarray]:
        inputs, network = self._inputs, self._network
        with torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16):
                content = network.encode(**{name: inputs[name] for name in IMAGE_INPUTS})
            ego_tokens = network.ego_encoder(**{name: inputs[name] for name in EGO_INPUTS})
            memory = {name: inputs[name] for name in ("memory_k", "memory_v", "memory_pose", "memory_valid")}
            answer = network.decide(
                content._replace(tokens=content.tokens.float(), mask=content.mask.float()),
                ego_tokens,
                **memory,
                ego=inputs["ego"],
                ego_valid=inputs["ego_valid"],
                command=inputs["command"],
            )
        return {name: answer[name].float().numpy() for name in ("trajectory", "saliency", "new_k", "new_v")}


def _all_commits(tick: CompressedTick, late_slots: Sequence[int]) -> np.ndarray:
    return np.array([*tick.commit_slots, *late_slots], np.int16)
