"""Write the spans of a run as Chrome trace events: `trace.json`, for Perfetto (ui.perfetto.dev) and chrome://tracing.

All times are those of `time.perf_counter_ns`; the file counts microseconds from the first event.

Source: Trace Event Format, Google, 2016 (complete events `X`, counters `C`, metadata `M`).
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsd.data.files import write_text


class ChromeTrace:
    """Collects events and writes them. Tracks are rows of the viewer, in the order of their first use."""

    def __init__(self, process_name: str) -> None:
        self._process_name = process_name
        self._tracks: dict[str, int] = {}
        self._events: list[dict[str, Any]] = []

    def span(
        self, track: str, name: str, start_ns: int, end_ns: int, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """A named period on a track; spans of one track may nest but must not overlap otherwise."""
        event = {"ph": "X", "name": name, "tid": self._track(track), "ts_ns": start_ns, "dur_ns": end_ns - start_ns}
        if arguments:
            event["args"] = dict(arguments)
        self._events.append(event)

    def counter(self, name: str, time_ns: int, value: float) -> None:
        """A value over time, drawn as a curve."""
        self._events.append({"ph": "C", "name": name, "tid": 0, "ts_ns": time_ns, "args": {name: value}})

    def mark(self, track: str, name: str, time_ns: int) -> None:
        """A single point in time, such as a missed deadline."""
        self._events.append({"ph": "i", "s": "t", "name": name, "tid": self._track(track), "ts_ns": time_ns})

    def write(self, path: Path) -> None:
        """Write the file, events in the order of time."""
        process = os.getpid()
        first_ns = min((event["ts_ns"] for event in self._events), default=0)
        names = [{"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": self._process_name}}]
        for track, number in self._tracks.items():
            names.append({"ph": "M", "name": "thread_name", "pid": process, "tid": number, "args": {"name": track}})
            names.append(
                {"ph": "M", "name": "thread_sort_index", "pid": process, "tid": number, "args": {"sort_index": number}}
            )
        events = []
        # A parent span may start with its child and ends later; viewers need the parent first.
        for event in sorted(self._events, key=lambda event: (event["ts_ns"], -event.get("dur_ns", 0))):
            out = {key: value for key, value in event.items() if not key.endswith("_ns")}
            out |= {"pid": process, "ts": (event["ts_ns"] - first_ns) / 1e3}
            if "dur_ns" in event:
                out["dur"] = event["dur_ns"] / 1e3
            events.append(out)
        write_text(path, json.dumps({"traceEvents": names + events, "displayTimeUnit": "ms"}))

    def _track(self, name: str) -> int:
        return self._tracks.setdefault(name, len(self._tracks) + 1)
