"""The benchmark finds what it looks for: made-up runs of which some lose rows or give other results after a kill."""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _kill_subjects import Result, Subject
from kill_anywhere import kill_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROWS = 20


def subject(run: Callable[[Path, Path, Callable[[int], None]], None]) -> Subject:
    """A run that writes lines to `rows`."""

    def rows(out: Path) -> list[str]:
        return (out / "rows").read_text().splitlines() if (out / "rows").exists() else []

    def result(out: Path) -> Result:
        return {"rows": rows(out)}

    return Subject(lambda inputs: None, run, result, lambda out, whole: (len(rows(out)), []), ())


def resuming(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    out.mkdir(exist_ok=True)
    with (out / "rows").open("a+", buffering=1) as file:
        file.seek(0)
        for row in range(len(file.readlines()), ROWS):
            file.write(f"{row}\n")
            wrote(row + 1)
            time.sleep(0.01)


def repeating(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    out.mkdir(exist_ok=True)
    with (out / "rows").open("a", buffering=1) as file:
        for row in range(ROWS):
            file.write(f"{row}\n")
            time.sleep(0.01)


def holding_back(inputs: Path, out: Path, wrote: Callable[[int], None]) -> None:
    out.mkdir(exist_ok=True)
    with (out / "rows").open("w") as file:
        for row in range(ROWS):
            file.write(f"{row}\n")
            wrote(row + 1)
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("run", "is_lossy", "differs"), [(resuming, False, False), (repeating, False, True), (holding_back, True, False)]
)
def test_lost_rows_and_other_results_are_found(
    run: Callable[[Path, Path, Callable[[int], None]], None], is_lossy: bool, differs: bool, tmp_path: Path
) -> None:
    found = kill_all("made up", subject(run), 4, random.Random(0), tmp_path)
    assert found.kills == 4
    assert (found.rows_lost > 0, len(found.differences) > 0) == (is_lossy, differs)
    assert found.outlived == 0
