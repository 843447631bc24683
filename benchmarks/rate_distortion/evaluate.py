"""Held-out drives with plans by every variant: the same images, a compressor and a memory for each.

The expert drives; plans are only recorded. A drive leaves one file of plans. Finished drives are not repeated unless
the weights or the variants changed. Errors are computed elsewhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fsd.data.files import replacing, write_text
from fsd.data.simulator.scenarios import SCORED_SCENARIOS
from fsd.data.simulator.seeds import check_evaluation_seed
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.weights import load_weights, weights_sha256
from rate_distortion.batch_runner import BatchRunner
from rate_distortion.drives import EVALUATION_SEED, HEIGHT_PX, WIDTH_PX, expert_drive
from rate_distortion.variants import Variant, VariantCompressor
from rate_distortion.worker_pool import ProgressCallback, run_jobs


@dataclass(frozen=True)
class EvaluateConfig:
    """`drives` of `seconds` each, through the scenarios in turn; `weights` file of every network by name."""

    out: Path
    drives: int
    seconds: float
    variants: tuple[Variant, ...]
    weights: Mapping[str, Path]

    @property
    def folder(self) -> Path:
        """The folder's name is a digest of everything that the plans depend on."""
        state = hashlib.sha256(f"{self.seconds}".encode())
        for name in sorted({variant.network for variant in self.variants}):
            state.update(f"{name}:{weights_sha256(self.weights[name])}".encode())
        state.update(repr(self.variants).encode())
        return self.out / state.hexdigest()[:12]


@dataclass(frozen=True)
class DrivePlans:
    """One drive: `plans` (V, R, 16, 4) in the order of the variants, `expert` (R, 16, 4), `speed_mps` (R,)."""

    scenario: str
    seed: int
    plans: np.ndarray
    expert: np.ndarray
    speed_mps: np.ndarray


def route(index: int) -> tuple[str, int]:
    """Scenario and seed of a held-out drive."""
    seed = check_evaluation_seed(EVALUATION_SEED + index)
    return SCORED_SCENARIOS[index % len(SCORED_SCENARIOS)], seed


def evaluate(config: EvaluateConfig, workers: int, progress: ProgressCallback | None = None) -> None:
    """Run the drives that are missing."""
    folder = config.folder
    folder.mkdir(parents=True, exist_ok=True)
    about = {"variants": [variant.name for variant in config.variants], "seconds": config.seconds}
    write_text(folder / "about.json", json.dumps(about, indent=1) + "\n")
    missing = [index for index in range(config.drives) if not _file(folder, index).exists()]
    run_jobs(partial(_Worker, config, folder), missing, workers, progress)


def read_plans(config: EvaluateConfig) -> list[DrivePlans]:
    """Plans of all finished drives."""
    folder = config.folder
    drives = []
    for index in range(config.drives):
        path = _file(folder, index)
        if path.exists():
            with np.load(path) as found:
                drives.append(DrivePlans(*route(index), found["plans"], found["expert"], found["speed_mps"]))
    return drives


def _file(folder: Path, index: int) -> Path:
    scenario, seed = route(index)
    return folder / f"{scenario}-{seed}.npz"


class _Worker:
    """One renderer, and all variants in batches with equal weights and shapes."""

    def __init__(self, config: EvaluateConfig, folder: Path) -> None:
        import torch

        from fsd.data.simulator.rendering.renderer import Renderer

        torch.set_num_threads(1)
        self._config, self._folder = config, folder
        self._rig = canonical_rig(WIDTH_PX, HEIGHT_PX)
        self._renderer = Renderer(self._rig)
        groups: dict[tuple[str, int, int], list[Variant]] = {}
        for variant in config.variants:
            budget = variant.budget
            groups.setdefault((variant.network, budget.base_width_px, budget.patch_count), []).append(variant)
        networks = {name: load_weights(config.weights[name])[0] for name, _, _ in groups}
        self._order = [variant.name for variants in groups.values() for variant in variants]
        self._runners = [
            BatchRunner(networks[key[0]], [VariantCompressor(variant, self._rig) for variant in variants])
            for key, variants in groups.items()
        ]

    def drive(self, index: int) -> None:
        """Drive, plan with every variant, and write the plans."""
        scenario, seed = route(index)
        rng = np.random.default_rng([seed, 43])
        for runner in self._runners:
            runner.reset()
        plans: list[np.ndarray] = []
        expert: list[np.ndarray] = []
        speed_mps: list[float] = []
        for tick in expert_drive(scenario, seed, self._renderer, self._rig, self._config.seconds, rng):
            if tick.labels is None:
                for runner in self._runners:
                    runner.skip(tick.frame_set, tick.ego)
                continue
            found = [runner.plan(tick.frame_set, tick.ego, tick.command) for runner in self._runners]
            plans.append(np.concatenate(found))
            expert.append(tick.labels["trajectory"])
            speed_mps.append(tick.ego.speed_mps)
        place = [self._order.index(variant.name) for variant in self._config.variants]
        by_variant = np.stack(plans, axis=1)[place].astype(np.float32)
        path = _file(self._folder, index)
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, plans=by_variant, expert=np.stack(expert), speed_mps=np.array(speed_mps))
