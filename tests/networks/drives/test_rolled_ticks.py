"""A stretch is rolled with the memory that training uses, and cameras, ego motion and memory can be withheld."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.compression.picture_reader import GREY
from fsd.compression.tick import FILLED
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.networks.drives.clip_builder import BuildSettings, build_clip
from fsd.networks.drives.clip_record import CLIPS_FOLDER
from fsd.networks.drives.recorded_dataset import INDEX_FILE, RecordedDataset, index_table, is_dataset
from fsd.networks.drives.rolled_ticks import Withheld, rolled_ticks
from fsd.networks.input_buffers import TickInput
from fsd.networks.training_set import memory_writers

BUDGETS = ("B400", "F200")
WHOLE = Withheld()


@pytest.fixture(scope="module")
def drive(make_drive: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drive of one camera, of 60 ticks."""
    folder = tmp_path_factory.mktemp("rolled")
    clip = open_clip(make_drive(folder / "clip", ticks=60))
    record = build_clip(clip, "key", folder / CLIPS_FOLDER / "key", BuildSettings(budgets=BUDGETS))
    pq.write_table(index_table([record]), folder / INDEX_FILE)
    return folder


def rolled(folder: Path, withheld: Withheld = WHOLE, budget: str = "B400") -> list[TickInput]:
    data = RecordedDataset(folder, budget)
    return list(rolled_ticks(data, data.stretches[0], withheld))


def test_the_memory_is_that_of_training(drive: Path) -> None:
    data = RecordedDataset(drive, "B400")
    rows = data.read_from(data.stretches[0], 0, 100)
    expected = rows["memory_valid"] * (memory_writers(rows["commit_slots"]) >= 0)
    found = np.stack([each.tick.memory_valid for each in rolled(drive)])
    np.testing.assert_array_equal(found, expected)
    assert found[0].sum() == 0
    assert found[-1].sum() > 3
    assert found.sum() < rows["memory_valid"].sum()  # the compressor's own slots are more


def test_inputs_are_those_that_were_recorded(drive: Path) -> None:
    data = RecordedDataset(drive, "F200")
    for row, given in zip(data.rows_of(data.stretches[0]), rolled(drive, budget="F200"), strict=True):
        for name in ("retina", "retina_outer", "patches", "patch_meta", "camera_valid", "memory_pose", "commit_slots"):
            np.testing.assert_array_equal(getattr(given.tick, name), row[name])
        assert given.ego is not None
        assert given.ego.speed_mps == pytest.approx(row["ego"][0])
        assert given.command == "straight"
        used = row["patch_cell"] >= 0
        np.testing.assert_array_equal(given.tick.patch_camera[used], row["patch_meta"][used, 0])


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_camera_that_is_withheld_leaves_nothing(drive: Path, budget: str) -> None:
    for given in rolled(drive, Withheld(cameras=frozenset({"front_main"})), budget):
        tick = given.tick
        assert (tick.retina == GREY).all()
        assert (tick.patches == GREY).all()
        assert not tick.camera_valid.any()
        assert not tick.retina_meta[..., FILLED].any()
        assert not tick.patch_meta[:, FILLED].any()
        assert (tick.patch_meta[:, 0] == (-1 if budget == "F200" else 0)).all()
        assert (tick.patch_camera == -1).all()
        assert given.ego is not None


def test_another_camera_that_is_withheld_changes_no_picture(drive: Path) -> None:
    others = frozenset(CAMERAS) - {"front_main"}
    for given, whole in zip(rolled(drive, Withheld(cameras=others)), rolled(drive), strict=True):
        np.testing.assert_array_equal(given.tick.retina[0], whole.tick.retina[0])
        np.testing.assert_array_equal(given.tick.patches, whole.tick.patches)


def test_ego_motion_and_memory_are_withheld(drive: Path) -> None:
    for given in rolled(drive, Withheld(ego=True, memory=True)):
        assert given.ego is None
        assert not given.tick.memory_valid.any()


def test_a_data_set_is_told_from_a_recording(drive: Path) -> None:
    assert is_dataset(drive)
    assert not is_dataset(drive / "clip")
