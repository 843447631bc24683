from pathlib import Path

import pytest

from fsd.data.errors import UsageError
from fsd.fleet.claims import STALE_POLLS, Held, claimed
from fsd.fleet.places import Place

pytest.importorskip("fsspec", reason="needs the extra `ray`")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder of this machine, and one in an object store."""
    return Place.of(tmp_path if request.param == "folder" else f"{request.getfixturevalue('bucket')}/places")


def test_a_file_is_created_once_and_replaced_at_will(place: Place) -> None:
    file = place / "a" / "b.json"
    assert file.read_or_none() is None
    assert file.create(b"1")
    assert not file.create(b"2")
    assert file.read_or_none() == b"1"
    file.write(b"3")
    assert place.read_many([file, place / "missing"]) == [b"3", None]
    assert (place / "a").names() == ["b.json"]
    file.remove()
    assert not file.exists()


def test_a_unit_is_claimed_by_one_and_free_when_that_one_ends(place: Place) -> None:
    with claimed(place / "KEY", "", 0) as mine:
        assert isinstance(mine, Held)
        with claimed(place / "KEY", "", 0) as other:
            assert isinstance(other, str)
    with claimed(place / "KEY", "", 0) as again:
        assert isinstance(again, Held)
    assert place.names() == []


def test_a_claim_that_stands_still_or_whose_process_ended_is_taken_over(place: Place) -> None:
    elsewhere = b'{"machine": "another", "process": 1, "beats": 4}'
    (place / "KEY.0").write(elsewhere)
    for polls, is_taken in ((STALE_POLLS - 1, False), (STALE_POLLS, True)):
        with claimed(place / "KEY", elsewhere.decode(), polls) as claim:
            assert isinstance(claim, Held) == is_taken
    assert place.names() == []


def test_an_unknown_protocol_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Place.of("nowhere://bucket/drives")
