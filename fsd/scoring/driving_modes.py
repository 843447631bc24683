"""Driving modes over the ticks of a run: groups of ticks to score apart, and changes between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fsd.data.clock import SECOND_NS
from fsd.data.driving_mode import ASSISTED_MODES, DrivingModeTrack

MODE_GROUPS = {"manual": ("manual",), "assisted": ASSISTED_MODES}
"""Group of ticks whose plans are scored apart -> its driving modes."""
MAX_UNKNOWN_NS = 2 * SECOND_NS
"""Two modes this far apart, with nothing known between them, are not a change at a certain time."""

Modes = Sequence[str | None]
"""The driving mode of each tick; None where it is unknown."""


@dataclass(frozen=True)
class ModeChange:
    """Between manual and assisted driving: `row` is the first tick of the mode `after`."""

    row: int
    before: str
    after: str

    @property
    def is_disengagement(self) -> bool:
        """The person took over."""
        return self.after == "manual"


def modes_at(track: DrivingModeTrack, tick_times_ns: np.ndarray) -> tuple[str | None, ...]:
    """The mode at each of (T,) tick times."""
    return tuple(map(track.mode_at, tick_times_ns.tolist()))


def mode_masks(modes: Modes) -> dict[str, np.ndarray]:
    """Group of `MODE_GROUPS` -> (T,) bool, the ticks of it; a group without a tick is left out."""
    masks = {group: np.array([mode in members for mode in modes], bool) for group, members in MODE_GROUPS.items()}
    return {group: mask for group, mask in masks.items() if mask.any()}


def mode_changes(tick_times_ns: np.ndarray, modes: Modes) -> list[ModeChange]:
    """Every change between manual and assisted driving, in order.

    Args:
        tick_times_ns: (T,) int64, rising; modes: of the same ticks. Changes between two assisted modes are none.
    """
    known = [row for row, mode in enumerate(modes) if mode is not None]
    changes = []
    for before, row in pairwise(known):
        old, new = str(modes[before]), str(modes[row])
        is_near = int(tick_times_ns[row] - tick_times_ns[before]) <= MAX_UNKNOWN_NS
        if is_near and (old == "manual") != (new == "manual"):
            changes.append(ModeChange(row, old, new))
    return changes
