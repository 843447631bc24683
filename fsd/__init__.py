"""Cameras to a driving plan: planners, replay, profile, closed-loop drives and the command line.

`from fsd import open_clip, open_planner` loads only the modules of these names; docs/api.md has examples.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsd.compare.compare import compare_replays
    from fsd.compare.config import CompareConfig
    from fsd.compression.compressor import Compressor
    from fsd.data.clip import Clip, open_clip
    from fsd.data.clip_writer import ClipWriter
    from fsd.data.errors import FsdError
    from fsd.data.frame_source import FrameSource
    from fsd.data.rig import Rig, load_rig
    from fsd.replay.config import ReplayConfig
    from fsd.replay.replay import replay as replay_clip
    from fsd.runtime.engine import Engine
    from fsd.runtime.network_planner import NetworkPlanner
    from fsd.runtime.plan import Plan
    from fsd.runtime.planner import Planner, StepResult
    from fsd.third_party.open_planner import open_planner
    from fsd.version import __version__

__all__ = [
    "Clip",
    "ClipWriter",
    "CompareConfig",
    "Compressor",
    "Engine",
    "FrameSource",
    "FsdError",
    "NetworkPlanner",
    "Plan",
    "Planner",
    "ReplayConfig",
    "Rig",
    "StepResult",
    "__version__",
    "compare_replays",
    "load_rig",
    "open_clip",
    "open_planner",
    "replay_clip",
]

# Name -> where it lives. `replay` has another name here: an imported module would take the place of its own
# name in this package.
_PLACES = {
    "Clip": ("fsd.data.clip", "Clip"),
    "ClipWriter": ("fsd.data.clip_writer", "ClipWriter"),
    "CompareConfig": ("fsd.compare.config", "CompareConfig"),
    "Compressor": ("fsd.compression.compressor", "Compressor"),
    "Engine": ("fsd.runtime.engine", "Engine"),
    "FrameSource": ("fsd.data.frame_source", "FrameSource"),
    "FsdError": ("fsd.data.errors", "FsdError"),
    "NetworkPlanner": ("fsd.runtime.network_planner", "NetworkPlanner"),
    "Plan": ("fsd.runtime.plan", "Plan"),
    "Planner": ("fsd.runtime.planner", "Planner"),
    "ReplayConfig": ("fsd.replay.config", "ReplayConfig"),
    "Rig": ("fsd.data.rig", "Rig"),
    "StepResult": ("fsd.runtime.planner", "StepResult"),
    "__version__": ("fsd.version", "__version__"),
    "compare_replays": ("fsd.compare.compare", "compare_replays"),
    "load_rig": ("fsd.data.rig", "load_rig"),
    "open_clip": ("fsd.data.clip", "open_clip"),
    "open_planner": ("fsd.third_party.open_planner", "open_planner"),
    "replay_clip": ("fsd.replay.replay", "replay"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'fsd' has no attribute {name!r}; it has {', '.join(sorted(_PLACES))}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
