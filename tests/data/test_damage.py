"""Files that are broken: a clear error where nothing can be read, a count where something can."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.errors import ClipError
from fsd.data.open_clip import open_clip

UNIX_NS = 1_763_000_000_000_000_000


def spoil_packets(path: Path, places: set[int], keep: int = 0) -> None:
    """Overwrite the packets at these places in decoding order in the file, but for their first `keep` bytes."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for place in places:
            packet = packets[place]
            assert packet.pos is not None
            begin, end = packet.pos + min(keep, packet.size // 2), packet.pos + packet.size
            data[begin:end] = bytes(end - begin)
    path.write_bytes(data)


def test_pictures_the_decoder_refuses_keep_their_place_in_the_timestamps_file(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(30)], codec="mjpeg")
    times_ns = [UNIX_NS + 30_000_000 * k for k in range(30)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns)
    spoil_packets(path, {5, 6, 20})
    shown = tools.replay(tmp_path)
    frames = [(times_ns[k], k) for k in range(30) if k not in (5, 6, 20)]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"rear": frames}))
    counters = shown.report.cameras["rear"]
    assert (counters.corrupt_packets, counters.lost_frames, counters.frames_decoded) == (3, 3, 27)


def test_pictures_lost_at_a_joint_do_not_shift_the_next_part(tools: Any, tmp_path: Path) -> None:
    for part in range(3):
        tools.write_video(
            tmp_path / f"rear_{part}.mp4", [30 * k for k in range(10)], codec="mjpeg", first_number=9 * part
        )
    times_ns = [UNIX_NS + 30_000_000 * k for k in range(28)]
    tools.write_timestamps(tmp_path / "rear.timestamps.parquet", times_ns)
    clip = open_clip(tmp_path)
    spoil_packets(tmp_path / "rear_0.mp4", {8, 9})  # the last two: 8 and 9
    spoil_packets(tmp_path / "rear_2.mp4", {0, 1, 5})  # the shared 18, then 19 and 23
    shown = tools.replay(clip)
    frames = [(times_ns[k], k) for k in range(28) if k not in (8, 9, 19, 23)]
    assert np.array_equal(shown.numbers, tools.expected_numbers({"rear": frames}))
    assert np.array_equal(shown.indices, shown.numbers)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_decoding_goes_on_after_damage_in_the_middle(tools: Any, tmp_path: Path, codec: str) -> None:
    options = {"libx264": {"g": "10"}, "libx265": {"g": "10"}, "libsvtav1": {"g": "10"}}[codec]
    path = tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(60)], codec=codec, options=options)
    spoil_packets(path, {13, 14}, keep=6)
    shown = tools.replay(tmp_path)
    frames = [(30_000_000 * k, k) for k in range(60)]
    expected = tools.expected_numbers({"rear": frames})
    assert shown.numbers.shape == expected.shape
    assert np.array_equal(shown.numbers[-30:], expected[-30:])  # after the next keyframe all is well again
    assert np.array_equal(shown.indices[-30:, 7], expected[-30:, 7])
    assert shown.report.faults()


def test_what_a_file_that_breaks_off_still_holds_is_used(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mkv", [30 * k for k in range(60)], options={"g": "10"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    shown = tools.replay(tmp_path)
    decoded = shown.report.cameras["rear"].frames_decoded
    assert 20 < decoded < 60
    expected = tools.expected_numbers({"rear": [(30_000_000 * k, k) for k in range(decoded)]})
    assert int((shown.numbers[: len(expected) - 2] != expected[:-2]).sum()) == 0  # the very last picture may be damaged


def test_a_camera_that_breaks_off_goes_stale_while_the_others_go_on(tools: Any, tmp_path: Path) -> None:
    tools.write_video(tmp_path / "front_main.mp4", [28 * k for k in range(60)])
    path = tools.write_video(tmp_path / "rear.mkv", [28 * k for k in range(60)], options={"g": "10"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    shown = tools.replay(tmp_path)
    assert shown.is_valid[:, 0].all()
    assert shown.is_valid[0, 7]
    assert not shown.is_valid[-1, 7]


def test_an_mp4_cut_off_before_its_index_is_refused(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(20)])
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ClipError, match=r"rear\.mp4"):
        open_clip(tmp_path)


def test_an_empty_file_is_refused(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "rear.mp4").touch()
    with pytest.raises(ClipError, match=r"rear\.mp4.*0 bytes"):
        open_clip(tmp_path)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rear.mp4").write_text("no video, just words " * 100)
    with pytest.raises(ClipError, match=r"rear\.mp4"):
        open_clip(tmp_path)


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "rear.mkv"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(stream.encode(sound))
    with pytest.raises(ClipError, match=r"rear\.mkv.*audio"):
        open_clip(tmp_path)


def test_a_file_of_which_nothing_can_be_decoded_is_refused(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mp4", [30 * k for k in range(8)], codec="mjpeg")
    spoil_packets(path, set(range(8)))
    with pytest.raises(ClipError, match=r"rear\.mp4.*mjpeg"):
        open_clip(tmp_path)


def test_a_file_that_vanishes_after_opening_is_an_error_of_the_iteration(tools: Any, tmp_path: Path) -> None:
    path = tools.write_video(tmp_path / "rear.mp4", [0, 30])
    clip = open_clip(tmp_path)
    path.unlink()
    with pytest.raises(ClipError, match=r"rear\.mp4"):
        tools.replay(clip)


def test_pictures_that_change_their_size_are_scaled_and_counted(tools: Any, tmp_path: Path) -> None:
    """Two raw streams one after the other: the sizes differ within one file."""
    first = tools.write_video(tmp_path / "a.h264", list(range(5)), Fraction(1, 25), container="h264")
    second = tools.write_video(
        tmp_path / "b.h264", list(range(5)), Fraction(1, 25), container="h264", size_px=(64, 48), first_number=5
    )
    clip_folder = tmp_path / "clip"
    clip_folder.mkdir()
    (clip_folder / "rear.h264").write_bytes(first.read_bytes() + second.read_bytes())
    shown = tools.replay(clip_folder)
    assert shown.numbers[-1, 7] >= 8
    assert shown.report.cameras["rear"].resized_frames == 5
    assert "5 pictures" in shown.report.faults()[0]
