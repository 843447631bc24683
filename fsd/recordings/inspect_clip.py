"""What a recording holds and what has to be assumed, from headers and tables alone."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.ego import STALE_NS
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import detect, open_clip
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Camera, Pinhole
from fsd.data.stretches import stretches_ns
from fsd.outputs.camera_resolution import CameraResolution, camera_resolution

RETINA_BUDGET = ALL_BUDGETS[DEFAULT_BUDGET]
"""Budget profile whose retina is stated; patches of blocks are as fine with every profile."""


class CameraFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One camera. Rates are measured where the files state times, else nominal; None where a fact is not known.

    Attributes:
        files: number of files; first: name of the first.
        jitter_ms: how far a frame may lie from an even beat; missing_frames: steps of two periods or more, in frames.
        start_s, end_s: first and last frame, from the start of the recording.
        yaw_deg, pitch_deg, hfov_deg: by the calibration: left and up positive; horizontal field of view.
        resolution: with the retina of `RETINA_BUDGET`; None where the rig does not describe the camera.
    """

    name: str
    files: int
    first: str
    size_px: tuple[int, int]
    codec: str
    rate_hz: float
    jitter_ms: float | None
    missing_frames: int | None
    start_s: float | None
    end_s: float | None
    yaw_deg: float | None
    pitch_deg: float | None
    hfov_deg: float | None
    resolution: CameraResolution | None


class HoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of more than 2 s without a picture of any camera, seconds from the start of the recording."""

    start_s: float
    end_s: float


class InspectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was recognised.

    Attributes:
        format: name; reason: what showed it.
        length_s: from the first to the last picture; None where the files do not state it.
        calibration: name of the rig, or `assumed`.
        ego: how much ego motion there is, and where from; None without any. So for commands, modes, wall_clock.
        notes: what is assumed, one sentence each.
    """

    name: str
    format: str
    reason: str
    cameras: tuple[CameraFacts, ...]
    missing_cameras: tuple[str, ...]
    length_s: float | None
    holes: tuple[HoleFacts, ...]
    calibration: str
    ego: str | None
    commands: str | None
    modes: str | None
    wall_clock: str | None
    notes: tuple[str, ...]


def inspect_clip(path: Path, options: CameraOptions | None = None) -> InspectSummary:
    """Open a recording and state what was found.

    Raises:
        ClipError: as `open_clip`.
    """
    _, match = detect(path)
    clip = open_clip(path, options)
    stretches = stretches_ns(stream for stream in clip.streams if stream is not None)
    start_ns = stretches[0][0] if stretches else 0
    cameras = tuple(_camera(stream, clip.rig.camera(stream.name), start_ns) for stream in clip.streams if stream)
    return InspectSummary(
        name=clip.name,
        format=clip.format,
        reason=match.reason,
        cameras=cameras,
        missing_cameras=tuple(name for name, stream in zip(CAMERAS, clip.streams, strict=True) if stream is None),
        length_s=round((stretches[-1][1] - start_ns) / SECOND_NS, 3) if stretches else None,
        holes=_holes(stretches),
        calibration="assumed" if clip.rig_is_assumed else clip.rig.name,
        ego=_ego(clip),
        commands=None if clip.commands is None else ", ".join(sorted(set(clip.commands.commands))),
        modes=None if clip.modes is None else ", ".join(sorted(set(clip.modes.modes))),
        wall_clock=None if clip.wall_clock is None else clip.wall_clock.text_at(start_ns),
        notes=clip.notes,
    )


def _camera(stream: CameraStream, camera: Camera | None, start_ns: int) -> CameraFacts:
    cadence = stream.cadence
    yaw_deg = pitch_deg = hfov_deg = None
    if camera is not None:
        forward = camera.ego_from_camera.matrix()[:3, 2]
        yaw_deg = round(float(np.degrees(np.arctan2(forward[1], forward[0]))), 2)
        pitch_deg = round(float(np.degrees(np.arcsin(np.clip(forward[2], -1, 1)))), 2)
        if isinstance(camera.intrinsics, Pinhole):
            hfov_deg = round(float(np.degrees(2 * np.arctan(camera.width_px / 2 / camera.intrinsics.fx_px))), 1)
    return CameraFacts(
        name=stream.name,
        files=len(stream.files),
        first=stream.path.name,
        size_px=(stream.width_px, stream.height_px),
        codec=stream.codec,
        rate_hz=round(SECOND_NS / cadence.period_ns if cadence else float(stream.rate_hz), 3),
        jitter_ms=None if cadence is None else round(cadence.jitter_ns / 1e6, 2),
        missing_frames=None if cadence is None else cadence.missing_frames,
        start_s=None if stream.start_ns is None else round((stream.start_ns - start_ns) / SECOND_NS, 3),
        end_s=None if stream.end_ns is None else round((stream.end_ns - start_ns) / SECOND_NS, 3),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        hfov_deg=hfov_deg,
        resolution=None if camera is None else camera_resolution(camera, RETINA_BUDGET),
    )


def _holes(stretches: list[tuple[int, int]]) -> tuple[HoleFacts, ...]:
    def since_start_s(ns: int) -> float:
        return round((ns - stretches[0][0]) / SECOND_NS, 3)

    return tuple(
        HoleFacts(start_s=since_start_s(end_ns), end_s=since_start_s(start_ns))
        for (_, end_ns), (start_ns, _) in pairwise(stretches)
    )


def _ego(clip: Clip) -> str | None:
    if clip.ego is None:
        return None
    times_ns = clip.ego.timestamp_ns
    has_speed = np.isfinite(clip.ego.speed_mps)
    steps_ns = np.diff(times_ns)
    rate = f"{SECOND_NS / np.median(steps_ns):.1f} Hz, " if len(steps_ns) else ""
    known_s = float(steps_ns[steps_ns <= STALE_NS].sum()) / SECOND_NS
    speeds = clip.ego.speed_mps[has_speed]
    moving = f"{speeds.min():.1f} to {speeds.max():.1f} m/s" if len(speeds) else "no speed"
    has_path = bool(np.isfinite(clip.ego.x_m).any())
    return f"{len(times_ns)} rows, {rate}{known_s:.1f} s covered, {moving}, {'with' if has_path else 'without'} a path"
