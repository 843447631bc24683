"""What is compared: every policy at every rate with one encoder, the named profiles, and the dense network.

Knows names and budgets, and which compressor each needs; nothing of drives, training or errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from _rd_pooling import PoolingCompressor, Rectangle
from _rd_scene_cuts import PySceneCuts, has_pyscenedetect

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.frame_selection import FrameSelection
from fsd.compression.policies import make_policy, make_selection, spent_budget
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import BLOCKS, CAMERAS, RATE_HZ, FrameSet
from fsd.data.rig import Rig

RATES = tuple(Budget(f"80x60+{patches}", 60, 80, patches) for patches in (10, 26, 58, 122, 234))
"""Patches a tick beside an 80x60 base image: 73 to 417 kB a tick; 58 is B100, 10 is B200."""

SHARED_POLICIES = ("adaptive", "fixed", "random", "subsample", "scene-cut", "run-length", "pooling")
"""Policies that feed the same encoder, by the same bytes."""

DENSE = Budget("dense", 240, 320, BUDGETS["B100"].patch_count)
"""Every camera whole at 320x240 as base image, and the patches of B100: all that B100 is given, and more."""

DOWNSCALED = tuple(RATES[index] for index in (0, 2, 4))
"""Rates at which a larger base image alone is tried; each needs a network of its own."""


@dataclass(frozen=True)
class Variant:
    """One way to spend bytes.

    Attributes:
        name: unique; series: the curve it is a point of.
        policy: of `SHARED_POLICIES`, or `downscale`; budget: what it spends, base image included.
        network: name of the weights that read it.
        feeds_back: whether the network's wishes lead the gaze.
    """

    name: str
    series: str
    policy: str
    budget: Budget
    network: str
    feeds_back: bool = False


@dataclass(frozen=True)
class NetworkPlan:
    """A network to fine-tune: for the base image of `budget`, on what these variants send."""

    name: str
    budget: Budget
    variants: tuple[Variant, ...]


def shared_variants() -> tuple[Variant, ...]:
    """All that the shared network reads; `adaptive-alone` is ours without the network's wishes."""
    names = [(policy, policy, policy == "adaptive") for policy in SHARED_POLICIES] + [
        ("adaptive-alone", "adaptive", False)
    ]
    return tuple(
        Variant(f"{name}/{rate.name}", name, policy, rate, "shared", feeds_back)
        for name, policy, feeds_back in names
        for rate in RATES
    )


def profile_variants() -> tuple[Variant, ...]:
    """The named budgets; B25 and B50 have the same base image, and so the same network."""
    networks = {"B25": "base160", "B50": "base160", "B100": "b100", "B200": "b200", "B400": "b400"}
    return tuple(
        Variant(name, "profiles", "adaptive", BUDGETS[name], network, True) for name, network in networks.items()
    )


def downscale_variants() -> tuple[Variant, ...]:
    """Larger base images instead of patches."""
    return tuple(
        Variant(f"downscale/{rate.name}", "downscale", "downscale", spent_budget("downscale", rate), f"down{index}")
        for index, rate in enumerate(DOWNSCALED)
    )


def all_variants() -> tuple[Variant, ...]:
    """Everything that is evaluated; `packaged` is B100 with the weights as they were given."""
    return (
        *shared_variants(),
        *profile_variants(),
        *downscale_variants(),
        Variant("packaged", "packaged", "adaptive", BUDGETS["B100"], "given", True),
        Variant("dense", "dense", "adaptive", DENSE, "dense", True),
    )


def network_plans(names: Sequence[str] = ()) -> tuple[NetworkPlan, ...]:
    """The networks to fine-tune, or those of them that are named."""
    by_network: dict[str, list[Variant]] = {}
    for variant in all_variants():
        if variant.network != "given" and variant.series != "adaptive-alone":
            by_network.setdefault(variant.network, []).append(variant)
    return tuple(
        NetworkPlan(name, variants[0].budget, tuple(variants))
        for name, variants in by_network.items()
        if not names or name in names
    )


def pictures_shown(tick: CompressedTick) -> np.ndarray:
    """(8 * 300,) int64: the tick at which the picture was taken that a patch of the block shows, -1 where none does.

    Held pictures are older than the tick; patches that cover more than their block do not count.
    """
    taken = np.full(len(CAMERAS) * BLOCKS, -1, np.int64)
    used = tick.patch_block >= 0
    camera = tick.patch_camera[used].astype(np.int64)
    age_ticks = np.rint(tick.camera_age_s * float(RATE_HZ)).astype(np.int64)
    taken[camera * BLOCKS + tick.patch_block[used]] = tick.tick - age_ticks[camera]
    return taken


class Lane:
    """The compressor of one variant on its way through a drive."""

    def __init__(self, variant: Variant, rig: Rig) -> None:
        self.variant = variant
        self._selection: FrameSelection | None = None
        if variant.policy == "pooling":
            self._compressor: Compressor | PoolingCompressor = PoolingCompressor(rig, variant.budget)
            return
        self._compressor = Compressor(rig, variant.budget, make_policy(variant.policy, rig))
        if variant.policy == "scene-cut" and has_pyscenedetect():
            self._selection = PySceneCuts()
        else:
            self._selection = make_selection(variant.policy, len(rig.cameras), variant.budget)

    @property
    def rectangles(self) -> list[tuple[int, Rectangle]]:
        """What the last tick's patches cover where they are more than one block, see `PoolingCompressor`."""
        return self._compressor.rectangles if isinstance(self._compressor, PoolingCompressor) else []

    def reset(self) -> None:
        """Forget the drive."""
        self._compressor.reset()
        if self._selection is not None:
            self._selection.reset()

    def step(self, frame_set: FrameSet, ego: EgoSample | None, saliency: np.ndarray | None) -> CompressedTick:
        """Compress one tick; `saliency` is passed on only where the variant feeds it back. Valid until the next."""
        shown = frame_set if self._selection is None else self._selection.select(frame_set)
        return self._compressor.step(shown, ego, saliency if self.variant.feeds_back else None)
