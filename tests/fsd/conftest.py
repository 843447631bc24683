"""A small eight-camera clip, made once: a bright square that moves right over a dark, textured ground.

And result folders without a replay, for what only reads them.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS
from fsd.data.standard_rigs import canonical_rig
from fsd.meters.machine import describe_machine
from fsd.meters.quantity import unavailable
from fsd.outputs.budget_metrics import budget_metrics
from fsd.outputs.journal import TableJournal
from fsd.outputs.replay_summary import ReplayCompression, ReplayDeadline, ReplaySummary
from fsd.outputs.run_info import ClipInfo, ModelInfo
from fsd.outputs.summary_file import write_summary
from fsd.outputs.tables import plan_schema, ticks_schema
from fsd.runtime.engine import packaged_model

CLIP_TICKS = 40


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "small"
    texture = np.random.default_rng(0).integers(40, 90, (96, 128, 3), dtype=np.uint8)
    with ClipWriter(folder, canonical_rig(128, 96)) as writer:
        for tick in range(CLIP_TICKS):
            image = texture.copy()
            image[30:60, tick : tick + 30] = 220
            x_m = 10.0 * tick / 36
            ego = {"x": x_m, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            ego |= {"v_mps": 10.0, "yaw_rate_rps": 0.0}
            writer.write([image] * 8, tick_time_ns(tick), ego=ego, command="straight")
    return folder


def _straight_drive(ticks: int) -> ReplaySummary:
    return ReplaySummary(
        fsd_version="0",
        status="complete",
        error=None,
        network="untrained: random weights",
        started_unix_s=0.0,
        clip=ClipInfo(name="made", cameras=CAMERAS),
        model=ModelInfo(name="f100", precision="int8"),
        ticks=ticks,
        drive_s=ticks / 36,
        wall_s=1.0,
        warm_up_s=0.0,
        times_real_time=1.0,
        cores_used=1.0,
        plan_is_finite=True,
        stages_ms={},
        deadline=ReplayDeadline(tick_ms=27.778, ticks_over=0, ticks=ticks, definition=""),
        compression=ReplayCompression(
            **msgspec.structs.asdict(budget_metrics(ALL_BUDGETS[DEFAULT_BUDGET])), keyframes=dict.fromkeys(CAMERAS, 1)
        ),
        joules_per_tick=unavailable("J", "no meter"),
        health={"ok": ticks},
        odometry_ticks={"ego": ticks},
        cameras=None,
        scores=None,
        latency_charged_scores=None,
        viewer_file=None,
        rerun_file=None,
        input_hash=None,
        plan_hash=None,
        machine=describe_machine(),
    )


def _write_run(folder: Path, ticks: int = 40, first_tick: int = 0, side_step_m: float = 0.0, **summary: Any) -> Path:
    """The result folder of a straight drive at 10 m/s; `side_step_m` moves the end of the plan of tick 20 aside."""
    folder.mkdir(parents=True)
    ahead = np.arange(1, 17) * 2.5
    flat = np.zeros(16)
    with (
        closing(TableJournal(folder / "plan.parquet", plan_schema(trained=False))) as plans,
        closing(TableJournal(folder / "ticks.parquet", ticks_schema(trained=False, patch_count=4))) as rows,
    ):
        for tick in range(first_tick, first_tick + ticks):
            step_m = side_step_m if tick == 20 else 0.0
            changed = bool(side_step_m) and tick >= 20
            common = {"tick": tick, "t_ns": tick_time_ns(tick)}
            plan = common | {
                "x_m": ahead,
                "y_m": np.where(ahead > 20, step_m, 0.0),
                "yaw_rad": flat,
                "v_mps": flat + 10,
            }
            plan |= {f"{name}_scale": np.full(16, 0.3) for name in ("x_m", "y_m", "yaw_rad", "v_mps")}
            plan |= {"curvature_per_m": 0.0, "curvature_scale_per_m": 0.01}
            plan |= {"acceleration_mps2": 0.0, "acceleration_scale_mps2": 0.5}
            plan |= {"lead_distance_m": 30.0, "lead_probability": 0.5, "light_probabilities": np.full(4, 0.25)}
            plans.append(plan | {"health": "ok", "plan_hash": f"{tick:032x}{'b' if changed else ''}"})
            row = common | {
                "run": 0,
                "frame_index": np.full(8, tick),
                "age_ns": np.full(8, 5_000_000),
                "memory_slots": tick % 113,
            }
            row |= {name: np.ones(8, np.uint8) for name in ("is_valid", "is_new")}
            row |= {"is_keyframe": np.full(8, tick % 4 == 0, np.uint8), "commits": 1}
            row |= {"patch_camera": np.arange(4), "patch_block": np.arange(4) * 37 + tick % 9}
            row |= {"wait_ms": 1.0, "compress_ms": 1.0, "infer_ms": 8.0, "post_ms": 0.1, "write_ms": 2.0}
            rows.append(row | {"driving_mode": None, "run": 0, "input_hash": f"{tick:032x}"})
    write_summary(folder, msgspec.structs.replace(_straight_drive(ticks), **summary))
    return folder


@pytest.fixture(scope="session")
def untrained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model, said to be untrained."""
    onnx = pytest.importorskip("onnx")
    from fsd.export.metadata import read_metadata, write_model

    path = tmp_path_factory.mktemp("model") / "untrained.onnx"
    metadata = msgspec.structs.replace(read_metadata(packaged_model()), trained=False)
    write_model(onnx.load(packaged_model()), metadata, path)
    return path


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    return _write_run
