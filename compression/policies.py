"""The compressor's own gaze and the baselines it is measured against, by name, all with the same bytes per tick.

A baseline is a gaze policy, or a gaze policy behind a frame selection, or another split of the same bytes.
"""

import math
from collections.abc import Callable

from fsd.compression.budget import PATCH_PX, Budget
from fsd.compression.clocked_gaze import adaptive_policy
from fsd.compression.frame_selection import FrameSelection, SceneCuts, UniformSubsample, whole_set_ticks
from fsd.compression.gaze import GazePolicy
from fsd.compression.gaze_baselines import DownscaleOnly, FixedFoveation, RandomGaze
from fsd.compression.token_baselines import RasterGaze, RunLengthGaze
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import BLOCKS, CAMERAS
from fsd.data.rig import Rig

_GAZES: dict[str, Callable[[TokenRays], GazePolicy]] = {
    "fixed": FixedFoveation,
    "random": lambda _: RandomGaze(),
    "downscale": lambda _: DownscaleOnly(),
    "subsample": lambda _: RasterGaze(),
    "scene-cut": lambda _: RasterGaze(),
    "run-length": lambda _: RunLengthGaze(),
}


def make_policy(name: str, rig: Rig, budget: Budget) -> GazePolicy:
    """The gaze of one of `policy_names.POLICIES`, new for a drive."""
    token_rays = TokenRays(rig)
    return _GAZES[name](token_rays) if name in _GAZES else adaptive_policy(rig, token_rays, budget)


def make_selection(name: str, camera_count: int, budget: Budget) -> FrameSelection | None:
    """The frame selection before that gaze, new for a drive; None where every picture is shown."""
    if name == "subsample":
        return UniformSubsample(whole_set_ticks(camera_count, BLOCKS, budget.patch_count))
    return SceneCuts() if name == "scene-cut" else None


def policy_budget(name: str, budget: Budget) -> Budget:
    """How the policy divides the budget's bytes: no tick has more than one of `budget`.

    `downscale` gives everything to a 4:3 base image, except the one patch that a budget must have and that stays grey.
    """
    if name != "downscale":
        return budget
    base_pixels = (budget.pixels - PATCH_PX**2) // len(CAMERAS)
    height = math.isqrt(base_pixels * 3 // 4) // 2 * 2
    return Budget(f"{budget.name}-downscale", height, base_pixels // height // 2 * 2, 1)
