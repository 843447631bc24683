"""A foveated network at all its budgets: what is compared, with which weights, and the metrics."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fsd.compression.budget import BUDGETS, FOVEATED_BUDGETS
from fsd.data.ego import EgoSample
from fsd.data.frames import Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.config import NetworkConfig
from fsd.networks.weights import load_weights, save_weights, untrained
from rate_distortion.batch_runner import BatchRunner
from rate_distortion.evaluate import DrivePlans
from rate_distortion.foveated import (
    BY_BYTES,
    DENSE_FOVEATED,
    at_budget,
    foveated_metrics,
    foveated_variants,
    half_widths,
    is_foveated,
)
from rate_distortion.report import Results, driving_results, driving_table
from rate_distortion.variants import VariantCompressor

VARIANTS = foveated_variants()
SMALL = NetworkConfig(
    FOVEATED_BUDGETS["F100"],
    width=32,
    heads=2,
    retina_channels=16,
    outer_channels=8,
    retina_blocks=1,
    patch_channels=(8, 16),
    has_maps=True,
)


def drive(index: int) -> DrivePlans:
    """Errors fall with the bytes; ours are half of those of others."""
    rng = np.random.default_rng(index)
    expert = rng.normal(0, 5, (4, 16, 4)).astype(np.float32)
    errors = np.array([9e3 / v.budget.input_bytes * (1 if v.series in ("adaptive", "dense") else 2) for v in VARIANTS])
    noisy = errors * rng.uniform(0.9, 1.1, len(VARIANTS))
    plans = expert[None] + noisy[:, None, None, None] * [1, 0, 0, 0]
    return DrivePlans(f"S{index % 2 + 1}", index, plans.astype(np.float32), expert, np.full(4, 8.0))


@pytest.fixture(scope="module")
def driving() -> Results:
    return driving_results(VARIANTS, [drive(index) for index in range(6)])


def test_ours_and_fixed_foveation_have_the_same_bytes_and_the_dense_input_the_most() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    ours, fixed = ([v for v in VARIANTS if v.series == name] for name in ("adaptive", "fixed"))
    assert [v.budget for v in ours] == [v.budget for v in fixed] == list(BY_BYTES)
    assert max(VARIANTS, key=lambda v: v.budget.input_bytes).budget is DENSE_FOVEATED
    assert min(VARIANTS, key=lambda v: v.budget.input_bytes).name == "retina"


def test_metrics_are_paired_by_drive_and_have_intervals(driving: Results) -> None:
    found = foveated_metrics({"driving": driving})
    assert found["bd_rate_same_retina"] < -0.3
    assert found["bd_rate_same_retina_low"] <= found["bd_rate_same_retina"] <= found["bd_rate_same_retina_high"]
    assert found["ade3_loss_f100_against_fixed"] == pytest.approx(-0.5, abs=0.1)
    assert found["ade3_loss_f200_against_dense"] > found["ade3_loss_f100_against_dense"] > 0.0
    assert {"ade3_f50_m", "ade3_f100_m", "ade3_f200_m", "bd_rate_earlier_fixed", "r_px_f100"} <= found.keys()
    assert "against dense" in half_widths(driving)
    assert all(variant.name in driving_table(driving) for variant in VARIANTS)


def test_hazards_and_routes_are_told_by_budget() -> None:
    row = {"latency_ticks": {"all": {"p99": 2.0}}}
    loss = {"loss": 0.01, "low": -0.02, "high": 0.04}
    results = {
        "hazards": {"policies": {"F100": row, "F50": {"latency_ticks": {"all": {"p99": None}}}, "fixed/F100": row}},
        "closed_loop": {"score_loss": {"F100": loss}},
    }
    found = foveated_metrics(results)
    assert (found["hazard_latency_p99_ticks_f100"], found["hazard_latency_p99_ticks_f50"]) == (2.0, float("inf"))
    assert (found["score_loss_f100"], found["score_loss_f100_high"]) == (0.01, 0.04)


def test_weights_are_the_same_at_every_budget(tmp_path: Path) -> None:
    given = tmp_path / "given.safetensors"
    save_weights(untrained(SMALL), given, trained=True)
    network, header = load_weights(at_budget(given, FOVEATED_BUDGETS["F50"], tmp_path))
    assert (network.config.budget, header.trained) == (FOVEATED_BUDGETS["F50"], True)
    before = load_weights(given)[0].state_dict()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_only_networks_with_these_base_images_are_compared_as_foveated() -> None:
    assert is_foveated(asdict(SMALL))
    assert not is_foveated(asdict(NetworkConfig(BUDGETS["B100"])))
    assert SMALL.budget.fovea is not None
    smaller = replace(SMALL.budget, fovea=replace(SMALL.budget.fovea, outer_height_px=20))
    with pytest.raises(SystemExit):
        is_foveated(asdict(replace(SMALL, budget=smaller)))


def test_one_network_plans_with_any_number_of_patches() -> None:
    rig, network = canonical_rig(80, 60), untrained(SMALL)
    planes = [np.random.default_rng(1).integers(0, 256, shape, np.uint8) for shape in ((60, 80), (30, 40), (30, 40))]
    frames, everywhere = tuple(Frame(*planes, 0, 0) for _ in range(8)), np.ones(8, bool)
    frame_set = FrameSet(0, 0, frames, np.zeros(8, np.int64), everywhere, everywhere)
    for name in ("F200", "retina", "fixed/F50"):
        variant = next(each for each in VARIANTS if each.name == name)
        runner = BatchRunner(network, [VariantCompressor(variant, rig)])
        assert np.isfinite(runner.plan(frame_set, EgoSample(8.0, 0.0), "none")).all()
