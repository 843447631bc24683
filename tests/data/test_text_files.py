"""Files that people wrote: marks, delimiters and encodings are read; what cannot be read is named with its fix."""

from pathlib import Path

import pytest

from fsd.data.clock import load_timestamps
from fsd.data.errors import ClipError, ClockError, ModelError, RigError
from fsd.data.rig import load_rig
from fsd.data.text_files import read_csv, read_json, read_text
from fsd.third_party.adapter import load_adapter

STEP_NS = 33_000_000
ROWS = [(1_700_000_000 * 10**9 + STEP_NS * k, k) for k in range(12)]


def written(path: Path, rows: list[tuple[int, int]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = delimiter.join(("timestamp_ns", "frame")) + "\n" + "".join(f"{a}{delimiter}{b}\n" for a, b in rows)
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_times_is_read_however_it_was_exported(tmp_path: Path, delimiter: str, encoding: str) -> None:
    table = load_timestamps(written(tmp_path / "drive.csv", ROWS, delimiter, encoding))
    assert list(zip(table.timestamp_ns.tolist(), table.frame_index.tolist(), strict=True)) == ROWS


@pytest.mark.parametrize(("unit_ns", "unit"), [(10**6, "milliseconds"), (10**3, "microseconds"), (10**9, "seconds")])
def test_times_in_another_unit_name_the_unit_and_the_factor(tmp_path: Path, unit_ns: int, unit: str) -> None:
    step = STEP_NS // unit_ns or 1
    path = written(tmp_path / "drive.csv", [(10**12 + step * k, k) for k in range(60)])
    with pytest.raises(ClockError, match=f"{unit}.*times {unit_ns}"):
        load_timestamps(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_table_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drive.csv").write_bytes(content)
    with pytest.raises(ClipError, match=r"drive\.csv is empty"):
        read_csv(tmp_path / "drive.csv")


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text("timestamp_ns,frame,timestamp_ns\n1,2,3\n")
    with pytest.raises(ClipError, match="`timestamp_ns` more than once"):
        read_csv(tmp_path / "drive.csv")


def test_a_byte_that_is_not_utf_8_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Stra\xdfe")
    with pytest.raises(ClipError, match=r"a\.txt is not UTF-8 text \(byte 0xdf at 4\)"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("content", [b'{"name": "n\x9e"}', b"", b"{", b"[" * 10_000, b"nul"])
def test_every_reader_of_json_raises_its_own_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    for read, error in ((read_json, ClipError), (load_rig, RigError), (load_adapter, ModelError)):
        with pytest.raises(error, match=r"a\.json"):
            read(path)


def test_json_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_a_message_that_repeats_a_whole_file_is_cut() -> None:
    assert len(str(ClipError("x" * 10_000_000))) < 5000
