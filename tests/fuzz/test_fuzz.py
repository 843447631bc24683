"""A short, deterministic run of every target, every input that was once read wrongly, and the driver itself."""

import json
import os
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("onnx", reason="the extra `dev` is not installed")
pytest.importorskip("resource", reason="limits of a process need Linux or macOS")

from fsd.data.errors import ClipError, FsdError
from tests.fuzz import bundle as bundles
from tests.fuzz import run
from tests.fuzz.child import Worker, outcome_of
from tests.fuzz.minimise import minimised
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS

RIGHT = ("accepted", "refused")
SLOW = {"replay", "profiles", "runs", "weights", "checkpoint"}
"""What they load takes seconds; `make fuzz` runs them."""
FOUND = sorted(bundles.CORPUS.glob("*/found/*.zip"))


def placed(made: bundles.Bundle, folder: Path) -> Path:
    folder.mkdir()
    bundles.write_files(made, folder)
    return folder


@pytest.mark.parametrize("name", sorted(set(TARGETS) - SLOW))
def test_good_inputs_are_accepted_and_changed_ones_never_end_in_a_traceback(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    seeds = bundles.seeds(target.corpus)
    assert outcome_of(target, placed(seeds[0], tmp_path / "good")).kind == "accepted"
    for number in range(25 if len(seeds[0]) < 3 else 6):  # recordings of many files take longer
        random = Random(f"0/{name}/{number}")
        outcome = outcome_of(target, placed(mutated(random.choice(seeds), random, seeds), tmp_path / str(number)))
        assert outcome.kind in RIGHT, f"input {number}: {outcome.detail}"


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_inputs_that_were_once_read_wrongly_are_read_rightly(path: Path, tmp_path: Path) -> None:
    for target in TARGETS.values():
        if target.corpus == path.parent.parent.name and target.name not in SLOW:
            outcome = outcome_of(target, placed(bundles.unpacked(path), tmp_path / target.name))
            assert outcome.kind in RIGHT, outcome.detail


def test_the_same_number_gives_the_same_input() -> None:
    seeds = bundles.seeds("clip")
    assert mutated(seeds[0], Random("1"), seeds) == mutated(seeds[0], Random("1"), seeds)
    assert len({bundles.to_bytes(mutated(seeds[0], Random(str(number)), seeds)) for number in range(20)}) > 15


def test_an_input_survives_being_packed(tmp_path: Path) -> None:
    made = {"a/b.txt": b"\0\xff", "c": b""}
    bundles.pack(made, tmp_path / "x.zip")
    assert bundles.unpacked(tmp_path / "x.zip") == bundles.from_bytes(bundles.to_bytes(made)) == made


def raising(error: BaseException) -> Any:
    def read(folder: Path) -> None:
        raise error

    return read


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClipError("broken"), "refused"),
        (FsdError("exit code 1"), "traceback"),
        (KeyError("x"), "traceback"),
        (SystemExit(2), "traceback"),
        (MemoryError(), "memory"),
    ],
)
def test_only_errors_of_the_program_are_right_answers(error: BaseException, kind: str, tmp_path: Path) -> None:
    assert outcome_of(replace(TARGETS["rig"], read=raising(error)), tmp_path).kind == kind


def test_what_is_accepted_but_wrong_is_found(tmp_path: Path) -> None:
    folder = placed(bundles.seeds("timestamps")[0], tmp_path / "clip")
    times = TARGETS["timestamps"].read(folder)
    wrong = replace(times, timestamp_ns=times.timestamp_ns + 1)
    assert outcome_of(replace(TARGETS["timestamps"], read=lambda folder: wrong), folder).kind == "wrong"


def test_a_silent_child_is_told_from_one_that_has_ended() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"number": 1}\n')
    lines = run._lines(reading, first_s=0.05)
    assert next(lines) == {"number": 1}
    os.close(writing)
    assert list(lines) == []
    os.close(reading)
    reading, writing = os.pipe()
    assert list(run._lines(reading, first_s=0.05)) == [None]
    os.close(reading)
    os.close(writing)


def test_a_worker_reports_every_input_and_keeps_the_files_of_a_finding(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    target = replace(TARGETS["rig"], read=raising(KeyError("x")))
    Worker(target, tmp_path / "work", writing, says_why=False).run({"rig.json": b"{}"}, 7)
    os.close(writing)
    line = json.loads(os.read(reading, 1 << 16))
    os.close(reading)
    assert (line["number"], line["kind"]) == (7, "traceback")
    assert (tmp_path / "found" / "7" / "rig.json").read_bytes() == b"{}"


def test_a_finding_is_counted_and_saved_a_few_times(tmp_path: Path) -> None:
    fuzzer = run.Fuzzer(tmp_path / "out", seed=0)
    (tmp_path / "work" / "clip").mkdir(parents=True)
    for number in range(5):
        line = {"kind": "crash", "detail": "", "signature": "exit code -11", "number": number}
        fuzzer._finding("rig", line, tmp_path / "work")
    assert fuzzer.tallies["rig"].as_dict()["crashes"] == 5
    assert len(list((tmp_path / "out" / "rig").iterdir())) == run.KEPT


def test_an_input_is_made_as_small_as_the_outcome_allows() -> None:
    found = minimised(
        {"a": b"same", "b": b"123X456", "c": b"other"},
        [{"a": b"same", "c": b"good"}],
        lambda made: b"X" in made.get("b", b""),
    )
    assert found == {"b": b"X"}
