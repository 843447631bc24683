"""Decoding on hardware, without any: what is refused and why, and pictures as hardware returns them (nv12).

A stand-in takes the place of the decoder on the device; it decodes in software and returns nv12.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data import hardware_decode, video_stream
from fsd.data.clip import Clip
from fsd.data.decoder_comparison import compare_decoders
from fsd.data.errors import ClipError, UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.hardware_decode import decoded_by, offered, on_hardware, refusal
from fsd.data.open_clip import open_clip
from fsd.data.planes import frame_of, picture_of
from fsd.data.recording_options import CameraOptions
from fsd.data.video_probe import opened

TIMES_MS = [round(i * 1000 / 36) for i in range(12)]


@pytest.fixture
def video(tools: Any, tmp_path: Path) -> Path:
    path: Path = tools.write_video(tmp_path / "front_main.mp4", TIMES_MS)
    return path


class _Delegate:
    """Has every attribute of another object, but those that a subclass replaces."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class _Device(_Delegate):
    """A codec context that returns nv12. It can refuse everything, lose keyframes, or change a pixel of chroma."""

    refuses = False
    loses_keyframes = False
    alter = 0

    def decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        if self.refuses and packet is not None:
            raise av.error.InvalidDataError(1, "refused")
        pictures = self.real.decode(packet)
        return [self._returned(each) for each in pictures if not (self.loses_keyframes and each.key_frame)]

    def _returned(self, picture: av.VideoFrame) -> av.VideoFrame:
        returned = picture.reformat(format="nv12")
        returned.pts, returned.time_base = picture.pts, picture.time_base
        if self.alter:
            np.frombuffer(returned.planes[1], np.uint8)[0] += self.alter  # type: ignore[call-overload]
        return returned


class _Stream(_Delegate):
    @property
    def codec_context(self) -> _Device:
        return _Device(self.real.codec_context)


class _Container(_Delegate):
    def demux(self, stream: _Stream) -> Iterator[av.Packet]:
        return iter(self.real.demux(stream.real))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[_Device]:
    """The stand-in decodes all files that are to be decoded on hardware."""

    @contextmanager
    def opened_on_device(path: Path, hwaccel: str = "") -> Iterator[tuple[Any, Any]]:
        with opened(path) as (container, stream):
            yield (_Container(container), _Stream(stream)) if hwaccel else (container, stream)

    monkeypatch.setattr(video_stream, "opened", opened_on_device)
    monkeypatch.setattr(hardware_decode, "refusal", lambda kind, decoder="h264": "")
    monkeypatch.setattr(hardware_decode, "hwdevices_available", lambda: ["cuda"])
    for name, value in (("refuses", False), ("loses_keyframes", False), ("alter", 0)):
        monkeypatch.setattr(_Device, name, value)
    return _Device


def frames_of(clip: Clip) -> list[Any]:
    with FrameSource(clip) as source:
        return [frame_set.frames[0] for frame_set in source]


def test_pictures_of_hardware_are_those_of_software(video: Path, device: type[_Device]) -> None:
    software, hardware = open_clip(video), open_clip(video, CameraOptions(hwaccel="cuda"))
    assert (decoded_by(software), decoded_by(hardware)) == ("software", "cuda")
    expected, received = frames_of(software), frames_of(hardware)
    assert len(received) == len(TIMES_MS)
    assert received[0].picture.format.name == "nv12"
    for a, b in zip(expected, received, strict=True):
        assert (a.index, a.timestamp_ns) == (b.index, b.timestamp_ns)
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("y_plane", "u_plane", "v_plane"))


def test_the_comparison_finds_equal_decoders_and_a_single_changed_pixel(video: Path, device: type[_Device]) -> None:
    clip = open_clip(video, CameraOptions(hwaccel="cuda"))
    (equal,) = compare_decoders(clip)
    assert (equal.pictures, equal.different) == (len(TIMES_MS), 0)
    device.alter = 3
    (altered,) = compare_decoders(clip, max_pictures=5)
    assert (altered.pictures, altered.different, altered.first_different) == (5, 5, 0)
    assert altered.largest_difference == 3


def test_pictures_that_only_one_decoder_returns_differ(video: Path, device: type[_Device]) -> None:
    device.loses_keyframes = True
    (compared,) = compare_decoders(open_clip(video, CameraOptions(hwaccel="cuda")))
    assert (compared.pictures, compared.first_different, compared.largest_difference) == (len(TIMES_MS), 0, 0)
    assert compare_decoders(open_clip(video)) == []  # nothing of it is decoded on hardware


def test_hardware_that_refuses_every_picture_is_an_error_and_no_missing_camera(
    video: Path, device: type[_Device]
) -> None:
    device.refuses = True
    with pytest.raises(ClipError, match="cuda"):
        frames_of(open_clip(video, CameraOptions(hwaccel="cuda")))


def test_auto_says_what_it_took(video: Path, device: type[_Device], monkeypatch: pytest.MonkeyPatch) -> None:
    taken = open_clip(video, CameraOptions(hwaccel="auto"))
    assert decoded_by(taken) == "cuda"
    assert "cuda" in taken.notes[-1]
    monkeypatch.setattr(hardware_decode, "refusal", lambda kind, decoder: f"no {kind} here")
    software = open_clip(video, CameraOptions(hwaccel="auto"))
    assert decoded_by(software) == "software"
    assert "SOFTWARE" in software.notes[-1]
    assert "no cuda here" in software.notes[-1]


def test_a_kind_that_pyav_was_built_without_is_refused_by_name(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_decode, "hwdevices_available", lambda: ["cuda"])
    assert offered() == ("cuda",)
    with pytest.raises(UsageError, match="vaapi") as raised:
        open_clip(video, CameraOptions(hwaccel="vaapi"))
    assert raised.value.field == "hwaccel"


@pytest.mark.skipif("cuda" not in offered(), reason="this PyAV was built without cuda")
def test_a_decoder_without_hardware_is_refused_even_where_the_device_is_there() -> None:
    assert "libdav1d" in refusal("cuda", "libdav1d")


@pytest.mark.skipif("cuda" not in offered() or not refusal("cuda"), reason="a cuda device opens here")
def test_a_device_that_does_not_open_is_refused_before_and_while_a_file_is_read(video: Path) -> None:
    assert "device" in refusal("cuda")
    with pytest.raises(ClipError, match="cuda"), opened(video, "cuda"):
        pass


def test_cameras_that_are_no_video_files_are_refused(
    video: Path, device: type[_Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(video)
    monkeypatch.setattr(video_stream.VideoStream, "may_use_hardware", False)
    with pytest.raises(UsageError, match="no video file"):
        on_hardware(clip, "cuda")


@pytest.mark.parametrize("size_px", [(64, 48), (63, 47)])
def test_planes_of_nv12_are_the_same_without_a_copy_of_the_luma(size_px: tuple[int, int]) -> None:
    width, height = size_px
    picture = av.VideoFrame(width, height, "nv12")
    rng = np.random.default_rng(0)
    for plane in picture.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
    frame = frame_of(picture, 0, 0, size_px)
    pairs = np.frombuffer(picture.planes[1], np.uint8).reshape(-1, picture.planes[1].line_size)  # type: ignore[call-overload]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    assert np.array_equal(frame.u_plane, pairs[:rows, 0 : 2 * columns : 2])
    assert np.array_equal(frame.v_plane, pairs[:rows, 1 : 2 * columns : 2])
    np.frombuffer(picture.planes[0], np.uint8)[0] ^= 255  # type: ignore[call-overload]
    assert frame.y_plane[0, 0] == np.frombuffer(picture.planes[0], np.uint8)[0]  # type: ignore[call-overload]
    assert picture_of(frame).format.name == "yuv420p"
