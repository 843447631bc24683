"""Cameras to a driving plan: planners, replay, profile, closed-loop drives and the command line.

`from fsd import open_clip, open_planner` loads only the modules of these names; docs/api.md has examples.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsd.compare.compare import compare_replays as compare_replays
    from fsd.compare.config import CompareConfig as CompareConfig
    from fsd.compression.budget import BUDGETS as BUDGETS
    from fsd.compression.compressor import Compressor as Compressor
    from fsd.data.clip import Clip as Clip
    from fsd.data.clip_writer import ClipWriter as ClipWriter
    from fsd.data.ego import EgoSample as EgoSample
    from fsd.data.errors import FsdError as FsdError
    from fsd.data.frame import Frame as Frame
    from fsd.data.frame_source import FrameSource as FrameSource
    from fsd.data.frames import FrameSet as FrameSet
    from fsd.data.live.live_source import LiveSource as LiveSource
    from fsd.data.open_clip import open_clip as open_clip
    from fsd.data.rig import Rig as Rig
    from fsd.data.rig import load_rig as load_rig
    from fsd.data.standard_rigs import assumed_rig as assumed_rig
    from fsd.data.standard_rigs import canonical_rig as canonical_rig
    from fsd.networks.compressed_inputs import compressed_inputs as compressed_inputs
    from fsd.replay.config import ReplayConfig as ReplayConfig
    from fsd.replay.replay import replay as _replay
    from fsd.runtime.engine import Engine as Engine
    from fsd.runtime.network_planner import NetworkPlanner as NetworkPlanner
    from fsd.runtime.plan import Plan as Plan
    from fsd.runtime.planner import Planner as Planner
    from fsd.runtime.planner import StepResult as StepResult
    from fsd.scoring.baseline_plans import Plans as Plans
    from fsd.scoring.plan_errors import driven_waypoints as driven_waypoints
    from fsd.scoring.plan_errors import score_run as _score_run
    from fsd.third_party.open_planner import open_planner as open_planner
    from fsd.version import __version__ as __version__

    replay_clip = _replay
    score_plans = _score_run

# In a clone, four of the folders stand beside this one: Python that starts there finds them without an installation.
_CLONE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.isfile(os.path.join(_CLONE, "data", "clip.py")) and not os.path.isdir(os.path.join(__path__[0], "data")):
    __path__.append(_CLONE)

_MODULES = {
    "BUDGETS": "fsd.compression.budget",
    "Clip": "fsd.data.clip",
    "ClipWriter": "fsd.data.clip_writer",
    "CompareConfig": "fsd.compare.config",
    "Compressor": "fsd.compression.compressor",
    "EgoSample": "fsd.data.ego",
    "Engine": "fsd.runtime.engine",
    "Frame": "fsd.data.frame",
    "FrameSet": "fsd.data.frames",
    "FrameSource": "fsd.data.frame_source",
    "FsdError": "fsd.data.errors",
    "LiveSource": "fsd.data.live.live_source",
    "NetworkPlanner": "fsd.runtime.network_planner",
    "Plan": "fsd.runtime.plan",
    "Planner": "fsd.runtime.planner",
    "Plans": "fsd.scoring.baseline_plans",
    "ReplayConfig": "fsd.replay.config",
    "Rig": "fsd.data.rig",
    "StepResult": "fsd.runtime.planner",
    "__version__": "fsd.version",
    "assumed_rig": "fsd.data.standard_rigs",
    "canonical_rig": "fsd.data.standard_rigs",
    "compare_replays": "fsd.compare.compare",
    "compressed_inputs": "fsd.networks.compressed_inputs",
    "driven_waypoints": "fsd.scoring.plan_errors",
    "load_rig": "fsd.data.rig",
    "open_clip": "fsd.data.open_clip",
    "open_planner": "fsd.third_party.open_planner",
    "replay_clip": "fsd.replay.replay",
    "score_plans": "fsd.scoring.plan_errors",
}
"""Public name -> module that defines it."""
_OWN_NAMES = {"replay_clip": "replay", "score_plans": "score_run"}
"""Public name -> name in its module: importing `fsd.replay` would replace a public name `replay`."""
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fsd' has no attribute {name!r}; it has {', '.join(sorted(_MODULES))}")
    return getattr(importlib.import_module(_MODULES[name]), _OWN_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
