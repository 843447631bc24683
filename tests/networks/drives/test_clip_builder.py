"""A recorded clip becomes shards and labels that belong together; clocks are mended, and wrong units refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.compression.budget import ALL_BUDGETS
from fsd.data.errors import ClipError
from fsd.data.frames import TICK_MS
from fsd.data.open_clip import open_clip
from fsd.networks.compressed_inputs import compressed_inputs
from fsd.networks.contract import input_shapes
from fsd.networks.drives.clip_builder import UNFINISHED, BuildSettings, build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER, LABELS_FILE, ClipRecord, read_record
from fsd.networks.drives.label_table import Labels
from fsd.networks.drives.recorded_dataset import INDEX_FILE, RecordedDataset, index_table
from fsd.networks.drives.shards import ShardFiles
from fsd.networks.input_buffers import TICK_INPUTS
from fsd.networks.recorded_labels import FROM_MOTION

MakeDrive = Callable[..., Path]


def build(path: Path, out: Path, **settings: object) -> ClipRecord:
    return build_clip(open_clip(path), "key", out / "key", BuildSettings(**settings))  # type: ignore[arg-type]


def test_every_recorded_tick_is_what_a_replay_would_compress(make_drive: MakeDrive, tmp_path: Path) -> None:
    path = make_drive(tmp_path / "drive", ticks=30)
    record = build(path, tmp_path, budgets=("B400", "F200"), every_ticks=4)
    assert (record.ticks, record.rows) == (30, 8)
    for budget in ("B400", "F200"):
        files = ShardFiles(ALL_BUDGETS[budget])
        for tick, (_, inputs) in enumerate(compressed_inputs(open_clip(path), budget)):
            if tick % 4 == 0:
                row = files.read(tmp_path / "key", tick // 4)
                for name in input_shapes(ALL_BUDGETS[budget]).keys() & set(TICK_INPUTS):
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


def test_a_clock_that_is_off_is_found_within_a_tick_and_the_labels_are_mended(
    make_drive: MakeDrive, tmp_path: Path
) -> None:
    expected = np.empty(0)
    for late_ms in (0.0, 400.0):
        path = make_drive(tmp_path / f"{late_ms:g}", ticks=330, ego_late_ms=late_ms)
        record = build(path, tmp_path / f"out{late_ms:g}", budgets=("B400",))
        assert record.skew is not None
        assert record.skew.offset_ms == pytest.approx(late_ms, abs=TICK_MS)
        assert record.skew.is_mended == record.is_odometry_off == (late_ms != 0)
        labels = Labels(tmp_path / f"out{late_ms:g}" / "key" / LABELS_FILE).arrays["trajectory"][20:50]
        expected = expected if late_ms else labels
        np.testing.assert_allclose(labels, expected, atol=0.05)


def test_telemetry_of_another_time_is_refused_and_named(make_drive: MakeDrive, tmp_path: Path) -> None:
    path = make_drive(tmp_path / "drive", ticks=40, ego_late_ms=30_000)
    with pytest.raises(ClipError, match="ego motion are NOT USED: their times, from 30000000000 to"):
        build(path, tmp_path, budgets=("B400",))
    assert not list(tmp_path.glob("key*"))


def test_a_yaw_rate_in_degrees_is_refused_by_the_images_where_there_are_no_poses(
    make_drive: MakeDrive, tmp_path: Path
) -> None:
    path = make_drive(tmp_path / "drive", ticks=330, rate_factor=57.3, has_poses=False)
    with pytest.raises(ClipError, match="degrees per second") as raised:
        build(path, tmp_path, budgets=("B400",))
    assert raised.value.field == "yaw_rate_rps"


def test_a_clip_of_a_simulator_says_so(make_drive: MakeDrive, tmp_path: Path) -> None:
    for is_simulated in (False, True):
        path = make_drive(tmp_path / f"{is_simulated}", ticks=12, is_simulated=is_simulated)
        folder = tmp_path / f"set {is_simulated}"
        record = build(path, folder / CLIPS_FOLDER, budgets=("B400",))
        pq.write_table(index_table([record]), folder / INDEX_FILE)
        assert [each.is_simulated for each in RecordedDataset(folder, "B400").stretches] == [is_simulated]


@pytest.mark.parametrize(
    ("wrong", "unit", "field"),
    [({"speed_factor": 3.6}, "km/h", "v_mps"), ({"rate_factor": 57.3}, "degrees per second", "yaw_rate_rps")],
)
def test_wrong_units_are_refused_and_named(
    wrong: dict[str, float], unit: str, field: str, make_drive: MakeDrive, tmp_path: Path
) -> None:
    path = make_drive(tmp_path / "drive", **wrong)
    with pytest.raises(ClipError, match=unit) as raised:
        build(path, tmp_path, budgets=("B400",))
    assert raised.value.field == field
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
