"""`routes.jsonl`: one line per finished route, so that an interrupted run can continue.

A line is reused only for the same driver, model, scenario, seed and settings.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from fsd.data.errors import OutputError
from fsd.data.files import writing_to
from fsd.data.simulator.scoring.metrics import RouteScore
from fsd.data.text_files import read_text
from fsd.version import __version__

Job = tuple[str, str, int]
"""Driver, scenario, seed."""


class DriveJournal:
    """`routes.jsonl` of a folder.

    Args:
        path: of the file; made with its folder when the first route is added.
        settings: driver -> everything besides driver, scenario and seed that decides how it drives.

    Raises:
        OutputError: it cannot be read or written.
    """

    def __init__(self, path: Path, settings: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self._keys = {driver: _digest(of_driver) for driver, of_driver in settings.items()}
        self.done: dict[Job, RouteScore] = {}
        self.paths: dict[Job, list[tuple[float, float]]] = {}
        for row in self._rows():
            with suppress(msgspec.ValidationError, AttributeError, KeyError, TypeError):
                # What a damaged line does not state is driven again.
                job = msgspec.convert((row["driver"], row["scenario"], row["seed"]), Job)
                score = msgspec.convert(row, RouteScore)
                is_score = all(0 <= share <= 1 for share in (score.driving_score, score.pdms))
                is_score &= not any(each != each for each in astuple(score))  # no NaN
                if row["settings"] == self._keys.get(job[0]) and is_score:
                    self.done[job] = score
                    self.paths[job] = msgspec.convert(row.get("path_m", []), list[tuple[float, float]])

    def append(self, job: Job, score: RouteScore, path_m: Sequence[tuple[float, float]] = ()) -> None:
        """Add a finished route; `path_m` has x m, y m of the driven path."""
        driver, scenario, seed = job
        row = {"driver": driver, "scenario": scenario, "seed": seed, "settings": self._keys[driver], **asdict(score)}
        row["path_m"] = path_m
        with writing_to(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                file.write(b"\n" * _is_cut_off(file) + json.dumps(row).encode() + b"\n")
        self.done[job] = score
        self.paths[job] = list(path_m)

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        rows = []
        for line in read_text(self.path, OutputError).splitlines():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError):
                continue  # a line that was cut off when a run stopped
        return rows


def _is_cut_off(file: BinaryIO) -> bool:
    """Whether the last line has no end, which a new line must not continue."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(settings: dict[str, Any]) -> str:
    text = json.dumps({**settings, "fsd": __version__}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
