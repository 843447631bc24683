"""A recording as network inputs by name, compressed at 36 Hz as in a replay: to train networks on it."""

from collections.abc import Iterator

import numpy as np

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.compression.compressor import Compressor
from fsd.data.clip import Clip
from fsd.data.errors import UsageError
from fsd.data.frame_source import FrameSource
from fsd.networks.input_buffers import InputBuffers, TickInput

STATE = ("memory_k", "memory_v")


def compressed_inputs(
    clip: Clip, budget: str = DEFAULT_BUDGET, max_ticks: int | None = None
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Timestamp in ns and the inputs of docs/model_contract.md, without the network's own state, of every tick.

    The arrays are written again at the next tick: copy what has to live longer.

    Raises:
        UsageError: there is no such budget.
    """
    if budget not in ALL_BUDGETS:
        raise UsageError(f"There is no budget {budget!r}. Use one of {', '.join(ALL_BUDGETS)}.")
    compressor, buffers = Compressor(clip.rig, ALL_BUDGETS[budget]), InputBuffers(ALL_BUDGETS[budget])
    inputs = {name: array for name, array in buffers.arrays.items() if name not in STATE}
    with FrameSource(clip, max_ticks=max_ticks) as frame_sets:
        for frame_set in frame_sets:
            ego = clip.ego.sample_at(frame_set.timestamp_ns) if clip.ego else None
            command = clip.commands.command_at(frame_set.timestamp_ns) if clip.commands else "none"
            buffers.load(TickInput(compressor.step(frame_set, ego, None), ego, command))
            yield frame_set.timestamp_ns, inputs
