import json
from pathlib import Path
from typing import Any

from fsd.profile.trace import ChromeTrace


def written(trace: ChromeTrace, folder: Path) -> list[dict[str, Any]]:
    trace.write(folder / "trace.json")
    return json.loads((folder / "trace.json").read_text())["traceEvents"]


def test_times_are_microseconds_from_the_first_event(tmp_path: Path) -> None:
    trace = ChromeTrace("fsd")
    trace.span("tick", "infer", 5_000_000, 9_000_000)
    trace.span("tick", "compress", 4_000_000, 5_000_000)
    spans = [event for event in written(trace, tmp_path) if event["ph"] == "X"]
    assert [(span["name"], span["ts"], span["dur"]) for span in spans] == [
        ("compress", 0.0, 1000.0),
        ("infer", 1000.0, 4000.0),
    ]


def test_every_track_is_a_named_thread_of_one_named_process(tmp_path: Path) -> None:
    trace = ChromeTrace("fsd profile")
    trace.span("decode-0", "front_main", 0, 1)
    trace.span("tick", "infer", 0, 1)
    trace.span("decode-0", "rear", 1, 2)
    events = written(trace, tmp_path)
    assert len({event["pid"] for event in events}) == 1
    threads = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert sorted(threads.values()) == ["decode-0", "tick"]
    assert {threads[event["tid"]] for event in events if event["ph"] == "X"} == {"decode-0", "tick"}


def test_a_parent_comes_before_the_child_that_starts_with_it(tmp_path: Path) -> None:
    trace = ChromeTrace("fsd")
    trace.span("tick", "Conv", 0, 10)
    trace.span("tick", "infer", 0, 50)
    spans = [event["name"] for event in written(trace, tmp_path) if event["ph"] == "X"]
    assert spans == ["infer", "Conv"]


def test_counters_and_marks_are_on_the_same_clock(tmp_path: Path) -> None:
    trace = ChromeTrace("fsd")
    trace.counter("memory_mib", 1_000, 280.0)
    trace.mark("tick", "deadline missed", 3_000)
    events = written(trace, tmp_path)
    assert [event["ts"] for event in events if event["ph"] in "Ci"] == [0.0, 2.0]


def test_an_empty_trace_is_a_valid_file(tmp_path: Path) -> None:
    assert [event["name"] for event in written(ChromeTrace("fsd"), tmp_path)] == ["process_name"]
