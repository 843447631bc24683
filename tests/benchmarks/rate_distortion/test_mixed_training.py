"""Fine-tuning on several numbers of patches, and running variants in one batch: same network, separate memories."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import Budget
from fsd.compression.compressor import Compressor
from fsd.data.ego import EgoSample
from fsd.data.frames import Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.config import SIZES
from fsd.networks.dataset import LABEL_SHAPES, Episode, EpisodeWriter
from fsd.networks.input_buffers import TickInput
from fsd.networks.student import TorchStudent
from fsd.networks.training_loop import TrainConfig
from fsd.networks.weights import save_weights, untrained
from rate_distortion.batch_runner import BatchRunner
from rate_distortion.train import MixedTrainer
from rate_distortion.variants import Variant, VariantCompressor, image_ticks

RIG = canonical_rig(80, 60)
RATES = (Budget("few", 60, 80, 9), Budget("more", 60, 80, 12))
SMALL = replace(SIZES["uniform"], width=32, heads=2, retina_channels=16, retina_blocks=1)
TICK_NS = 27_777_778
EGO = EgoSample(8.0, 0.02)


def tick_of(tick: int) -> FrameSet:
    rng = np.random.default_rng(tick)
    frames = []
    for _ in range(8):
        planes = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((60, 80), (30, 40), (30, 40)))
        frames.append(Frame(*planes, tick * TICK_NS, tick))
    everywhere = np.ones(8, bool)
    return FrameSet(tick, tick * TICK_NS, tuple(frames), np.zeros(8, np.int64), everywhere, everywhere)


def variants() -> list[Variant]:
    return [
        Variant(f"{policy}/{rate.name}", policy, policy, rate, "shared", policy == "adaptive")
        for rate in RATES
        for policy in ("adaptive", "pooling")
    ]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_weights(untrained(SMALL), path, trained=False)
    return path


def episode(folder: Path, budget: Budget) -> Episode:
    """Six recorded ticks with made-up labels."""
    compressor, writer = Compressor(RIG, budget), EpisodeWriter(folder, budget, 4)
    rng = np.random.default_rng(1)
    labels = {name: np.zeros(shape, dtype) for name, (shape, dtype) in LABEL_SHAPES.items()}
    labels["trajectory"] = rng.normal(0, 1, (16, 4)).astype(np.float32)
    for tick in range(6):
        writer.add(TickInput(compressor.step(tick_of(tick), EGO, None), EGO, "straight"), labels)
    writer.close({"scenario": "S1", "seed": 1})
    return Episode(folder, json.loads((folder / "episode.json").read_text()))


def test_one_network_learns_from_sets_of_different_shapes_with_separate_memories(tmp_path: Path, weights: Path) -> None:
    groups = [[episode(tmp_path / rate.name / f"S1-{i}-r0", rate) for i in range(2)] for rate in RATES]
    settings = TrainConfig(
        out=tmp_path / "run",
        initial=weights,
        network=SMALL,
        steps=8,
        clips=2,
        rows_per_clip=2,
        report_every=4,
        checkpoint_every=4,
        threads=1,
    )
    trainer = MixedTrainer(settings, groups)
    trainer.run()
    seen = [cache.known.any() for _, cache, _ in trainer._sets]
    assert seen == [True, True]
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_a_resumed_run_draws_the_same_rows(tmp_path: Path, weights: Path) -> None:
    groups = [[episode(tmp_path / rate.name / "S1-0-r0", rate)] for rate in RATES]
    settings: dict[str, Any] = {
        "initial": weights,
        "network": SMALL,
        "clips": 2,
        "rows_per_clip": 2,
        "threads": 1,
        "steps": 6,
    }
    trainer = MixedTrainer(TrainConfig(out=tmp_path / "one", **settings), groups)
    again = MixedTrainer(TrainConfig(out=tmp_path / "other", **settings), groups)
    assert [trainer._set_of(step) for step in range(20)] == [again._set_of(step) for step in range(20)]
    assert np.array_equal(trainer._draw(3), again._draw(3))


def test_variants_in_a_batch_plan_as_alone(weights: Path) -> None:
    chosen = [variant for variant in variants() if variant.budget is RATES[0]]
    network = TorchStudent(weights)._network
    batch = BatchRunner(network, [VariantCompressor(variant, RIG) for variant in chosen])
    apart = [BatchRunner(network, [VariantCompressor(variant, RIG)]) for variant in chosen]
    for tick in range(8):
        if tick % 2:
            for runner in (batch, *apart):
                runner.skip(tick_of(tick), EGO)
            continue
        plans = batch.plan(tick_of(tick), EGO, "none")
        alone = np.concatenate([runner.plan(tick_of(tick), EGO, "none") for runner in apart])
        np.testing.assert_allclose(plans, alone, rtol=2e-2, atol=2e-2)  # bfloat16 in batches of other sizes


def test_a_reset_forgets_the_drive(weights: Path) -> None:
    compressor = [VariantCompressor(variants()[0], RIG)]
    runner = BatchRunner(TorchStudent(weights)._network, compressor)
    first = [runner.plan(tick_of(tick), EGO, "none").copy() for tick in range(3)]
    runner.reset()
    again = [runner.plan(tick_of(tick), EGO, "none").copy() for tick in range(3)]
    np.testing.assert_array_equal(np.stack(first), np.stack(again))


def test_held_images_keep_the_tick_at_which_they_were_taken() -> None:
    compressor = VariantCompressor(Variant("subsample", "subsample", "subsample", Budget("held", 60, 80, 58), ""), RIG)
    taken = [image_ticks(compressor.step(tick_of(tick), EGO, None)) for tick in range(5)]
    assert {int(value) for value in np.unique(taken[4])} == {-1, 0}
    fresh = VariantCompressor(variants()[0], RIG)
    assert {int(value) for value in np.unique(image_ticks(fresh.step(tick_of(7), EGO, None)))} == {-1, 7}
