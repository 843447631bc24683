"""`fsd inspect`: what a recording holds, why it was recognised as that, and what is assumed."""

import argparse
from typing import TYPE_CHECKING

from fsd.commands.arguments import add_options, config_from, path_argument
from fsd.data.counted import counted
from fsd.data.errors import ClipError
from fsd.data.recording_options import CameraOptions

if TYPE_CHECKING:
    from fsd.recordings.inspect_clip import CameraFacts, InspectSummary
    from fsd.recordings.list_recordings import RecordingsSummary

EPILOG = """examples:
  fsd inspect my_drive/
  fsd inspect .                  # a folder of recordings: what each is, and the command to use next
  fsd inspect /media/stick/TeslaCam/SavedClips/2026-01-02_15-16-37 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "clip", type=path_argument, metavar="CLIP", help="recording: a folder or a file of any known format"
    )
    add_options(parser, CameraOptions, skip=("decode_workers", "hwaccel"))


def run(options: argparse.Namespace) -> "InspectSummary | RecordingsSummary":
    """Inspect and print; of a folder of recordings, list them."""
    from fsd.recordings.inspect_clip import inspect_clip

    cameras = config_from(CameraOptions, options)
    try:
        summary = inspect_clip(options.clip, cameras)
    except ClipError:
        below = None if cameras.cameras else _below(options)
        if below is None:
            raise
        return below
    if not options.json:
        _print(summary)
    return summary


def _below(options: argparse.Namespace) -> "RecordingsSummary | None":
    """The recordings below a path, listed; None if there is none besides the path itself."""
    from fsd.recordings.list_recordings import RecordingsSummary, format_recordings, list_recordings, recordings_below

    paths = recordings_below(options.clip)
    if all(path == options.clip for path in paths):
        return None
    summary = RecordingsSummary(path=str(options.clip), recordings=list_recordings(paths))
    if not options.json:
        print(f"{options.clip}: {counted(len(paths), 'recording')}")
        print(*(f"  {line}" for line in format_recordings(summary.recordings)), sep="\n")
    return summary


def _print(summary: "InspectSummary") -> None:
    print(f"{summary.name}: {summary.format} ({summary.reason})")
    length = "unknown, since the files do not state it" if summary.length_s is None else f"{summary.length_s:.1f} s"
    print(f"  length       {length}")
    for hole in summary.holes:
        print(f"  hole         {hole.end_s - hole.start_s:.1f} s, from {hole.start_s:.1f} s to {hole.end_s:.1f} s")
    for camera in summary.cameras:
        print(f"  {camera.name:15}{_camera_line(camera)}")
    if summary.missing_cameras:
        print(f"  no video     {', '.join(summary.missing_cameras)}")
    consequence = ", and with it angles and pixels per degree" if summary.calibration == "assumed" else ""
    print(f"  calibration  {summary.calibration}{consequence}")
    for name, value in (
        ("ego motion", summary.ego),
        ("commands", summary.commands),
        ("driven by", summary.modes),
        ("begins", summary.wall_clock),
    ):
        print(f"  {name:12} {value or 'not recorded'}")
    for note in summary.notes:
        if not note.startswith("No video for"):
            print(f"  note         {note}")


def _camera_line(camera: "CameraFacts") -> str:
    from fsd.recordings.inspect_clip import RETINA_BUDGET

    width_px, height_px = camera.size_px
    parts = [f"{width_px}x{height_px} {camera.codec}", f"{camera.rate_hz:.2f} Hz"]
    if camera.jitter_ms is not None:
        parts.append(f"jitter {camera.jitter_ms:.1f} ms, {camera.missing_frames} missing")
    if camera.start_s is not None and camera.end_s is not None:
        parts.append(f"{camera.start_s:.2f} to {camera.end_s:.2f} s")
    if camera.yaw_deg is not None:
        fov = "wide lens" if camera.hfov_deg is None else f"{camera.hfov_deg:.0f}° wide"
        parts.append(f"yaw {camera.yaw_deg:.1f}°, pitch {camera.pitch_deg:.1f}°, {fov}")
    if camera.resolution is not None:
        source, patch, retina = camera.resolution.px_per_degree_cells
        parts.append(f"{source} px/° at the centre (patch {patch}, retina of {RETINA_BUDGET.name} {retina})")
    parts.append(f"{camera.files} file{'s' if camera.files != 1 else ''} from {camera.first}")
    return "; ".join(parts)
