"""Decode video on hardware: which kinds PyAV offers, which open here, and the recordings that use one.

A recording that is to be decoded on hardware never falls back to software: what the device refuses is an error. `auto`
decides once, when the recording is opened, and a note of the recording says what it took.
"""

from collections.abc import Sequence
from dataclasses import replace

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from fsd.data.camera_stream import CameraStream
from fsd.data.clip import Clip
from fsd.data.errors import ClipError, UsageError
from fsd.data.recording_options import HARDWARE

_SOFTWARE_ADVICE = "Leave `--hwaccel` out to decode in software; `fsd doctor` shows what opens here."


def offered() -> tuple[str, ...]:
    """The kinds of `HARDWARE` that the installed PyAV was built with."""
    built = hwdevices_available()
    return tuple(kind for kind in HARDWARE if kind in built)


def refusal(kind: str, decoder: str = "h264") -> str:
    """Why a decoder of FFmpeg cannot use this kind of hardware here, as a clause; "" where it can.

    It opens the device, and decodes nothing: a device may still refuse a profile or a size of picture.
    """
    if kind not in offered():
        return f"PyAV {av.__version__} was built without {kind} (it has {', '.join(offered()) or 'no hardware'})"
    try:
        context = av.CodecContext.create(decoder, "r", hwaccel=accelerator(kind))
    except (av.FFmpegError, OSError, RuntimeError, ValueError) as error:
        return f"no {kind} device opens ({getattr(error, 'strerror', None) or error}): hardware or driver is missing"
    return "" if context.is_hwaccel else f"the decoder {decoder} of PyAV {av.__version__} cannot use {kind}"


def accelerator(kind: str) -> HWAccel | None:
    """What PyAV needs to open a device; None for no kind. Pictures come back to the memory of the processor."""
    return HWAccel(kind, allow_software_fallback=False) if kind else None


def on_hardware(clip: Clip, hwaccel: str) -> Clip:
    """The clip with its videos decoded as `--hwaccel` says: `none`, `auto`, or a kind of `HARDWARE`.

    Raises:
        UsageError: the kind cannot decode a camera of this recording here; names what is missing.
    """
    if hwaccel == "none":
        return clip
    streams = [stream for stream in clip.streams if stream is not None]
    if hwaccel != "auto":
        why_not = _refusal_of(streams, hwaccel)
        if why_not:
            raise UsageError(f"--hwaccel {hwaccel}: {why_not}. {_SOFTWARE_ADVICE}", field="hwaccel")
        return _decoded_by(clip, hwaccel)
    reasons = []
    for kind in offered():
        why_not = _refusal_of(streams, kind)
        if not why_not:
            return replace(_decoded_by(clip, kind), notes=(*clip.notes, f"--hwaccel auto took {kind}."))
        reasons.append(why_not)
    why = "; ".join(dict.fromkeys(reasons)) or "PyAV was built without any"
    return replace(clip, notes=(*clip.notes, f"--hwaccel auto took none and decodes in SOFTWARE: {why}."))


def decoded_by(clip: Clip) -> str:
    """What decodes a recording: `software`, or the kind of hardware."""
    return next((stream.hwaccel for stream in clip.streams if stream is not None and stream.hwaccel), "software")


def refused(source: object, kind: str, reason: object) -> ClipError:
    """The error of a recording that hardware does not decode."""
    return ClipError(f"{source} cannot be decoded by {kind} ({reason}). {_SOFTWARE_ADVICE}")


def _refusal_of(streams: Sequence[CameraStream], kind: str) -> str:
    """Why not all of these cameras can be decoded on a kind of hardware; "" where they can."""
    for stream in streams:
        if not stream.may_use_hardware:
            return f"the pictures of {stream.name} are no video file, which is all that is decoded on hardware"
    codecs = sorted({stream.codec for stream in streams})
    return next((why_not for codec in codecs if (why_not := refusal(kind, codec))), "")


def _decoded_by(clip: Clip, kind: str) -> Clip:
    return replace(clip, streams=tuple(each and replace(each, hwaccel=kind) for each in clip.streams))
