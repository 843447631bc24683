"""Lay the parts of a recording on one time line by the date and time in their names, which have whole seconds.

Knows names' times and lengths only; opens no file. Times are nanoseconds of the clip's clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fsd.data.frames import CAMERAS

CHAIN_NS = 1_500_000_000
"""A part whose stamp is this near the end of the part before follows it without a hole: stamps have whole seconds."""

SYNC_NS = 300_000_000
"""How far two cameras' parts of one stamp may drift apart before the other camera is put where the first one is."""


@dataclass(frozen=True)
class StampedPart:
    """A part as its name and its header state it: `stamp_ns` when it began, `length_ns`; None where it is not known."""

    stamp_ns: int
    length_ns: int | None


def starts_by_stamp(cameras: Mapping[str, Sequence[StampedPart]]) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Time of the first picture of every part.

    A part follows the one before exactly, unless its stamp lies more than 1.5 s after the end of that: then the hole
    stays. Parts of two cameras with the same stamp (to 1.5 s) start together, unless each follows its own part before.

    Args:
        cameras: canonical camera -> its parts, in order.

    Returns:
        Canonical camera -> start of each part, in ns; and notes.
    """
    notes: list[str] = []
    starts: dict[str, tuple[int, ...]] = {}
    reference: list[tuple[int, int]] = []  # stamp and start of the parts of the first camera
    for name in CAMERAS:
        if name not in cameras:
            continue
        placed: list[int] = []
        holes = early = 0
        end_ns: int | None = None
        for part in cameras[name]:
            chained = end_ns is not None and part.stamp_ns - end_ns <= CHAIN_NS
            holes += end_ns is not None and not chained
            early += end_ns is not None and part.stamp_ns - end_ns < -CHAIN_NS
            start_ns = end_ns if chained and end_ns is not None else part.stamp_ns
            partner_ns = _partner_start_ns(reference, part.stamp_ns)
            if partner_ns is not None and (not chained or abs(partner_ns - start_ns) > SYNC_NS):
                start_ns = partner_ns
            placed.append(start_ns)
            end_ns = None if part.length_ns is None else start_ns + part.length_ns
        reference = reference or [(part.stamp_ns, at) for part, at in zip(cameras[name], placed, strict=True)]
        starts[name] = tuple(placed)
        notes += _notes(name, len(placed), holes, early)
    return starts, notes


def _partner_start_ns(reference: Sequence[tuple[int, int]], stamp_ns: int) -> int | None:
    if not reference:
        return None
    nearest = min(reference, key=lambda pair: abs(pair[0] - stamp_ns))
    return nearest[1] if abs(nearest[0] - stamp_ns) <= CHAIN_NS else None


def _notes(name: str, parts: int, holes: int, early: int) -> list[str]:
    notes = []
    if parts > 1:
        hole_text = f"with {holes} hole{'s' if holes != 1 else ''} in time" if holes else "without a hole"
        notes.append(f"{name}: {parts} parts, laid on the time line by the stamps in their names, {hole_text}.")
    if early:
        notes.append(
            f"{name}: {early} part{'s' if early != 1 else ''} begin before the end of the part before by the stamps in "
            "their names; they are taken to follow it."
        )
    return notes
