"""What is fuzzed: one function per reader. Each reads a folder as the program would, and returns what it understood.

An `FsdError` with an exit code of 2 to 6 is a right answer to bad input; anything else that is raised is a finding.
What is returned goes to an independent check (`check.py`, `check_pictures.py`, `check_results.py`).
"""

import io
import json
import zlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.clip import Clip
from fsd.data.clock import csv_columns, load_timestamps
from fsd.data.ego import EgoSample, load_commands, load_ego
from fsd.data.errors import ClipError, FsdError
from fsd.data.formats.gps_files import read_fixes
from fsd.data.formats.gps_track import ego_track, without_outliers
from fsd.data.formats.teslacam.telemetry import read_telemetry
from fsd.data.formats.teslacam.telemetry_message import TelemetryMessage, messages_in
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.open_clip import open_clip, recordings_in
from fsd.data.rig import load_rig
from fsd.data.standard_rigs import canonical_rig
from fsd.data.steering import has_steering_column, load_steering, possible_steering
from fsd.data.sync_report import SyncReport
from tests.fuzz import check, check_pictures, check_results

MAX_TICKS = 1500
MAX_RECORDINGS = 3
ROUTE_SETTINGS: dict[str, dict[str, Any]] = {"expert": {"speed": 1}}
_ANSWERS = (0, 7)
"""Exit codes of a command that did what it was asked."""


class Refused(FsdError):
    """A command ended with the exit code of an error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


@dataclass(frozen=True)
class Target:
    """One reader: `read` a folder of files, `check` what was read against a plain reading of the same files.

    Attributes:
        corpus: name of the folder of stored inputs.
        weight: share of the time.
    """

    name: str
    corpus: str
    read: Callable[[Path], Any]
    check: Callable[[Path, Any], None]
    weight: float = 1.0


def read_rig(folder: Path) -> Any:
    from fsd.data.camera_model import rays

    rig = load_rig(folder / "rig.json")
    for camera in rig.cameras:
        camera.ego_from_camera.matrix()
        rays(camera, np.array([[0.0, 0.0], [camera.width_px / 2, camera.height_px / 2]]))
    return rig


def read_timestamps(folder: Path) -> Any:
    return load_timestamps(folder / "front_main.timestamps.parquet")


def read_csv_file(folder: Path) -> Any:
    path = folder / "front_main.csv"
    if "timestamp_ns" not in csv_columns(path):
        raise ClipError("no such column")
    return load_timestamps(path), possible_steering(load_steering(path), []) if has_steering_column(path) else None


def read_ego(folder: Path) -> Any:
    ego = load_ego(folder / "ego.parquet", [])
    ego.poses_at(ego.timestamp_ns)
    commands = load_commands(folder / "command.parquet") if (folder / "command.parquet").exists() else None
    return ego, commands


def read_adapter(folder: Path) -> Any:
    from fsd.third_party.adapter import load_adapter

    return load_adapter(folder / "adapter.json")


def read_onnx(folder: Path) -> Any:
    from fsd.third_party.open_planner import open_planner

    planner = open_planner(canonical_rig(64, 48), folder / "model.onnx", folder / "adapter.json")
    nothing = np.zeros(len(CAMERAS))
    plans = []
    for tick in range(2):
        frames = FrameSet(tick, tick * 27_777_778, (None,) * 8, nothing.astype(np.int64) - 1, nothing > 0, nothing > 0)
        plans.append(planner.step(frames, EgoSample(10.0, 0.0), "left").plan)
    return plans


def read_weights(folder: Path) -> Any:
    from fsd.networks.weights import load_weights

    return load_weights(folder / "weights.safetensors")


def read_summary(folder: Path) -> Any:
    from fsd.outputs.replay_summary import ReplaySummary
    from fsd.outputs.summary_file import load_summary

    return load_summary(folder / "summary.json", ReplaySummary)


def read_message(folder: Path) -> Any:
    data = (folder / "message.bin").read_bytes()
    found = (
        messages_in(data, None, "h264") + messages_in(data, 4, "hevc") + messages_in(b"\0\0\1\x06" + data, None, "h264")
    )
    for payload in found:
        if payload is not None:
            TelemetryMessage.decode(payload)
    message = TelemetryMessage.decode(data)
    if message is None:
        raise ClipError("damaged")
    return message


def read_gps(folder: Path) -> Any:
    path = next((path for path in sorted(folder.iterdir()) if path.is_file()), folder / "track.gpx")
    fixes = read_fixes(path)
    kept, _ = without_outliers(fixes)
    return fixes, ego_track(kept, 0) if len(kept) > 1 else None


def read_routes(folder: Path) -> Any:
    from fsd.drive.journal import DriveJournal

    return DriveJournal(folder / "routes.jsonl", ROUTE_SETTINGS).done


def read_checkpoint(folder: Path) -> Any:
    import torch

    from fsd.networks.checkpoint import load_checkpoint

    network, average = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    step = load_checkpoint(folder / "checkpoint.safetensors", network, average, torch.optim.Adam(network.parameters()))
    return network, step


@dataclass(frozen=True)
class Shown:
    """A recording as it was replayed.

    Attributes:
        clip: opened; report: counters at the end.
        ticks: (tick time, run, per camera (index, frame time, size, checksum of the luma) or None).
        ended: whether the recording ended before `MAX_TICKS`.
    """

    clip: Clip
    report: SyncReport
    ticks: list[tuple[int, int, list[tuple[int, int, tuple[int, int], int] | None]]]
    ended: bool


def show(path: Path) -> Shown:
    """Open a recording and look at every tick."""
    clip = open_clip(path)
    ticks = []
    with FrameSource(clip, max_ticks=MAX_TICKS) as source:
        for frame_set in source:
            row: list[Any] = []
            for frame in frame_set.frames:
                luma = None if frame is None else np.ascontiguousarray(frame.y_plane)
                row.append(
                    None if luma is None or frame is None
                    else (frame.index, frame.timestamp_ns, luma.shape[::-1], zlib.crc32(luma))
                )  # fmt: skip
            ticks.append((frame_set.timestamp_ns, frame_set.run, row))
    return Shown(clip, source.report, ticks, len(ticks) < MAX_TICKS)


def read_recordings(folder: Path) -> list[Shown]:
    return [show(path) for path in recordings_in([folder])[:MAX_RECORDINGS]]


def read_teslacam(folder: Path) -> Any:
    listed = command("events", str(folder), "--json")
    telemetry = {}
    for path in sorted(folder.rglob("*.mp4")):
        try:
            telemetry[path] = read_telemetry(path)
        except ClipError:
            continue
    return listed, telemetry, read_recordings(folder)


def read_clip(folder: Path) -> Any:
    return command("inspect", str(folder), "--json"), read_recordings(folder)


def read_runs(folder: Path) -> Any:
    return command("compare", str(folder / "a"), str(folder / "b"), "--json", "--page", str(folder / "page.html"))


def read_profiles(folder: Path) -> Any:
    names = [str(folder / name / "summary.json") for name in "ab"]
    return command("profile", "--compare", *names, "--json")


def replay_clip(folder: Path) -> Any:
    out = folder / "out"
    return command("replay", str(folder), "--out", str(out), "--no-overlay", "--max-ticks", "6", "--json"), out


def command(*arguments: str) -> Any:
    """Run one command of the program; the JSON that it prints.

    Raises:
        Refused: it ended with the exit code of an error.
    """
    from fsd.cli import main

    printed, said = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        code = main(arguments)
    if code not in _ANSWERS:
        raise Refused(said.getvalue(), code)
    return json.loads(printed.getvalue())


DATASETS = ("argoverse2", "comma2k19", "openpilot", "lerobot", "nvidia")

TARGETS = {
    target.name: target
    for target in (
        Target("rig", "rig", read_rig, check.rig),
        Target("timestamps", "timestamps", read_timestamps, check.timestamps),
        Target("csv", "csv", read_csv_file, check.csv_file),
        Target("ego", "ego", read_ego, check.ego),
        Target("adapter", "adapter", read_adapter, check_results.adapter),
        Target("onnx", "onnx", read_onnx, check_results.plans),
        Target("weights", "weights", read_weights, check_results.weights),
        Target("checkpoint", "checkpoint", read_checkpoint, check_results.checkpoint, 0.5),
        Target("routes", "routes", read_routes, check_results.routes),
        Target("summary", "summary", read_summary, check_results.summary),
        Target("message", "message", read_message, check.message),
        Target("gps", "gps", read_gps, check.gps),
        Target("video", "video", read_recordings, check_pictures.recordings, 2.0),
        Target("images", "images", read_recordings, check_pictures.recordings),
        Target("clip", "clip", read_clip, check_pictures.clip, 2.0),
        Target("dashcam", "dashcam", read_recordings, check_pictures.recordings),
        Target("teslacam", "teslacam", read_teslacam, check_pictures.teslacam, 2.0),
        Target("mcap", "mcap", read_recordings, check_pictures.recordings, 2.0),
        Target("nuscenes", "nuscenes", read_recordings, check_pictures.nuscenes),
        Target("kitti", "kitti", read_recordings, check_pictures.kitti),
        *(Target(name, name, read_recordings, check_pictures.recordings) for name in DATASETS),
        Target("runs", "runs", read_runs, check_results.runs),
        Target("profiles", "profiles", read_profiles, check_results.nothing_more),
        Target("replay", "clip", replay_clip, check_results.replay),
    )
}
