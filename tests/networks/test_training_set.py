from pathlib import Path

import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.dataset import Episode, EpisodeWriter, find_episodes
from fsd.networks.training_set import TrainingSet, memory_writers
from tests.networks._tiny import TINY

BUDGET = TINY.budget
EVERY = 4


def write_episode(folder: Path, ticks: int, seed: int, light: int = 0) -> None:
    writer = EpisodeWriter(folder, BUDGET, EVERY)
    for index, step in enumerate(synthetic_steps(BUDGET, ticks, seed)):
        if index % EVERY:
            writer.skip(step.tick)
        else:
            labels = {"curvature": np.array([seed]), "light": np.array([light]), "acceleration": np.zeros(1)}
            writer.add(step, labels)
    writer.close({"seed": seed})


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    folder = tmp_path_factory.mktemp("episodes")
    write_episode(folder / "S1-000000-r0", 80, seed=0)
    write_episode(folder / "S1-000001-r0", 40, seed=0, light=3)
    return find_episodes(folder, BUDGET)


def test_rows_of_all_episodes_are_numbered_through(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    assert len(rows) == 30
    assert rows.begins.tolist() == [0, 20, 30]
    assert rows.episode_of(np.array([0, 19, 20, 29])).tolist() == [0, 0, 1, 1]


def test_reading_gives_the_recorded_arrays_with_the_axes_of_the_rows(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    read = rows.read(np.array([[0, 5], [21, 29]]))
    assert read["retina"].shape == (2, 2, 8, 6, 15, 20)
    assert np.array_equal(read["retina"][1, 0], np.load(episodes[1].folder / "retina.npy")[1])
    assert np.array_equal(read["memory_pose"][0, 1], np.load(episodes[0].folder / "memory_pose.npy")[5])


def test_a_slot_is_read_from_the_row_that_wrote_it_last() -> None:
    commits = np.array([[3, -1], [-1, -1], [3, 7], [-1, -1]])
    writers = memory_writers(commits)
    assert writers[:, 3].tolist() == [-1, 0, -1, 2]
    assert writers[:, 7].tolist() == [-1, -1, -1, 2]
    assert (np.delete(writers, [3, 7], axis=1) == -1).all()


def test_memory_never_reaches_into_another_episode_or_the_future(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    row, slot = np.nonzero(rows.slot_row >= 0)
    writer = rows.slot_row[row, slot]
    assert len(writer) > 100
    assert (writer < row).all()
    assert (rows.episode_of(writer) == rows.episode_of(row)).all()


def test_a_drawn_clip_rises_within_one_episode_and_reads_itself(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    drawn = rows.draw(np.random.default_rng(0), clips=200, rows_per_clip=3, hard_share=0.0)
    assert (np.diff(drawn, axis=1) >= 0).all()
    assert (rows.episode_of(drawn[:, :1]) == rows.episode_of(drawn)).all()
    reads_itself = [bool(np.isin(clip[:-1], rows.slot_row[clip[-1]]).any()) for clip in drawn]
    assert np.mean(reads_itself) > 0.8


def test_hard_examples_are_drawn_at_the_requested_share(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    assert {kind: len(found) for kind, found in rows.hard.items()} == {"red": 10}  # the light of the second episode
    drawn = rows.draw(np.random.default_rng(0), clips=400, rows_per_clip=2, hard_share=0.9)
    assert 0.85 < np.mean(rows.episode_of(drawn[:, -1]) == 1) < 0.97


def test_rare_kinds_of_hard_examples_are_drawn_as_often_as_common_ones(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    rows.hard = {"common": np.arange(9), "rare": np.array([len(rows) - 1])}
    drawn = rows.draw(np.random.default_rng(0), clips=600, rows_per_clip=2, hard_share=0.99)
    assert 0.4 < np.mean(drawn[:, -1] == len(rows) - 1) < 0.6


def test_a_share_is_drawn_in_proportion_to_given_weights(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    rows.hard = {"odd": np.array([0])}
    weights = np.zeros(len(rows))
    weights[[12, 25]] = 1.0, 3.0
    drawn = rows.draw(np.random.default_rng(0), 800, 1, 0.25, 0.5, weights)[:, 0]
    shares = [np.mean(drawn == row) for row in (0, 12, 25)]
    assert shares == pytest.approx([0.25 + 0.25 / 30, 0.125 + 0.25 / 30, 0.375 + 0.25 / 30], abs=0.05)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux shows them")
def test_no_image_file_is_kept_open(episodes: list[Episode]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    rows = TrainingSet(episodes)
    rows.read(np.arange(len(rows)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_same_generator_draws_the_same_rows(episodes: list[Episode]) -> None:
    rows = TrainingSet(episodes)
    one, other = (rows.draw(np.random.default_rng(7), 20, 3, 0.4) for _ in range(2))
    assert np.array_equal(one, other)


def test_no_episodes_is_an_error() -> None:
    with pytest.raises(ClipError, match="fsd train"):
        TrainingSet([])


def test_a_cut_off_array_is_named(tmp_path: Path) -> None:
    write_episode(tmp_path / "S1-000000-r0", 40, seed=0)
    path = tmp_path / "S1-000000-r0" / "command.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(ClipError, match=r"10.*command\.npy.*9"):
        TrainingSet(find_episodes(tmp_path, BUDGET))


def test_labels_of_the_scene_are_unknown_in_episodes_without_them(tmp_path: Path) -> None:
    for name in "ab":
        write_episode(tmp_path / name, 8, seed=0)
    np.save(tmp_path / "b" / "semantic.npy", np.full((2, 8, 15, 20), 3, np.int8))
    np.save(tmp_path / "b" / "depth.npy", np.full((2, 8, 15, 20), 12.5, np.float16))
    for name in ("semantic", "depth"):
        (tmp_path / "a" / f"{name}.npy").unlink()
    read = TrainingSet(find_episodes(tmp_path, BUDGET)).read(np.array([[1, 3]]))
    assert [np.unique(row).tolist() for row in read["semantic"][0]] == [[-1], [3]]
    assert np.isnan(read["depth"][0, 0]).all()
    assert (read["depth"][0, 1] == 12.5).all()
    assert (read["semantic"].dtype, read["depth"].dtype) == (np.int8, np.float16)
