"""Paths that name one recording inside a data set."""

from pathlib import Path

from fsd.data.formats.fragment import split_fragment, with_fragment


def test_the_last_part_of_a_path_may_name_a_recording(tmp_path: Path) -> None:
    path = with_fragment(tmp_path, "episode-12")
    assert path.name == f"{tmp_path.name}#episode-12"
    assert split_fragment(path) == (tmp_path, "episode-12")


def test_a_path_without_a_fragment_stays_as_it_is(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "#", tmp_path / "#x", tmp_path / "x#"):
        assert split_fragment(path) == (path, None)


def test_a_file_with_the_sign_in_its_name_is_not_split(tmp_path: Path) -> None:
    path = tmp_path / "drive#2.mp4"
    path.touch()
    assert split_fragment(path) == (path, None)


def test_the_current_folder_has_a_name_too() -> None:
    assert split_fragment(with_fragment(Path("."), "a")) == (Path.cwd(), "a")
