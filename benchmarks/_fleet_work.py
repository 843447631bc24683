"""What `fleet.py` runs in processes of their own: tiny jobs, and replays in a bare process pool."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

_pool: dict[str, Any] = {}


def start_tiny(settings: Any) -> Callable[[Any, int], Any]:
    """Recordings that take no time."""
    from fsd.fleet.clip_units import UnitEnd

    return lambda job, attempt: UnitEnd(job.clip, True, 1.0, 0.0, 0.0, 0)


def start_pool(template: Any) -> None:
    """Prepare a process of the bare pool: the model is loaded once, as an actor loads it."""
    from fsd.third_party.open_planner import LoadedModels

    _pool["template"], _pool["models"] = template, LoadedModels()


def replay_in_pool(clip: Path) -> float:
    """Replay one recording into a folder of its own; returns its length in seconds."""
    from fsd.replay.replay import replay

    config = replace(_pool["template"], clip=clip, out=_pool["template"].out / clip.name)
    return replay(config, show_progress=False, open_planner=_pool["models"].chosen_planner).drive_s


def resident_mb() -> float:
    """Memory of this process in 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processes_below(parent: int) -> dict[int, str]:
    """Every process that descends from one: number -> command."""
    parents: dict[int, tuple[int, str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            above = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        parents[int(stat.parent.name)] = (above, command)
    found, new = {}, {parent}
    while new:
        new = {each for each, (above, _) in parents.items() if above in new}
        found |= {each: parents[each][1] for each in new}
    return found
