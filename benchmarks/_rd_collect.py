"""Drives to learn from: each is drawn once and compressed for every network that is fine-tuned.

Rows of all networks are the same moments of the same drives. Of the many variants that the shared network reads, every
drive is compressed by a few, in turn. Episodes are as `fsd.networks.dataset` writes them; drives that are there are not
made again.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _rd_drives import HEIGHT_PX, WIDTH_PX, expert_drive, training_route
from _rd_variants import Lane, NetworkPlan, Variant, network_plans

from fsd.data.standard_rigs import canonical_rig
from fsd.networks.collection import DRAW_EVERY_TICKS, LOOK_SHARE, saliency_request
from fsd.networks.dataset import EpisodeWriter
from fsd.networks.input_buffers import TickInput

SHARED_VARIANTS_A_DRIVE = 3
DONE = "collected.json"


@dataclass(frozen=True)
class CollectConfig:
    """`drives` of `seconds` recorded seconds each, into `out`, compressed for `networks` (none named is all)."""

    out: Path
    drives: int
    seconds: float
    networks: tuple[str, ...] = ()


def variants_of_drive(plan: NetworkPlan, index: int) -> tuple[Variant, ...]:
    """Which of a network's variants compress a drive: a few of the shared network's, one of any other's, in turn."""
    count = SHARED_VARIANTS_A_DRIVE if plan.name == "shared" else 1
    chosen = []
    for turn in range(index * count, (index + 1) * count):
        lap, place = divmod(turn, len(plan.variants))
        order = np.random.default_rng([31, lap]).permutation(len(plan.variants))
        chosen.append(plan.variants[order[place]])
    return tuple(dict.fromkeys(chosen))


def episode_folder(config: CollectConfig, plan: NetworkPlan, variant: Variant) -> Path:
    """Episodes of equal shape lie together: a network's folder for every number of patches."""
    return config.out / plan.name / f"k{variant.budget.patch_count}"


def collect(config: CollectConfig, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Make the drives that are missing."""
    config.out.mkdir(parents=True, exist_ok=True)
    missing = [index for index in range(config.drives) if not _marker(config, index).exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (config,)) as pool:
        pending = [pool.submit(_work, index) for index in missing]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            if progress is not None:
                progress(done, len(missing))


def _marker(config: CollectConfig, index: int) -> Path:
    return config.out / "-".join(["finished", *config.networks]) / f"{index:06d}"


_worker: "_Worker | None" = None


def _start_worker(config: CollectConfig) -> None:
    global _worker
    _worker = _Worker(config)


def _work(index: int) -> None:
    assert _worker is not None
    _worker.drive(index)


class _Worker:
    """One renderer, and one compressor a variant, made when it is first asked for."""

    def __init__(self, config: CollectConfig) -> None:
        from fsd.data.simulator.rendering.renderer import Renderer

        self._config = config
        self._rig = canonical_rig(WIDTH_PX, HEIGHT_PX)
        self._renderer = Renderer(self._rig)
        self._lanes: dict[str, Lane] = {}

    def drive(self, index: int) -> None:
        """Drive, compress and write one episode a variant."""
        scenario, seed = training_route(index)
        rng = np.random.default_rng([seed, 41])
        recordings = [
            (self._lane(variant), self._writer(plan, variant, scenario, seed, place))
            for plan in network_plans(self._config.networks)
            for place, variant in enumerate(variants_of_drive(plan, index))
        ]
        is_looking = rng.uniform() < LOOK_SHARE
        saliency: np.ndarray | None = None
        for tick in expert_drive(scenario, seed, self._renderer, self._rig, self._config.seconds, rng):
            for lane, writer in recordings:
                compressed = lane.step(tick.frame_set, tick.ego, saliency)
                if tick.labels is None:
                    writer.skip(compressed)
                else:
                    writer.add(TickInput(compressed, tick.ego, tick.command), tick.labels)
            if tick.labels is not None and is_looking:
                saliency = saliency_request(tick.labels["saliency"], rng)
        for lane, writer in recordings:
            writer.close({"scenario": scenario, "seed": seed, "variant": lane.variant.name})
        marker = _marker(self._config, index)
        marker.parent.mkdir(exist_ok=True)
        marker.touch()

    def _lane(self, variant: Variant) -> Lane:
        lane = self._lanes.setdefault(variant.name, Lane(variant, self._rig))
        lane.reset()
        return lane

    def _writer(self, plan: NetworkPlan, variant: Variant, scenario: str, seed: int, place: int) -> EpisodeWriter:
        folder = episode_folder(self._config, plan, variant)
        return EpisodeWriter(folder / f"{scenario}-{seed:06d}-r{place}", variant.budget, DRAW_EVERY_TICKS)
