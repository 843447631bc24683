"""Hazards with known truth: how long until a patch shows them, and how often one does.

Drives every hazard world once at 36 Hz, with all policies on the same images. A drive leaves one JSON file; finished
drives are not repeated.

Definitions. A hazard *appears* at the first tick at which it is seen within 40 m (`rate_distortion.hazard_truth`). Its
*onset* is the first tick at which it is seen and has become dangerous: it walks out, cuts in or brakes. A patch *shows*
it if the patch's block contained it when the image was taken. *Latency* is the number of ticks from either moment to
the first patch from an image taken since then; 0 means the same tick. *Recall* is the share of hazard ticks (seen,
since the onset) at which the newest image of it in a patch is at most `BOUND_TICKS` old; `recall_same_tick` requires an
image of the tick itself.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsd.compression.budget import BUDGETS, Budget
from fsd.data.ego import EgoSample
from fsd.data.files import write_text
from fsd.data.frames import RATE_HZ
from fsd.data.simulator.expert.expert import expert_controls
from fsd.data.simulator.rendering.camera_view import draw_world, load_world
from fsd.data.simulator.rendering.yuv import frame_set_from_rgb
from fsd.data.simulator.scoring.referee import collision
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.input_buffers import TickInput
from fsd.networks.student import TorchStudent
from fsd.networks.weights import weights_sha256
from rate_distortion.hazard_truth import HazardState, HazardTracker
from rate_distortion.hazard_worlds import KINDS, SPEEDS_MPS, HazardWorld, build_hazard_world
from rate_distortion.variants import Variant, VariantCompressor, image_ticks
from rate_distortion.worker_pool import ProgressCallback, run_jobs

HAZARD_POLICIES = ("adaptive", "adaptive+network", "fixed", "random", "run-length", "subsample", "scene-cut")
"""Policies that are measured; `adaptive+network` gets the network's saliency of the tick before."""

BOUND_TICKS = 9
"""An image in a patch that is older than this no longer counts as recall."""

FIRST_SEED = 151_000
"""Seeds from here on were not used to develop the gaze."""


@dataclass(frozen=True)
class HazardConfig:
    """`repeats` worlds of every kind and speed.

    `weights`: variant -> weights of its own budget, for those that get the network's saliency.
    """

    out: Path
    repeats: int
    variants: tuple[Variant, ...]
    weights: Mapping[str, Path]
    kinds: tuple[str, ...] = KINDS
    speeds_mps: tuple[float, ...] = SPEEDS_MPS
    width_px: int = 640
    height_px: int = 480
    max_ticks: int | None = None

    @property
    def folder(self) -> Path:
        """The folder's name is a digest of everything that the records depend on."""
        digests = {name: weights_sha256(path) for name, path in sorted(self.weights.items())}
        state = repr((self.variants, digests, self.width_px, self.height_px, self.max_ticks))
        return self.out / hashlib.sha256(state.encode()).hexdigest()[:12]

    @property
    def jobs(self) -> list[tuple[str, float, int]]:
        """Kind, speed and seed of every drive."""
        return [
            (kind, speed, FIRST_SEED + index)
            for index in range(self.repeats)
            for kind in self.kinds
            for speed in self.speeds_mps
        ]


def hazard_variants(has_network: bool, budget: Budget = BUDGETS["B100"]) -> list[Variant]:
    """The measured policies, all at one budget."""
    names = [name for name in HAZARD_POLICIES if has_network or not name.endswith("+network")]
    return [Variant(name, name, name.partition("+")[0], budget, "", name.endswith("+network")) for name in names]


def drive_hazards(config: HazardConfig, workers: int, progress: ProgressCallback | None = None) -> None:
    """Run the drives that are missing."""
    config.folder.mkdir(parents=True, exist_ok=True)
    missing = [job for job in config.jobs if not _file(config, job).exists()]
    run_jobs(partial(_Worker, config), missing, workers, progress)


def read_records(config: HazardConfig) -> list[dict[str, Any]]:
    """Records of all hazards of all finished drives."""
    files = [_file(config, job) for job in config.jobs]
    return [record for file in files if file.exists() for record in json.loads(file.read_text(encoding="utf-8"))]


def _file(config: HazardConfig, job: tuple[str, float, int]) -> Path:
    return config.folder / f"{job[0]}-{job[1]:02.0f}-{job[2]}.json"


class _Worker:
    """One renderer, one compressor per policy, and the networks whose saliency some of them get."""

    def __init__(self, config: HazardConfig) -> None:
        from fsd.data.simulator.rendering.renderer import Renderer

        self._config = config
        self._rig = canonical_rig(config.width_px, config.height_px)
        self._renderer = Renderer(self._rig)
        self._networks = {name: TorchStudent(weights) for name, weights in config.weights.items()}
        self._compressors = [VariantCompressor(variant, self._rig) for variant in config.variants]

    def drive(self, job: tuple[str, float, int]) -> None:
        """Drive one world and write the records of its hazards."""
        kind, speed_mps, seed = job
        stage = build_hazard_world(*job)
        load_world(self._renderer, stage.world)
        trackers = [HazardTracker(stage.world, hazard, self._rig) for hazard in stage.hazards]
        states, taken = self._run(stage, trackers)
        records = [
            {"kind": kind, "speed_mps": speed_mps, "seed": seed, "weather": stage.world.light.weather}
            | hazard_record([tick[index] for tick in states], taken)
            for index in range(len(trackers))
        ]
        write_text(_file(self._config, job), json.dumps(records) + "\n")

    def _run(
        self, stage: HazardWorld, trackers: Sequence[HazardTracker]
    ) -> tuple[list[list[HazardState]], dict[str, list[np.ndarray]]]:
        world = stage.world
        for compressor in self._compressors:
            compressor.reset()
        for network in self._networks.values():
            network.reset()
        states: list[list[HazardState]] = []
        taken: dict[str, list[np.ndarray]] = {compressor.variant.name: [] for compressor in self._compressors}
        saliency: dict[str, np.ndarray] = {}
        for _ in range(min(int(stage.seconds * RATE_HZ), self._config.max_ticks or 10**6)):
            frame_set = frame_set_from_rgb(draw_world(self._renderer, world), world.tick)
            luma = np.stack([frame.y_plane for frame in frame_set.frames if frame is not None])
            states.append([tracker.observe(self._renderer, luma) for tracker in trackers])
            ego = EgoSample(world.ego.speed_mps, world.ego.yaw_rate_rps)
            for compressor in self._compressors:
                name = compressor.variant.name
                tick = compressor.step(frame_set, ego, saliency.get(name))
                taken[name].append(image_ticks(tick))
                if name in self._networks:
                    saliency[name] = self._networks[name].drive(TickInput(tick, ego, world.command))[2].copy()
            world.step(*expert_controls(world))
            if collision(world) is not None:
                break
        return states, taken


def hazard_record(states: Sequence[HazardState], taken: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """The record of one hazard in one drive, as JSON values.

    Args:
        states: the hazard's state at every tick of the world, from tick 0.
        taken: policy -> for every tick, (2400,) tick at which the image in the block's patch was taken, -1 for none.

    Returns:
        `appears`, `onset`: ticks or None. `distance_m`: at these ticks. `ticks`: those since the appearance at which
        the hazard was seen. `dangerous`: for each of them, whether the hazard was under way. `shown`: policy -> for
        each of them, the tick of the newest image of the hazard in a patch, -1 for none.
    """
    appears = next((tick for tick, state in enumerate(states) if state.is_seen), None)
    if appears is None:
        return {"appears": None, "onset": None, "ticks": [], "dangerous": [], "shown": {}}
    ticks = [tick for tick in range(appears, len(states)) if states[tick].is_seen]
    onset = next((tick for tick in ticks if states[tick].is_under_way), None)
    return {
        "appears": appears,
        "onset": onset,
        "distance_m": [round(states[tick].distance_m, 1) for tick in (appears, onset) if tick is not None],
        "ticks": ticks,
        "dangerous": [int(states[tick].is_under_way) for tick in ticks],
        "shown": {name: [_newest(by_tick[tick], states) for tick in ticks] for name, by_tick in taken.items()},
    }


def _newest(taken: np.ndarray, states: Sequence[HazardState]) -> int:
    """Tick of the newest image of which a patch contains the hazard where it was then; -1 for none."""
    times = np.unique(taken[taken >= 0])[::-1].tolist()
    return next((then for then in times if states[then].blocks.reshape(-1)[taken == then].any()), -1)
