"""Drives to learn from: each is drawn once and compressed for every network that is fine-tuned.

All networks learn from the same moments of the same drives. The shared network reads many variants, so each drive is
compressed by a few of them, in turn. Episodes have the format of `fsd.networks.dataset`. Finished drives are not made
again.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fsd.data.standard_rigs import canonical_rig
from fsd.networks.collection import DRAW_EVERY_TICKS, LOOK_SHARE, saliency_request
from fsd.networks.dataset import EpisodeWriter
from fsd.networks.input_buffers import TickInput
from rate_distortion.drives import HEIGHT_PX, WIDTH_PX, expert_drive, training_route
from rate_distortion.variants import NetworkPlan, Variant, VariantCompressor, network_plans
from rate_distortion.worker_pool import ProgressCallback, run_jobs

SHARED_VARIANTS_PER_DRIVE = 3


@dataclass(frozen=True)
class CollectConfig:
    """`drives` of `seconds` recorded seconds each, into `out`, compressed for `networks` (empty: for all)."""

    out: Path
    drives: int
    seconds: float
    networks: tuple[str, ...] = ()


def variants_of_drive(plan: NetworkPlan, index: int) -> tuple[Variant, ...]:
    """Which of a network's variants compress a drive, in turn: a few of the shared network's, one of any other's."""
    count = SHARED_VARIANTS_PER_DRIVE if plan.name == "shared" else 1
    chosen = []
    for turn in range(index * count, (index + 1) * count):
        lap, place = divmod(turn, len(plan.variants))
        order = np.random.default_rng([31, lap]).permutation(len(plan.variants))
        chosen.append(plan.variants[order[place]])
    return tuple(dict.fromkeys(chosen))


def episode_folder(config: CollectConfig, plan: NetworkPlan, variant: Variant) -> Path:
    """Episodes of equal shape share a folder: one per network and number of patches."""
    return config.out / plan.name / f"k{variant.budget.patch_count}"


def collect(config: CollectConfig, workers: int, progress: ProgressCallback | None = None) -> None:
    """Record the drives that are missing."""
    config.out.mkdir(parents=True, exist_ok=True)
    missing = [index for index in range(config.drives) if not _marker(config, index).exists()]
    run_jobs(partial(_Worker, config), missing, workers, progress)


def _marker(config: CollectConfig, index: int) -> Path:
    return config.out / "-".join(["finished", *config.networks]) / f"{index:06d}"


class _Worker:
    """One renderer, and one compressor per variant, created on first use."""

    def __init__(self, config: CollectConfig) -> None:
        from fsd.data.simulator.rendering.renderer import Renderer

        self._config = config
        self._rig = canonical_rig(WIDTH_PX, HEIGHT_PX)
        self._renderer = Renderer(self._rig)
        self._compressors: dict[str, VariantCompressor] = {}

    def drive(self, index: int) -> None:
        """Drive, compress and write one episode per variant."""
        scenario, seed = training_route(index)
        rng = np.random.default_rng([seed, 41])
        recordings = [
            (self._compressor(variant), self._writer(plan, variant, scenario, seed, place))
            for plan in network_plans(self._config.networks)
            for place, variant in enumerate(variants_of_drive(plan, index))
        ]
        has_request = rng.uniform() < LOOK_SHARE
        saliency: np.ndarray | None = None
        for tick in expert_drive(scenario, seed, self._renderer, self._rig, self._config.seconds, rng):
            for compressor, writer in recordings:
                compressed = compressor.step(tick.frame_set, tick.ego, saliency)
                if tick.labels is None:
                    writer.skip(compressed)
                else:
                    writer.add(TickInput(compressed, tick.ego, tick.command), tick.labels)
            if tick.labels is not None and has_request:
                saliency = saliency_request(tick.labels["saliency"], rng)
        for compressor, writer in recordings:
            writer.close({"scenario": scenario, "seed": seed, "variant": compressor.variant.name})
        marker = _marker(self._config, index)
        marker.parent.mkdir(exist_ok=True)
        marker.touch()

    def _compressor(self, variant: Variant) -> VariantCompressor:
        compressor = self._compressors.setdefault(variant.name, VariantCompressor(variant, self._rig))
        compressor.reset()
        return compressor

    def _writer(self, plan: NetworkPlan, variant: Variant, scenario: str, seed: int, place: int) -> EpisodeWriter:
        folder = episode_folder(self._config, plan, variant)
        return EpisodeWriter(folder / f"{scenario}-{seed:06d}-r{place}", variant.budget, DRAW_EVERY_TICKS)
