"""Files are replaced in one step."""

from pathlib import Path

import pytest

from fsd.data.files import replacing, write_text


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
