import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.dataset import LABEL_SHAPES, EpisodeWriter, episode_shapes, find_episodes
from fsd.networks.input_buffers import TickInput

BUDGET = BUDGETS["B200"]


@pytest.fixture
def steps() -> list[TickInput]:
    return list(synthetic_steps(BUDGET, 8))


def write(folder: Path, steps: list[TickInput], every_ticks: int = 1) -> None:
    writer = EpisodeWriter(folder, BUDGET, every_ticks)
    for index, step in enumerate(steps):
        if index % every_ticks == every_ticks - 1:
            writer.add(step, {"curvature": np.array([0.01 * index])})
        else:
            writer.skip(step.tick)
    writer.close({"scenario": "S1", "seed": 3})


def test_an_episode_reads_back_what_was_written(tmp_path: Path, steps: list[TickInput]) -> None:
    write(tmp_path / "a", steps)
    (episode,) = find_episodes(tmp_path, BUDGET)
    rows = episode.read(2, 5)
    assert episode.facts["seed"] == 3
    assert {name: (array.shape[1:], str(array.dtype)) for name, array in rows.items()} == {
        name: (shape, dtype) for name, (shape, dtype) in episode_shapes(BUDGET).items()
    }
    assert rows["curvature"][:, 0] == pytest.approx([0.02, 0.03, 0.04])


def test_the_blocks_of_the_patches_are_recorded(tmp_path: Path, steps: list[TickInput]) -> None:
    write(tmp_path / "a", steps)
    rows = find_episodes(tmp_path, BUDGET)[0].read(0, 8)["patch_cell"]
    used = np.stack([step.tick.patch_meta[:, 7] > 0 for step in steps])
    expected = np.stack([step.tick.patch_camera.astype(int) * 300 + step.tick.patch_block for step in steps])
    assert np.array_equal(rows[used], expected[used])
    assert (rows[~used] == -1).all()
    assert 0 < used.mean() < 1


def test_a_label_left_out_is_unknown_not_zero(tmp_path: Path, steps: list[TickInput]) -> None:
    write(tmp_path / "a", steps)
    rows = find_episodes(tmp_path, BUDGET)[0].read(0, 8)
    assert np.isnan(rows["trajectory"]).all()
    assert (rows["light"] == -1).all()
    assert set(LABEL_SHAPES) <= set(rows)


def test_commits_of_ticks_between_are_kept_with_the_next_recorded_one(tmp_path: Path, steps: list[TickInput]) -> None:
    quiet = [replace(step.tick, commit_slots=np.full(4, -1, np.int16)) for step in steps]
    quiet[1] = replace(quiet[1], commit_slots=np.array([7, -1, -1, -1], np.int16))
    quiet[3] = replace(quiet[3], commit_slots=np.array([33, -1, -1, -1], np.int16))
    write(tmp_path / "a", [step._replace(tick=tick) for step, tick in zip(steps, quiet, strict=True)], every_ticks=4)
    slots = find_episodes(tmp_path, BUDGET)[0].read(0, 2)["commit_slots"]
    assert slots[0].tolist() == [7, 33, -1, -1, -1, -1, -1, -1]
    assert (slots[1] == -1).all()


def test_an_unfinished_episode_is_ignored(tmp_path: Path, steps: list[TickInput]) -> None:
    write(tmp_path / "a", steps)
    shutil.copytree(tmp_path / "a", tmp_path / "b.part")  # whole, but killed before it got its name
    assert [episode.folder.name for episode in find_episodes(tmp_path, BUDGET)] == ["a"]


def test_an_empty_folder_and_another_budget_say_what_to_do(tmp_path: Path, steps: list[TickInput]) -> None:
    with pytest.raises(ClipError, match="fsd train"):
        find_episodes(tmp_path, BUDGET)
    write(tmp_path / "a", steps)
    with pytest.raises(ClipError, match="B100"):
        find_episodes(tmp_path, BUDGETS["B100"])


def test_an_ego_sample_is_stored_with_its_validity(tmp_path: Path, steps: list[TickInput]) -> None:
    write(tmp_path / "a", [steps[0]._replace(ego=EgoSample(5.0, 0.1)), steps[1]._replace(ego=None)])
    rows = find_episodes(tmp_path, BUDGET)[0].read(0, 2)
    assert rows["ego"][0] == pytest.approx([5.0, 0.1])
    assert rows["ego_valid"][:, 0].tolist() == [1.0, 0.0]
