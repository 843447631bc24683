"""What is compared: every policy at every rate with one encoder, the named profiles, and the dense network.

Knows names, budgets, and the compressor of each variant; it does not know drives, training or errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.frame_selection import FrameSelection
from fsd.compression.policies import make_policy, make_selection, policy_budget
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import BLOCKS, CAMERAS, RATE_HZ, FrameSet
from fsd.data.rig import Rig
from rate_distortion.pooling import PoolingCompressor, Rectangle
from rate_distortion.scene_cuts import PySceneCuts, has_pyscenedetect

RATES = tuple(Budget(f"80x60+{patches}", 60, 80, patches) for patches in (10, 26, 58, 122, 234))
"""An 80x60 base image and 10 to 234 patches, 73 to 417 kB per tick; 58 patches are B100, 10 are B200."""

SHARED_POLICIES = ("adaptive", "fixed", "random", "subsample", "scene-cut", "run-length", "pooling")
"""Policies that feed the same encoder with the same number of bytes."""

DENSE = Budget("dense", 240, 320, BUDGETS["B100"].patch_count)
"""Every camera at 320x240 as base image plus the patches of B100: the input of B100 and more."""

DOWNSCALED = tuple(RATES[index] for index in (0, 2, 4))
"""Rates at which a larger base image without patches is tried; each needs its own network."""


@dataclass(frozen=True)
class Variant:
    """One way to spend bytes.

    Attributes:
        name: unique.
        series: name of the curve that it is a point of.
        policy: one of `SHARED_POLICIES`, or `downscale`.
        budget: base image and patches.
        network: name of the weights that read it.
        feeds_back: whether the gaze receives the network's saliency.
    """

    name: str
    series: str
    policy: str
    budget: Budget
    network: str
    feeds_back: bool = False


@dataclass(frozen=True)
class NetworkPlan:
    """A network to fine-tune: for the base image of `budget`, on the output of these variants."""

    name: str
    budget: Budget
    variants: tuple[Variant, ...]


def shared_variants() -> tuple[Variant, ...]:
    """All variants of the shared network; `adaptive-alone` is ours without the network's saliency."""
    names = [(policy, policy, policy == "adaptive") for policy in SHARED_POLICIES] + [
        ("adaptive-alone", "adaptive", False)
    ]
    return tuple(
        Variant(f"{name}/{rate.name}", name, policy, rate, "shared", feeds_back)
        for name, policy, feeds_back in names
        for rate in RATES
    )


def profile_variants() -> tuple[Variant, ...]:
    """The named budgets; B25 and B50 have the same base image and share a network."""
    networks = {"B25": "base160", "B50": "base160", "B100": "b100", "B200": "b200", "B400": "b400"}
    return tuple(
        Variant(name, "profiles", "adaptive", BUDGETS[name], network, True) for name, network in networks.items()
    )


def downscale_variants() -> tuple[Variant, ...]:
    """Larger base images instead of patches."""
    return tuple(
        Variant(f"downscale/{rate.name}", "downscale", "downscale", policy_budget("downscale", rate), f"down{index}")
        for index, rate in enumerate(DOWNSCALED)
    )


def all_variants() -> tuple[Variant, ...]:
    """Everything that is evaluated; `packaged` is B100 with the given weights, not fine-tuned."""
    return (
        *shared_variants(),
        *profile_variants(),
        *downscale_variants(),
        Variant("packaged", "packaged", "adaptive", BUDGETS["B100"], "given", True),
        Variant("dense", "dense", "adaptive", DENSE, "dense", True),
    )


def network_plans(names: Sequence[str] = ()) -> tuple[NetworkPlan, ...]:
    """The networks to fine-tune; all if no names are given."""
    by_network: dict[str, list[Variant]] = {}
    for variant in all_variants():
        if variant.network != "given" and variant.series != "adaptive-alone":
            by_network.setdefault(variant.network, []).append(variant)
    return tuple(
        NetworkPlan(name, variants[0].budget, tuple(variants))
        for name, variants in by_network.items()
        if not names or name in names
    )


def image_ticks(tick: CompressedTick) -> np.ndarray:
    """(8 * 300,) int64: for every block, the tick at which the image in its patch was taken; -1 without a patch.

    Held images are older than the tick. Patches that cover more than one block, or a quarter of one, do not count.
    """
    taken = np.full(len(CAMERAS) * BLOCKS, -1, np.int64)
    used = tick.patch_block >= 0
    if tick.patch_quarter is not None:
        used &= tick.patch_quarter < 0
    camera = tick.patch_camera[used].astype(np.int64)
    age_ticks = np.rint(tick.camera_age_s * float(RATE_HZ)).astype(np.int64)
    taken[camera * BLOCKS + tick.patch_block[used]] = tick.tick - age_ticks[camera]
    return taken


class VariantCompressor:
    """Frame selection and compressor of one variant."""

    def __init__(self, variant: Variant, rig: Rig) -> None:
        self.variant = variant
        self._selection: FrameSelection | None = None
        if variant.policy == "pooling":
            self._compressor: Compressor | PoolingCompressor = PoolingCompressor(rig, variant.budget)
            return
        self._compressor = Compressor(rig, variant.budget, make_policy(variant.policy, rig, variant.budget))
        if variant.policy == "scene-cut" and has_pyscenedetect():
            self._selection = PySceneCuts()
        else:
            self._selection = make_selection(variant.policy, len(rig.cameras), variant.budget)

    @property
    def rectangles(self) -> list[tuple[int, Rectangle]]:
        """What the patches of the last tick cover; empty unless the variant pools, see `PoolingCompressor`."""
        return self._compressor.rectangles if isinstance(self._compressor, PoolingCompressor) else []

    def reset(self) -> None:
        """Forget the drive."""
        self._compressor.reset()
        if self._selection is not None:
            self._selection.reset()

    def step(self, frame_set: FrameSet, ego: EgoSample | None, saliency: np.ndarray | None) -> CompressedTick:
        """Compress one tick; the result is valid until the next call. `saliency` is used only if `feeds_back`."""
        shown = frame_set if self._selection is None else self._selection.select(frame_set)
        return self._compressor.step(shown, ego, saliency if self.variant.feeds_back else None)
