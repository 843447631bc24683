"""A whole drive at once: the same compressor, tick by tick, with results that outlive the next tick."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.compression.gaze import GazePolicy
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import FrameSet
from fsd.data.rig import Rig


def keep(tick: CompressedTick) -> CompressedTick:
    """A copy that the compressor's next step does not overwrite."""
    arrays: dict[str, Any] = {
        field.name: value.copy() for field in fields(tick) if isinstance(value := getattr(tick, field.name), np.ndarray)
    }
    return replace(tick, **arrays)


def compress(
    rig: Rig,
    budget: Budget,
    frame_sets: Iterable[FrameSet],
    egos: Iterable[EgoSample | None] | None = None,
    policy: GazePolicy | None = None,
) -> Iterator[CompressedTick]:
    """Compress a drive without a network: no saliency is fed back.

    Args:
        rig: where the cameras look.
        budget: the fixed size of a tick.
        frame_sets: the ticks, in order.
        egos: one sample a tick; motion is estimated from the pictures if not given.
        policy: what is worth a patch; the adaptive gaze if not given.

    Yields:
        one tick at a time, each with arrays of its own.
    """
    compressor = Compressor(rig, budget, policy)
    samples = iter(egos) if egos is not None else None
    for frame_set in frame_sets:
        yield keep(compressor.step(frame_set, next(samples) if samples is not None else None, None))
