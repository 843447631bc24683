"""Variants with the same weights and input shapes, run as one batch per tick, each with its own memory.

Image encoding runs in bfloat16 as in training, where the processor has it; memory and plan are float32. This holds for
every variant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.networks.bfloat16 import has_bfloat16
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers, TickInput
from fsd.networks.model import EGO_INPUTS, IMAGE_INPUTS, PLAN_INPUTS, DrivingNetwork, select
from rate_distortion.variants import VariantCompressor


@dataclass
class _BatchMember:
    """A variant's place in the batch: its inputs, its last saliency, memory slots committed by ticks without a plan."""

    compressor: VariantCompressor
    buffers: InputBuffers
    saliency: np.ndarray | None = None
    pending_slots: list[int] = field(default_factory=list)


class BatchRunner:
    """Runs variants of one budget shape through one network, at every tick that has fresh images.

    Ticks in between are only compressed; what they commit to memory is written after the next plan, as in training.
    """

    def __init__(self, network: DrivingNetwork, compressors: Sequence[VariantCompressor]) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._bf16 = has_bfloat16("cpu")
        budget = compressors[0].variant.budget
        arrays = {
            name: np.zeros((len(compressors), *shape), dtype) for name, (shape, dtype) in input_shapes(budget).items()
        }
        self._inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self._members = []
        for index, compressor in enumerate(compressors):
            buffers = InputBuffers(compressor.variant.budget)
            buffers.arrays = {name: array[index] for name, array in arrays.items()}
            self._members.append(_BatchMember(compressor, buffers))

    def reset(self) -> None:
        """Forget the drive."""
        for member in self._members:
            member.compressor.reset()
            member.buffers.reset()
            member.saliency = None
            member.pending_slots.clear()

    def skip(self, frame_set: FrameSet, ego: EgoSample) -> None:
        """A tick with held images: it is compressed but gets no plan."""
        for member in self._members:
            tick = member.compressor.step(frame_set, ego, member.saliency)
            member.pending_slots += [int(slot) for slot in tick.commit_slots if slot >= 0]

    def plan(self, frame_set: FrameSet, ego: EgoSample, command: str) -> np.ndarray:
        """(V, 16, 4) float32 trajectories of a tick with fresh images."""
        commits = []
        for member in self._members:
            tick = member.compressor.step(frame_set, ego, member.saliency)
            member.buffers.load(TickInput(tick, ego, command))
            # Their poses are new but their content is not yet; the trainer does not read them either.
            member.buffers.arrays["memory_valid"][member.pending_slots] = 0.0
            commits.append(_all_commits(tick, member.pending_slots))
            member.pending_slots.clear()
        outputs = self._run()
        for index, (member, slots) in enumerate(zip(self._members, commits, strict=True)):
            member.buffers.commit(slots, outputs["new_k"][index], outputs["new_v"][index])
            member.saliency = outputs["saliency"][index]
        return outputs["trajectory"]

    def _run(self) -> dict[str, np.ndarray]:
        inputs, network = self._inputs, self._network
        with torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                content = network.encode(**select(inputs, IMAGE_INPUTS))
            ego_tokens = network.ego_encoder(**select(inputs, EGO_INPUTS))
            maps = tuple(each.float() for each in content.maps)
            content = content._replace(tokens=content.tokens.float(), mask=content.mask.float(), maps=maps)
            output = network.decide(content, ego_tokens, **select(inputs, PLAN_INPUTS))
        return {name: output[name].float().numpy() for name in ("trajectory", "saliency", "new_k", "new_v")}


def _all_commits(tick: CompressedTick, pending_slots: Sequence[int]) -> np.ndarray:
    return np.array([*tick.commit_slots, *pending_slots], np.int16)
