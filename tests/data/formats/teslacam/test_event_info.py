"""`event.json` files that say nothing usable."""

from pathlib import Path

import pytest

from fsd.data.formats.teslacam.event_info import load_event_info


@pytest.mark.parametrize("content", [b"", b"[" * 200_000, b"\x00\xff", b"[1]", b"7"])
def test_a_damaged_file_is_like_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_bytes(content)
    assert load_event_info(tmp_path) is None
