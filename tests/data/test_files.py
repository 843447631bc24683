"""Files are replaced in one step."""

from pathlib import Path

import pytest

from fsd.data.errors import OutputError
from fsd.data.files import replacing, write_text, writing_to


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "36 µs … 1 Ω\n")
    assert (tmp_path / "page.html").read_bytes() == "36 µs … 1 Ω\n".encode()


def test_a_reader_sees_the_old_content_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_text(path, "old")
    with replacing(path) as unfinished:
        unfinished.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_text(path, "old")
    with pytest.raises(KeyError), replacing(path) as unfinished:
        unfinished.write_text("half", encoding="utf-8")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "fact"),
    [
        ("a.mp4", "a.mp4 is a file"),
        ("a.mp4/new", "a.mp4 is a file"),
        ("link", "a link to nothing"),
        ("/dev/null", "device"),
    ],
)
def test_what_is_no_folder_is_named_in_place_of_a_folder(place: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    folder = tmp_path / place
    with pytest.raises(OutputError, match=fact) as raised, writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    assert "not a folder" in str(raised.value)
    assert "exists" not in str(raised.value)
    assert "--out" not in str(raised.value)  # not every command has it
