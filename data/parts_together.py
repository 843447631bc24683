"""Parts that several cameras recorded together, without dates: part k of every camera begins at the same time.

A recorder closes the files of all cameras at once, but not at the same picture. Chained camera by camera, they would
drift apart; and a part that cannot be read would shift all that follow it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fsd.data.clock import floor_ns
from fsd.data.errors import MOST_NAMED, ClipError
from fsd.data.video_probe import VideoInfo, probe

Found = Mapping[str, Sequence[VideoInfo | None]]
"""Canonical camera -> its parts in order; None where one cannot be read."""


def cameras_together(videos: Mapping[str, tuple[Path, ...]]) -> list[str]:
    """The cameras that have the same number of parts, at least two; empty if there are no two such cameras."""
    counts = {name: len(parts) for name, parts in videos.items() if len(parts) > 1}
    most = max(counts.values(), default=0)
    together = [name for name, count in counts.items() if count == most]
    return together if len(together) > 1 else []


def probe_parts(name: str, parts: Sequence[Path], notes: list[str]) -> list[VideoInfo | None]:
    """Headers of a camera's parts; one that cannot be read is noted and left out."""
    found: list[VideoInfo | None] = []
    faults: list[str] = []
    for part in parts:
        try:
            found.append(probe(part, decodes=not any(found)))
        except ClipError as error:
            faults.append(f"{name} is masked where this part would be: {error}")
            found.append(None)
    note_faults(name, faults, notes)
    return found


def note_faults(name: str, faults: list[str], notes: list[str]) -> None:
    """Note the first parts of a camera that cannot be read, one sentence each, and how many more there are."""
    notes += faults[:MOST_NAMED]
    if len(faults) > MOST_NAMED:
        notes.append(f"{name}: {len(faults) - MOST_NAMED} more parts cannot be read.")


def starts_together_ns(found: Found) -> tuple[int, ...]:
    """Time of the first picture of every part, the same for all cameras.

    Empty where following each other gives the same, and where a part's length is known of no camera.
    """
    columns = [[info for info in column if info is not None] for column in zip(*found.values(), strict=True)]
    lengths_ns = [[floor_ns(info.duration_s) for info in column if info.duration_s is not None] for column in columns]
    if not all(lengths_ns[:-1]):
        return ()
    is_whole = all(info is not None for parts in found.values() for info in parts)
    period_ns = max(floor_ns(1 / info.rate_hz) for column in columns for info in column)
    if is_whole and all(max(lengths) - min(lengths) < period_ns / 2 for lengths in lengths_ns[:-1]):
        return ()
    starts_ns = [0]
    for lengths in lengths_ns[:-1]:
        starts_ns.append(starts_ns[-1] + max(lengths))
    return tuple(starts_ns)
