"""Hazards whose truth is known: how long until a full-resolution patch shows them, and how often one does.

Drives every hazard world once at 36 Hz, all policies beside each other on the same pictures. A drive leaves one JSON
file; what is there is not driven again.

Definitions. A hazard *appears* at the first tick at which it is seen within 40 m (`_rd_hazard_truth`). Its *onset* is
the first tick at which it is seen and has begun to be dangerous: it walks out, cuts in, brakes. A patch *shows* it if
the patch's block held it when the picture was taken. Latency is the number of ticks from either moment to the first
patch of a picture taken since, 0 in the same tick. *Recall* is the share of hazard ticks (seen, since the onset) at
which the newest picture of it in a patch is at most `BOUND_TICKS` old; `same_tick` is the stricter share with a patch
of this tick.
"""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _rd_hazard_truth import HazardWatch, Sight
from _rd_hazard_worlds import KINDS, SPEEDS_MPS, HazardWorld, build_hazard_world
from _rd_variants import Lane, Variant, pictures_shown

from fsd.compression.budget import BUDGETS, Budget
from fsd.data.ego import EgoSample
from fsd.data.files import write_text
from fsd.data.frames import RATE_HZ
from fsd.data.simulator.camera_view import draw_world, load_world
from fsd.data.simulator.expert import expert_controls
from fsd.data.simulator.referee import collision
from fsd.data.simulator.yuv import frame_set_from_rgb
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.input_buffers import TickInput
from fsd.networks.student import TorchStudent

WATCHED = ("adaptive", "adaptive+network", "fixed", "random", "run-length", "subsample", "scene-cut")
"""Policies that are measured; `adaptive+network` has the network's wishes fed back, tick by tick."""

BOUND_TICKS = 9
"""A hazard must be shown this soon at worst; what is older no longer counts as known at full resolution."""

FIRST_SEED = 151_000
"""Worlds that the gaze was not developed on."""


@dataclass(frozen=True)
class HazardConfig:
    """What to drive: `repeats` worlds of every kind and speed; `weights` of the network whose wishes are fed back."""

    out: Path
    repeats: int
    kinds: tuple[str, ...] = KINDS
    speeds_mps: tuple[float, ...] = SPEEDS_MPS
    budget: Budget = BUDGETS["B100"]
    weights: Path | None = None
    width_px: int = 640
    height_px: int = 480
    max_ticks: int | None = None

    @property
    def jobs(self) -> list[tuple[str, float, int]]:
        """Kind, speed and seed of every drive."""
        return [
            (kind, speed, FIRST_SEED + index)
            for index in range(self.repeats)
            for kind in self.kinds
            for speed in self.speeds_mps
        ]


def watched_variants(budget: Budget, has_network: bool) -> list[Variant]:
    """The policies that are measured, all at one budget."""
    names = [name for name in WATCHED if has_network or not name.endswith("+network")]
    return [Variant(name, name, name.partition("+")[0], budget, "", name.endswith("+network")) for name in names]


def drive_hazards(config: HazardConfig, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Drive what is missing."""
    config.out.mkdir(parents=True, exist_ok=True)
    missing = [job for job in config.jobs if not _file(config, job).exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (config,)) as pool:
        pending = [pool.submit(_work, job) for job in missing]
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            if progress is not None:
                progress(done, len(missing))


def read_records(config: HazardConfig) -> list[dict[str, Any]]:
    """All hazards of all finished drives."""
    files = [_file(config, job) for job in config.jobs]
    return [record for file in files if file.exists() for record in json.loads(file.read_text(encoding="utf-8"))]


def _file(config: HazardConfig, job: tuple[str, float, int]) -> Path:
    return config.out / f"{job[0]}-{job[1]:02.0f}-{job[2]}.json"


_worker: "_Worker | None" = None


def _start_worker(config: HazardConfig) -> None:
    global _worker
    _worker = _Worker(config)


def _work(job: tuple[str, float, int]) -> None:
    assert _worker is not None
    _worker.drive(job)


class _Worker:
    """One renderer, and the network if there are weights."""

    def __init__(self, config: HazardConfig) -> None:
        from fsd.data.simulator.renderer import Renderer

        self._config = config
        self._rig = canonical_rig(config.width_px, config.height_px)
        self._renderer = Renderer(self._rig)
        self._network = TorchStudent(config.weights) if config.weights is not None else None
        self._lanes = [
            Lane(variant, self._rig) for variant in watched_variants(config.budget, self._network is not None)
        ]

    def drive(self, job: tuple[str, float, int]) -> None:
        """Drive one world and write what was seen of its hazards."""
        kind, speed_mps, seed = job
        stage = build_hazard_world(*job)
        load_world(self._renderer, stage.world)
        watches = [HazardWatch(stage.world, hazard, self._rig) for hazard in stage.hazards]
        sights, taken = self._run(stage, watches)
        records = [
            {"kind": kind, "speed_mps": speed_mps, "seed": seed, "weather": stage.world.light.weather}
            | hazard_record([tick[index] for tick in sights], taken)
            for index in range(len(watches))
        ]
        write_text(_file(self._config, job), json.dumps(records) + "\n")

    def _run(
        self, stage: HazardWorld, watches: Sequence[HazardWatch]
    ) -> tuple[list[list[Sight]], dict[str, list[np.ndarray]]]:
        world = stage.world
        for lane in self._lanes:
            lane.reset()
        if self._network is not None:
            self._network.reset()
        sights: list[list[Sight]] = []
        taken: dict[str, list[np.ndarray]] = {lane.variant.name: [] for lane in self._lanes}
        saliency: np.ndarray | None = None
        for _ in range(min(int(stage.seconds * RATE_HZ), self._config.max_ticks or 10**6)):
            frame_set = frame_set_from_rgb(draw_world(self._renderer, world), world.tick)
            luma = np.stack([frame.y_plane for frame in frame_set.frames if frame is not None])
            sights.append([watch.look(self._renderer, luma) for watch in watches])
            ego = EgoSample(world.ego.speed_mps, world.ego.yaw_rate_rps)
            for lane in self._lanes:
                tick = lane.step(frame_set, ego, saliency)
                taken[lane.variant.name].append(pictures_shown(tick))
                if lane.variant.feeds_back and self._network is not None:
                    saliency = self._network.drive(TickInput(tick, ego, world.command))[2].copy()
            world.step(*expert_controls(world))
            if collision(world) is not None:
                break
        return sights, taken


def hazard_record(sights: Sequence[Sight], taken: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """What one drive says about one hazard, JSON-ready.

    Args:
        sights: the truth at every tick, the world's ticks counting from 0.
        taken: policy -> at every tick, (2400,) tick at which the picture in the block's patch was taken, -1 for none.

    Returns:
        `appears`, `onset` (ticks or None), `distance_m` at either; `ticks`: since the appearance, those at which the
        hazard was seen; `dangerous`: whether it was under way at each; `shown`: policy -> at each, when the newest
        picture was taken in which a patch of that tick shows it, -1 for none.
    """
    appears = next((tick for tick, sight in enumerate(sights) if sight.is_seen), None)
    if appears is None:
        return {"appears": None, "onset": None, "ticks": [], "dangerous": [], "shown": {}}
    ticks = [tick for tick in range(appears, len(sights)) if sights[tick].is_seen]
    onset = next((tick for tick in ticks if sights[tick].is_under_way), None)
    return {
        "appears": appears,
        "onset": onset,
        "distance_m": [round(sights[tick].distance_m, 1) for tick in (appears, onset) if tick is not None],
        "ticks": ticks,
        "dangerous": [int(sights[tick].is_under_way) for tick in ticks],
        "shown": {name: [_newest(by_tick[tick], sights) for tick in ticks] for name, by_tick in taken.items()},
    }


def _newest(taken: np.ndarray, sights: Sequence[Sight]) -> int:
    """When the newest picture was taken that shows the hazard in a patch, where the hazard was then; -1 for none."""
    times = np.unique(taken[taken >= 0])[::-1].tolist()
    return next((then for then in times if sights[then].held.reshape(-1)[taken == then].any()), -1)
