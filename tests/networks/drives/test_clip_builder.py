"""A recorded clip becomes shards and labels that belong together; clocks are mended, and wrong units refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.errors import ClipError
from fsd.data.frames import TICK_MS
from fsd.data.open_clip import open_clip
from fsd.networks.compressed_inputs import compressed_inputs
from fsd.networks.contract import input_shapes
from fsd.networks.drives.clip_builder import UNFINISHED, BuildSettings, build_clip
from fsd.networks.drives.clip_record import LABELS_FILE, ClipRecord, read_record
from fsd.networks.drives.label_table import Labels
from fsd.networks.drives.shards import ShardFiles
from fsd.networks.input_buffers import TICK_INPUTS
from fsd.networks.recorded_labels import FROM_MOTION

MakeDrive = Callable[..., Path]


def build(path: Path, out: Path, **settings: object) -> ClipRecord:
    return build_clip(open_clip(path), "key", out / "key", BuildSettings(**settings))  # type: ignore[arg-type]


def test_every_recorded_tick_is_what_a_replay_would_compress(make_drive: MakeDrive, tmp_path: Path) -> None:
    path = make_drive(tmp_path / "drive", ticks=30)
    record = build(path, tmp_path, budgets=("B400", "B200"), every_ticks=4)
    assert (record.ticks, record.rows) == (30, 8)
    for budget in ("B400", "B200"):
        files = ShardFiles(BUDGETS[budget])
        for tick, (_, inputs) in enumerate(compressed_inputs(open_clip(path), budget)):
            if tick % 4 == 0:
                row = files.read(tmp_path / "key", tick // 4)
                for name in input_shapes(BUDGETS[budget]).keys() & set(TICK_INPUTS):
                    np.testing.assert_array_equal(row[name], inputs[name], err_msg=f"{budget} {name} {tick}")


def test_labels_are_the_path_ahead_in_the_frame_of_the_tick(make_drive: MakeDrive, tmp_path: Path) -> None:
    record = build(make_drive(tmp_path / "drive", ticks=60, speed_mps=8.0), tmp_path, budgets=("B400",))
    labels = Labels(tmp_path / "key" / LABELS_FILE).arrays
    step_m = np.hypot(*labels["trajectory"][0, 0, :2])
    assert step_m == pytest.approx(2.0, abs=0.02)  # 0.25 s at 8 m/s
    assert abs(labels["trajectory"][0, 0, 1]) < 0.3
    np.testing.assert_array_equal(labels["trajectory_valid"], np.isfinite(labels["trajectory"]).all(axis=-1))
    ends = labels["trajectory_valid"].sum(axis=1)  # the recording ends at tick 59
    assert ends.tolist() == [int((59 - tick) // 9) for tick in labels["tick"]]
    assert record.horizon_rows[0] == (ends > 0).sum()
    assert (labels["command"][:, 1] == 1).all()
    np.testing.assert_allclose(labels["ego"][:, 0], 8.0)


def test_speed_and_yaw_rate_give_the_same_path_as_poses(make_drive: MakeDrive, tmp_path: Path) -> None:
    paths = []
    for name, has_poses in (("poses", True), ("rates", False)):
        record = build(make_drive(tmp_path / name, has_poses=has_poses), tmp_path, budgets=("B400",))
        paths.append(Labels(tmp_path / "key" / LABELS_FILE).arrays["trajectory"][:4, :4])
    assert record.path_from == FROM_MOTION
    np.testing.assert_allclose(paths[0], paths[1], atol=0.05)


def test_a_late_clock_is_found_within_a_tick_and_the_labels_are_mended(make_drive: MakeDrive, tmp_path: Path) -> None:
    made = {}
    for late_ms in (0.0, 400.0):
        path = make_drive(tmp_path / f"{late_ms:g}", ticks=330, ego_late_ms=late_ms)
        made[late_ms] = build(path, tmp_path / f"out{late_ms:g}", budgets=("B400",))
    skew, none = made[400.0].skew, made[0.0].skew
    assert skew is not None
    assert none is not None
    assert none.offset_ms == pytest.approx(0, abs=TICK_MS)
    assert not none.is_mended
    assert skew.is_mended
    assert skew.offset_ms == pytest.approx(400, abs=TICK_MS)
    labels = [Labels(tmp_path / f"out{ms}" / "key" / LABELS_FILE).arrays["trajectory"][20:50] for ms in (0, 400)]
    np.testing.assert_allclose(labels[0], labels[1], atol=0.05)
    assert made[400.0].is_odometry_off


def test_a_speed_in_km_per_hour_is_refused_and_named(make_drive: MakeDrive, tmp_path: Path) -> None:
    path = make_drive(tmp_path / "drive", speed_factor=3.6)
    with pytest.raises(ClipError, match="km/h") as raised:
        build(path, tmp_path, budgets=("B400",))
    assert raised.value.field == "v_mps"
    assert not (tmp_path / "key").exists()


def test_a_build_that_was_killed_is_made_anew(make_drive: MakeDrive, tmp_path: Path) -> None:
    left = tmp_path / f"key{UNFINISHED}"
    left.mkdir()
    (left / "B400-0000.arrow").write_bytes(b"half")
    record = build(make_drive(tmp_path / "drive", ticks=30), tmp_path, budgets=("B400",))
    assert not left.exists()
    assert read_record(tmp_path / "key") == record


def test_a_drive_without_labels_is_refused_before_it_is_decoded(make_drive: MakeDrive, tmp_path: Path) -> None:
    path = make_drive(tmp_path / "drive", ticks=30)
    (path / "ego.parquet").unlink()
    with pytest.raises(ClipError, match="no steering labels"):
        build(path, tmp_path, budgets=("B400",))
    assert not list(tmp_path.glob("key*"))
