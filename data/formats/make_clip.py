"""Make a `Clip` of what a format has found, with what has to be assumed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.ego import CommandTrack, EgoTrack, possible_ego
from fsd.data.frames import CAMERAS
from fsd.data.printable import printable
from fsd.data.rig import Rig
from fsd.data.standard_rigs import assumed_rig
from fsd.data.steering import possible_steering


def make_clip(
    path: Path,
    format: str,
    streams: Mapping[str, CameraStream],
    notes: Sequence[str],
    rig: Rig | None = None,
    hfov_deg: Mapping[str, float] | None = None,
    name: str | None = None,
    assumed: Rig | None = None,
    **recorded: Any,
) -> Clip:
    """A clip of these streams.

    Args:
        streams: canonical camera -> stream; other cameras are noted as masked.
        rig: as calibrated; None assumes one, with `hfov_deg` (canonical camera -> horizontal field of view, degrees)
            where it is known, and notes it.
        name: for display; None takes the path's.
        assumed: what is assumed without `rig`, where the vehicle is known.
        recorded: `ego`, `commands`, `steering`, `modes`, `wall_clock`, `moments` of the clip.

    Raises:
        ClipError: there is ego motion, but no row of it is possible.
    """
    notes = list(notes)
    if recorded.get("ego") is not None:
        recorded["ego"] = possible_ego(recorded["ego"], str(path), notes)
    if recorded.get("steering") is not None:
        recorded["steering"] = possible_steering(recorded["steering"], notes)
    for field, what in (("ego", "rows of ego motion"), ("commands", "route commands")):
        if recorded.get(field) is not None and _is_of_another_time(recorded[field], streams):
            notes.append(
                f"The {what} are NOT USED: their times, from {recorded[field].timestamp_ns[0]} to "
                f"{recorded[field].timestamp_ns[-1]} ns, are not those of the pictures. Write them by the same clock."
            )
            recorded[field] = None
    wall_clock = recorded.get("wall_clock")
    if wall_clock is not None and not wall_clock.is_possible:
        notes.append("The date and time of the recording are not used: they are none.")
        recorded["wall_clock"] = None
    is_assumed = rig is None
    if rig is None and assumed is not None:
        notes.append(
            f"No calibration: the poses and lenses of {assumed.name} are assumed; `fsd calibrate` estimates them."
        )
        rig = assumed
    elif rig is None:
        notes.append("No rig.json: usual camera poses and lenses are assumed, so the geometry is approximate.")
        rig = assumed_rig({name: (each.width_px, each.height_px) for name, each in streams.items()}, hfov_deg)
    described = [] if rig is None or is_assumed else [camera.name for camera in rig.cameras]
    absent = [name for name in described if name not in streams]
    if absent:
        notes.append(f"The calibration describes {', '.join(absent)}, but there is no video: masked.")
    missing = [name for name in CAMERAS if name not in streams and name not in described]
    if missing:
        notes.append(f"No video for {', '.join(missing)}: masked.")
    return Clip(
        name=printable(name or (path.stem if path.is_file() else path.resolve().name)),
        path=path,
        format=format,
        rig=rig,
        rig_is_assumed=is_assumed,
        streams=tuple(streams.get(name) for name in CAMERAS),
        notes=tuple(map(printable, notes)),
        **recorded,
    )


def _is_of_another_time(track: EgoTrack | CommandTrack, streams: Mapping[str, CameraStream]) -> bool:
    """Whether a track has nothing for any time at which there are pictures, as far as that is known."""
    spans = [(stream.start_ns, stream.end_ns) for stream in streams.values()]
    starts_ns, ends_ns = [first for first, _ in spans if first is not None], [last for _, last in spans]
    if not len(track.timestamp_ns) or len(starts_ns) < len(spans) or not spans or any(last is None for last in ends_ns):
        return False
    return not track.overlaps(min(starts_ns), max(last for last in ends_ns if last is not None))
