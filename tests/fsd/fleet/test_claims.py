import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="needs the extra `ray`")
import msgspec

from fsd.fleet.claims import Claim, Held, _machine, claimed
from fsd.fleet.places import Place


def claim_of(process: int) -> bytes:
    return msgspec.json.encode(Claim(_machine(), process))


def test_a_claim_that_is_just_being_written_is_another_s(tmp_path: Path) -> None:
    (tmp_path / "unit.0").touch()  # created, and its content follows
    with claimed(Place.of(tmp_path / "unit"), "", 0) as claim:
        assert claim == ""
    assert not (tmp_path / "unit.1").exists()


def test_an_empty_claim_is_taken_over_when_it_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "unit.0").touch()
    with claimed(Place.of(tmp_path / "unit"), "", 12) as claim:
        assert isinstance(claim, Held)
    assert list(tmp_path.iterdir()) == []


def test_the_claim_of_a_process_that_has_ended_is_taken_over_at_once(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "unit.0").write_bytes(claim_of(ended.pid))
    with claimed(Place.of(tmp_path / "unit"), "", 0) as claim:
        assert isinstance(claim, Held)
        assert (tmp_path / "unit.1").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_claim_of_a_process_that_runs_is_left(tmp_path: Path) -> None:
    (tmp_path / "unit.0").write_bytes(claim_of(os.getpid()))
    with claimed(Place.of(tmp_path / "unit"), "", 0) as claim:
        assert isinstance(claim, str)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_killed_process_that_its_parent_has_not_asked_for_holds_no_claim(tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    (tmp_path / "unit.0").write_bytes(claim_of(killed.pid))
    with claimed(Place.of(tmp_path / "unit"), "", 0) as claim:
        assert isinstance(claim, Held)
    killed.communicate()
