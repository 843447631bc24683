"""Packets passed through to viewers: each at its own picture's time, without embedded positions."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("mcap", reason="the extra `viewer` is not installed")
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.data.video_stream import VideoStream
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.viewers import clip_video
from fsd.viewers.clip_video import ClipVideo, VideoMessage
from fsd.viewers.nal_units import has_b_slice, without_telemetry

SIZE = (192, 96)


def numbered(number: int) -> av.VideoFrame:
    """Its number as eight dark or bright bars over the upper half."""
    luma = np.full((SIZE[1], SIZE[0]), 128, np.uint8)
    for bit in range(8):
        luma[:48, bit * 24 : bit * 24 + 24] = 235 if number >> bit & 1 else 20
    luma[60:80, number * 3 % 150 : number * 3 % 150 + 30] = 200
    frame = av.VideoFrame.from_ndarray(luma, "gray").reformat(format="yuv420p")
    frame.pts, frame.time_base = number, 1 / RATE_HZ
    return frame


def number_in(picture: av.VideoFrame) -> int:
    luma = picture.to_ndarray(format="gray")
    scale = picture.width / SIZE[0]
    bars = [luma[: int(40 * scale), int((bit * 24 + 6) * scale) : int((bit * 24 + 18) * scale)] for bit in range(8)]
    return sum(int(bar.mean() > 128) << bit for bit, bar in enumerate(bars))


def encoded(numbers: Sequence[int], codec: str = "libx264", **options: str) -> list[tuple[bytes, int, bool]]:
    """Data, time and key flag of the packets, in decoding order, with parameter sets in every key frame."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", 1 / RATE_HZ, RATE_HZ
    repeat = {"x264-params": "repeat-headers=1"} if codec == "libx264" else {}
    encoder.options = {"preset": "ultrafast", "threads": "1", **repeat, **options}
    frames = [*map(numbered, numbers), None]
    return [
        (bytes(packet), packet.pts or 0, packet.is_keyframe) for frame in frames for packet in encoder.encode(frame)
    ]


def muxed(path: Path, packets: Sequence[tuple[bytes, int, bool]], codec: str = "libx264", **metadata: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w", container_options={"movflags": "use_metadata_tags"} if metadata else {}) as output:
        output.metadata.update(metadata)
        stream = output.add_stream(codec, rate=36)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = *SIZE, "yuv420p", 1 / RATE_HZ
        for place, (data, pts, is_key) in enumerate(packets):
            packet = av.Packet(data)
            packet.pts, packet.dts, packet.time_base = pts, place - 3, 1 / RATE_HZ
            packet.stream, packet.is_keyframe = stream, is_key
            output.mux(packet)
    return path


def replayed(clip: Path, out: Path, **settings: Any) -> Any:
    config = ReplayConfig(clip=clip, out=out, overlay=False, report=False, **settings)
    return replay(config, show_progress=False)


def video(path: Path, camera: str = "front_main") -> list[tuple[int, Any]]:
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        topic = f"/camera/{camera}/video"
        return [(record.log_time, message) for _, _, record, message in reader.iter_decoded_messages(topics=[topic])]


def shown(messages: Sequence[tuple[int, Any]]) -> list[int]:
    """The number that a viewer decodes from every message, with a new decoder wherever the size changes."""
    found = []
    decoder: av.VideoCodecContext | None = None
    for _, message in messages:
        if decoder is None:
            decoder = av.CodecContext.create("h264" if message.format == "h264" else "hevc", "r")
            decoder.thread_count = 1
        found += [number_in(picture) for picture in decoder.decode(av.Packet(message.data))]
    assert decoder is not None
    return found + [number_in(picture) for picture in decoder.decode(None)]


def viewer_messages(path: Path, **settings: Any) -> tuple[list[tuple[int, Any]], str]:
    """What a viewer's file would hold of `front_main`, and how it got there."""
    clip, found = open_clip(path), []
    images = ClipVideo(clip, **settings)
    with FrameSource(clip) as source:
        for frame_set in source:
            if frame_set.is_new[0] and frame_set.frames[0] is not None:
                found += [(each.timestamp_ns, _Message(each)) for each in images.messages(0, frame_set.frames[0])]
    images.close()
    return found, images.how["front_main"]


class _Message:
    def __init__(self, message: VideoMessage) -> None:
        self.format, self.data = message.codec, message.data


def test_b_frames_that_begin_late_swap_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_video, "PROBED_PACKETS", 12)
    early = encoded(range(40), bf="0")
    late = encoded(range(40, 60), bf="3", b_strategy="0")
    assert [pts for _, pts, _ in late] != sorted(pts for _, pts, _ in late)
    muxed(tmp_path / "clip" / "front_main.mp4", early + late)
    summary = replayed(tmp_path / "clip", tmp_path / "out")
    assert summary.viewer_file.video["front_main"].startswith("passed through, then encoded anew")
    messages = video(tmp_path / "out" / "drive.mcap")
    assert len(messages) == 60
    assert shown(messages) == [round(log_time * 36 / 1e9) for log_time, _ in messages] == list(range(60))


def test_a_raw_stream_with_b_frames_swaps_no_picture(tmp_path: Path) -> None:
    packets = encoded(range(20), bf="0") + encoded(range(20, 30), bf="3", b_strategy="0")
    (tmp_path / "front_main.h264").write_bytes(b"".join(data for data, _, _ in packets))
    messages, how = viewer_messages(tmp_path)
    assert how.startswith("encoded anew: ")
    assert shown(messages) == list(range(30))


def test_b_frames_of_a_stream_without_times_are_noticed_before_the_first_is_given(tmp_path: Path) -> None:
    (tmp_path / "front_main.h264").write_bytes(b"".join(data for data, _, _ in encoded(range(4), bf="0")))
    stream = open_clip(tmp_path).streams[0]
    assert isinstance(stream, VideoStream)
    packets = encoded(range(40), bf="0") + encoded(range(40, 60), bf="3", b_strategy="0")
    all_packets = clip_video._in_order(((None, data) for data, _, _ in packets), stream)
    assert [next(all_packets)[1] for _ in range(20)] == [data for data, _, _ in packets[:20]]
    with pytest.raises(ClipError):
        for _ in range(20, 41):
            next(all_packets)
    plain = clip_video._in_order(((None, data) for data, _, _ in packets[:40]), stream)
    assert len(list(plain)) == 40


def escaped(payload: bytes) -> bytes:
    """With emulation prevention bytes (H.264 7.4.1.1)."""
    out = bytearray()
    for byte in payload:
        if out[-2:] == b"\x00\x00" and byte < 4:
            out.append(3)
        out.append(byte)
    return bytes(out)


def telemetry(number: int, codec: str, before: bytes = b"") -> bytes:
    """An SEI NAL unit as cars write it; `before` is another SEI message in front of it."""
    message = b"BBBi\x08\x01" + b"\x59" + struct.pack("<d", 48.1 + number * 1e-6) + b"\x61" + struct.pack("<d", 11.5)
    header = b"\x06" if codec == "libx264" else b"\x4e\x01"
    return b"\x00\x00\x00\x01" + header + escaped(before + bytes([5, len(message)]) + message) + b"\x80"


def with_telemetry(packets: Sequence[tuple[bytes, int, bool]], codec: str) -> list[tuple[bytes, int, bool]]:
    return [(telemetry(pts, codec) + data, pts, is_key) for data, pts, is_key in packets]


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"bf": "0", "g": "9"}),
        ("libx265", {"x265-params": "bframes=0:log-level=none:pools=1:repeat-headers=1"}),
    ],
)
def test_embedded_positions_are_left_out_unless_they_are_wanted(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    packets = encoded(range(24), codec, **options)
    muxed(tmp_path / "clip" / "front_main.mp4", with_telemetry(packets, codec), codec)
    results = {}
    for keep in (False, True):
        results[keep], how = viewer_messages(tmp_path / "clip", keep_location=keep)
        assert how == "passed through"
        assert shown(results[keep]) == list(range(24))
    assert not any(b"BBBi" in message.data for _, message in results[False])
    assert all(b"BBBi" in message.data for _, message in results[True])


def test_a_replay_leaves_embedded_positions_out_unless_told(tmp_path: Path) -> None:
    muxed(tmp_path / "clip" / "front_main.mp4", with_telemetry(encoded(range(4), bf="0"), "libx264"))
    for keep in (False, True):
        replayed(tmp_path / "clip", tmp_path / "out", keep_location=keep)
        messages = video(tmp_path / "out" / "drive.mcap")
        assert [b"BBBi" in message.data for _, message in messages] == [keep] * 4


def test_other_units_stay_as_they_are() -> None:
    other = b"\x00\x00\x01\x06\x05\x11" + b"A" * 16 + b"x\x80"  # user data with a UUID
    timing = b"\x01\x02\x00\x00"  # picture timing; its zeros need an emulation prevention byte
    slices = b"\x00\x00\x01\x65\x88BBBi\x00\x00\x03\x01" + b"\x00\x00\x00\x01\x41\x9a\x02\x80"
    unit = telemetry(3, "libx264")
    assert without_telemetry(unit + other + slices, "h264") == b"\x00" + other + slices
    assert without_telemetry(other + telemetry(0, "libx264", timing) + slices, "h264") == other + slices
    assert without_telemetry(slices, "h264") == slices


def test_b_slices_are_found_in_the_slice_header() -> None:
    assert not any(has_b_slice(data) for data, _, _ in encoded(range(8), bf="0"))
    assert sum(has_b_slice(data) for data, _, _ in encoded(range(8), bf="1", b_strategy="0")) >= 2


def test_a_location_in_the_container_is_copied_nowhere(tmp_path: Path) -> None:
    place = "+48.1371+011.5754/"
    clip = tmp_path / "clip"
    muxed(clip / "front_main.mp4", encoded(range(4), bf="0"), location=place)
    assert place.encode() in (clip / "front_main.mp4").read_bytes()
    replay(ReplayConfig(clip=clip, out=tmp_path / "out", report=True), show_progress=False)
    written = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert {"drive.mcap", "overlay.mp4", "report.html", "summary.json"} <= {file.name for file in written}
    assert not any(b"48.1371" in file.read_bytes() for file in written)
    assert not any("48.1371" in str(record.metadata) for record in _metadata(tmp_path / "out" / "drive.mcap"))


def _metadata(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(make_reader(file).iter_metadata())
