"""Kinds of video: each is shown right, read back by the numbers in its pictures, or refused with the reason."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data import planes
from fsd.data.errors import ClipError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip

T30 = Fraction(1, 30)
COUNT = 12


def every_number(tools: Any, folder: Path) -> list[int]:
    """Numbers of all pictures that were shown, rising; the last one comes after the last tick."""
    numbers = tools.replay(folder).numbers
    return sorted({int(number) for number in numbers[numbers >= 0]})


def write(tools: Any, path: Path, **settings: Any) -> Path:
    written: Path = tools.write_video(path, list(range(COUNT)), T30, **settings)
    return written


def needs(codec: str, pixel_format: str) -> None:
    """Skip where this build of FFmpeg cannot encode so."""
    formats = av.Codec(codec, "w").video_formats or []
    if pixel_format not in {each.name for each in formats}:
        pytest.skip(f"{codec} has no {pixel_format} here")


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuv422p10le"),
        ("libx264", "gray"),
        ("libx264", "yuvj420p"),
        ("libx265", "yuv420p10le"),
        ("libx265", "gray"),
        ("mjpeg", "yuvj444p"),
    ],
)
def test_pixel_formats_keep_identity_and_brightness(tools: Any, tmp_path: Path, codec: str, pixel_format: str) -> None:
    needs(codec, pixel_format)
    write(tools, tmp_path / "rear.mkv", codec=codec, pixel_format=pixel_format)
    assert every_number(tools, tmp_path) == list(range(COUNT - 1))
    with FrameSource(open_clip(tmp_path)) as source:
        frame = next(iter(source)).frames[7]
        assert frame is not None
        # Number 0 is dark all over. The encoder got it as it is in gray, else from full range.
        stored = 60 if pixel_format == "gray" else 16 + 60 * 219 / 255
        assert float(frame.y_plane.mean()) == pytest.approx(stored, abs=2)


@pytest.mark.parametrize("size_px", [(144, 93), (143, 94), (143, 93)], ids=str)
def test_odd_sizes_and_odd_chroma_are_read(tools: Any, tmp_path: Path, size_px: tuple[int, int]) -> None:
    write(tools, tmp_path / "rear.mkv", size_px=size_px, codec="mjpeg")
    assert every_number(tools, tmp_path) == list(range(COUNT - 1))
    with FrameSource(open_clip(tmp_path)) as source:
        frame = next(iter(source)).frames[7]
        assert frame is not None
        assert frame.y_plane.shape == (size_px[1], size_px[0])
        assert frame.u_plane.shape == ((size_px[1] + 1) // 2, (size_px[0] + 1) // 2)


def test_the_cropped_picture_of_hw4_cameras_has_an_odd_chroma_height(tools: Any, tmp_path: Path) -> None:
    """1448x938, coded as 1456x944 and cropped: 469 rows of chroma."""
    tools.write_video(tmp_path / "rear.mp4", [0, 1], T30, size_px=(1448, 938))
    with FrameSource(open_clip(tmp_path)) as source:
        frame = next(iter(source)).frames[7]
        assert frame is not None
        assert (frame.y_plane.shape, frame.u_plane.shape) == ((938, 1448), (469, 724))
        assert tools.number_in(frame.y_plane) == 0


def test_interlaced_video_is_refused_with_the_command_that_mends_it(tools: Any, tmp_path: Path) -> None:
    path = tmp_path / "rear.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for k in range(6):
            frame = av.VideoFrame.from_ndarray(tools.numbered_luma(k, 128, 96), format="gray").reformat(
                format="yuv420p"
            )
            frame.pts = k
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(ClipError, match=r"rear\.mkv.*interlaced.*ffmpeg") as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "rear"


@pytest.mark.parametrize("clockwise_deg", [90, 180, 270])
def test_rotated_parts_are_upright(tools: Any, tmp_path: Path, clockwise_deg: int) -> None:
    """Both parts are turned alike; the pictures were stored so that the rotation makes them upright."""
    for part in range(2):
        path = tmp_path / f"rear_{part}.mp4"
        size = (96, 128) if clockwise_deg != 180 else (128, 96)
        turned = lambda number: np.ascontiguousarray(  # noqa: E731
            np.rot90(tools.numbered_luma(number, 128, 96), clockwise_deg // 90)
        )
        tools.write_video(path, list(range(6)), T30, size_px=size, first_number=8 * part, luma=turned)
        tools.rotate_metadata(path, clockwise_deg)
    numbers = every_number(tools, tmp_path)
    assert numbers[:11] == [*range(6), *range(8, 13)]
    stream = open_clip(tmp_path).streams[7]
    assert stream is not None
    assert (stream.width_px, stream.height_px) == (128, 96)


def test_a_later_part_that_is_upside_down_is_turned(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "rear_0.mp4")
    upside = lambda number: np.ascontiguousarray(np.rot90(tools.numbered_luma(number, 128, 96), 2))  # noqa: E731
    write(tools, tmp_path / "rear_1.mp4", first_number=16, luma=upside)
    tools.rotate_metadata(tmp_path / "rear_1.mp4", 180)
    assert every_number(tools, tmp_path) == [*range(COUNT), *range(16, 16 + COUNT - 1)]


def test_a_later_part_that_stands_while_the_first_lies_is_refused(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "rear_0.mp4")
    write(tools, tmp_path / "rear_1.mp4", first_number=16)
    tools.rotate_metadata(tmp_path / "rear_1.mp4", 90)
    with pytest.raises(ClipError, match=r"rear_1\.mp4.*rotated") as caught:
        tools.replay(tmp_path)
    assert caught.value.camera == "rear"


def set_edit_list(path: Path, entries: list[tuple[int, int]]) -> None:
    """Replace the edits of an MP4 file with one edit list by (duration in the movie's scale, media time)."""
    data = bytearray(path.read_bytes())
    place = data.find(b"elst")
    assert data[place + 4] == 0, "version 0 of the edit list"
    assert struct.unpack(">I", data[place + 8 : place + 12])[0] == len(entries)
    for number, (duration, media_time) in enumerate(entries):
        at = place + 12 + 12 * number
        data[at : at + 8] = struct.pack(">Ii", duration, media_time)
    path.write_bytes(data)


def test_pictures_that_an_edit_list_cuts_off_the_start_are_not_shown(tools: Any, tmp_path: Path) -> None:
    """The edit begins at the 6th picture, which is not a keyframe: 5 are decoded and dropped."""
    path = write(tools, tmp_path / "rear.mp4", options={"g": "30", "bf": "0"})
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base
    assert time_base is not None
    start = int(5 * T30 / time_base)
    set_edit_list(path, [(90_000 * 7 // 30, start)])
    shown = tools.replay(tmp_path)
    assert shown.numbers[0, 7] == 5
    assert sorted(set(shown.numbers[:, 7].tolist())) == list(range(5, COUNT - 1))
    assert not shown.report.faults()


def test_an_empty_edit_delays_the_camera(tools: Any, tmp_path: Path) -> None:
    write(tools, tmp_path / "front_main.mp4")
    tools.write_video(tmp_path / "rear.mp4", [k + 3 for k in range(COUNT)], T30)
    cameras = {
        "front_main": list(zip(tools.floor_times_ns(range(COUNT), T30), range(COUNT), strict=True)),
        "rear": list(zip(tools.floor_times_ns(range(3, COUNT + 3), T30), range(COUNT), strict=True)),
    }
    assert b"elst" in (tmp_path / "rear.mp4").read_bytes()
    assert np.array_equal(tools.replay(tmp_path).numbers, tools.expected_numbers(cameras))


def test_a_huge_picture_is_refused_from_its_header(tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tools, tmp_path / "rear.mp4")
    monkeypatch.setattr(planes, "MAX_PICTURE_PX", 128 * 95)
    with pytest.raises(ClipError, match=r"rear\.mp4.*128x96"):
        open_clip(tmp_path)


def test_the_limit_refuses_16000_by_16000_and_takes_8k() -> None:
    assert 7680 * 4320 <= planes.MAX_PICTURE_PX < 16_000 * 16_000


def test_a_video_that_states_16000_by_16000_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rear.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("rawvideo", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        output.mux(stream.encode(av.VideoFrame(256, 256, "yuv420p")))
    data = path.read_bytes()
    for pixel_width_or_height in (b"\xb0\x82", b"\xba\x82"):  # elements of Matroska with a size of 2 bytes
        assert data.count(pixel_width_or_height + b"\x01\x00") == 1
        data = data.replace(pixel_width_or_height + b"\x01\x00", pixel_width_or_height + struct.pack(">H", 16_000))
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"rear\.mkv.*16000x16000"):
        open_clip(tmp_path)


def test_a_text_file_is_refused_as_no_video(tmp_path: Path) -> None:
    (tmp_path / "rear.mp4").write_text("timestamp,speed\n" * 400, encoding="utf-8")
    with pytest.raises(ClipError, match=r"rear\.mp4") as caught:
        open_clip(tmp_path)
    assert caught.value.camera == "rear"


def test_a_codec_without_a_decoder_is_refused(tools: Any, tmp_path: Path) -> None:
    path = write(tools, tmp_path / "front_main.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(ClipError, match=r"front_main\.mp4.*codec"):
        open_clip(tmp_path)


def test_metadata_that_is_not_utf_8_does_not_matter(tools: Any, tmp_path: Path) -> None:
    path = write(tools, tmp_path / "rear.mp4")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Lavf", b"L\xe7vf").replace(b"VideoHandler", b"VideoHand\xe7er"))
    assert path.read_bytes() != data
    assert every_number(tools, tmp_path) == list(range(COUNT - 1))
