"""Are the labels of the network's gaze requests right? A patch's gradient against what really changes without it.

In training, a patch is worth as much as the driving loss changes with the weight of its token
(`networks/gaze_value.py`). Here, patches are taken away one by one from ticks of held-out worlds, with the memory as at
run time. The real change of the plan is compared with the gradient, and with the request that the network made one
recorded tick (1/9 s) before. Simulated drives.

    python benchmarks/gaze_value.py --episodes out/mine/episodes [--weights FILE] [--ticks N] [--quick]

`--episodes` are those of an `fsd train` of a network of the same budget.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from fsd.networks.attention import MASKED
from fsd.networks.clip_module import with_token_weight
from fsd.networks.dataset import LABEL_SHAPES, find_episodes
from fsd.networks.evaluation import ROW_3S, network_inputs
from fsd.networks.gaze_value import patch_value
from fsd.networks.losses import LossWeights
from fsd.networks.model import EGO_INPUTS, IMAGE_INPUTS, PLAN_INPUTS, Content, DrivingNetwork, select
from fsd.networks.training_set import TrainingSet
from fsd.networks.validation import split
from fsd.networks.weights import load_weights, packaged_weights

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

VALIDATION_SHARE = 0.04
EVERY_ROWS = 8
BEST = 5
"""The patches without which the plan changes most."""


class Compared(NamedTuple):
    """One tick: for every patch, (K,) each; requests are NaN at the first tick of an episode."""

    gradient: np.ndarray
    change_m: np.ndarray
    request: np.ndarray


def main() -> None:
    """Measure and print the metrics."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=Path, required=True, help="folder of episodes")
    parser.add_argument("--weights", type=Path, default=None, help="weights file (default: the packaged one)")
    parser.add_argument("--ticks", type=int, default=None, help="ticks to compare (default: 200, quick: 20)")
    parser.add_argument("--quick", action="store_true", help="few ticks, under a minute")
    options = parser.parse_args()
    network, _ = load_weights(options.weights or packaged_weights())
    _, held_out = split(find_episodes(options.episodes, network.config.budget), VALIDATION_SHARE)
    ticks = options.ticks or (20 if options.quick else 200)
    found: list[Compared] = []
    for episode in held_out:
        if len(found) < ticks:
            found += compare_episode(network, TrainingSet([episode]), ticks - len(found))
    metrics = summary(found)
    print("simulated; per tick, means over ticks:")
    for name, value in metrics.items():
        print(f"  {name:34} {value:.3f}")
    finish(
        "gaze_value", metrics, len(found), f"{len(found)} ticks of held-out worlds, budget {network.config.budget.name}"
    )


def compare_episode(network: DrivingNetwork, episode: TrainingSet, most: int) -> list[Compared]:
    """Roll out one episode, and compare at every `EVERY_ROWS`th row."""
    found: list[Compared] = []
    memory: dict[str, Tensor] = {}
    saliency = np.full((8, 15, 20), np.nan)
    for row in range(len(episode)):
        recorded = episode.read(np.array([row]))
        inputs = network_inputs(network, recorded, "cpu")
        for name in ("memory_k", "memory_v"):
            memory.setdefault(name, torch.zeros(1, *inputs["memory_valid"].shape[1:], 16, 64))
        inputs |= memory
        inputs["memory_valid"] = inputs["memory_valid"] * torch.from_numpy(episode.slot_row[[row]] >= 0)
        with torch.no_grad():
            outputs = network(**inputs)
        if row % EVERY_ROWS == 0 and len(found) < most:
            labels = {name: torch.from_numpy(recorded[name]) for name in LABEL_SHAPES if name in recorded}
            found.append(compare_tick(network, inputs, labels, recorded["patch_cell"][0], saliency))
        saliency = outputs["saliency"][0].numpy()
        slots = recorded["commit_slots"][0]
        written = slots[slots >= 0].astype(np.int64)
        memory["memory_k"][0, written], memory["memory_v"][0, written] = outputs["new_k"][0], outputs["new_v"][0]
    return found


def compare_tick(
    network: DrivingNetwork,
    inputs: dict[str, Tensor],
    labels: dict[str, Tensor],
    cell: np.ndarray,
    saliency: np.ndarray,
) -> Compared:
    """Take the patches of one tick away, one by one.

    Args:
        inputs, labels: with a batch axis of 1; cell: (K,) blocks of the patches; saliency: of the tick before.
    """
    used = np.flatnonzero(cell >= 0)
    with torch.no_grad():
        content = network.encode(**select(inputs, IMAGE_INPUTS))
        ego_token = network.ego_encoder(**select(inputs, EGO_INPUTS))
        plan = select(inputs, PLAN_INPUTS)
        before = network.decide(content, ego_token, **plan)["trajectory"]
        masks = content.mask.repeat(len(used), 1)
        masks[torch.arange(len(used)), content.retina_count + torch.from_numpy(used)] = MASKED
        many = {name: value.expand(len(used), *value.shape[1:]) for name, value in plan.items()}
        tokens = content.tokens.expand(len(used), -1, -1)
        maps = tuple(each.expand(len(used), *each.shape[1:]) for each in content.maps)
        without = network.decide(
            Content(tokens, masks, content.retina_count, maps), ego_token.expand(len(used), -1), **many
        )["trajectory"]
    weighted, weight = with_token_weight(content, len(cell))
    value = patch_value(network.decide(weighted, ego_token, **plan), labels, LossWeights(), weight)[0]
    change_m = torch.linalg.vector_norm((without - before)[:, ROW_3S, :2], dim=-1).numpy()
    return Compared(value.numpy()[used], change_m, saliency.reshape(-1)[cell[used]])


def summary(found: list[Compared]) -> dict[str, float]:
    """Means over ticks."""
    asked = [tick for tick in found if np.isfinite(tick.request).all()]
    return {
        "gradient_change_correlation": _mean([_rank(tick.gradient, tick.change_m) for tick in found]),
        "request_change_correlation": _mean([_rank(tick.request, tick.change_m) for tick in asked]),
        "best_found_by_gradient": _mean([_share_of_best(tick.gradient, tick.change_m) for tick in found]),
        "best_found_by_request": _mean([_share_of_best(tick.request, tick.change_m) for tick in asked]),
        "best_found_by_chance": _mean([min(1.0, 2 * BEST / len(tick.change_m)) for tick in found]),
        "change_by_best_m": _mean([np.sort(tick.change_m)[-BEST:].mean() for tick in found]),
        "change_by_median_m": _mean([np.median(tick.change_m) for tick in found]),
    }


def _rank(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic)


def _share_of_best(guess: np.ndarray, change_m: np.ndarray) -> float:
    """Of the `BEST` patches, the share among twice as many by the guess."""
    best, guessed = np.argsort(change_m)[-BEST:], np.argsort(guess)[-2 * BEST :]
    return float(np.isin(best, guessed).mean())


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values)) if values else float("nan")


if __name__ == "__main__":
    main()
