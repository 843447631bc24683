"""A clip that was written opens again as what was written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError, OutputError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.data.result_folder import result_folder
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

START_NS = 1_763_000_000_000_000_000


def small_rig(cameras: int = 3) -> Rig:
    return Rig(name="small", cameras=canonical_rig(128, 96).cameras[:cameras])


def rgb(tools: Any, number: int) -> np.ndarray:
    return np.repeat(tools.numbered_luma(number, 128, 96)[:, :, None], 3, axis=2)


def write_clip(tools: Any, folder: Path, ticks: int = 50, drop: frozenset[int] = frozenset()) -> None:
    with ClipWriter(folder, small_rig()) as writer:
        for tick in range(ticks):
            images = [rgb(tools, 3 * tick + camera) for camera in range(3)]
            if tick in drop:
                images[1] = None
            ego = {"x": float(tick), "v_mps": 5.0 + tick, "yaw_rate_rps": 0.1}
            writer.write(images, tick_time_ns(tick, START_NS), ego, "left" if tick >= 20 else "none")


def test_every_picture_comes_back_at_its_tick(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip")
    clip = open_clip(tmp_path / "clip")
    assert (clip.format, clip.rig) == ("native", small_rig())
    shown = tools.replay(clip)
    assert np.array_equal(shown.numbers[:, :3], 3 * np.arange(50)[:, None] + np.arange(3))
    assert (shown.ages_ns[:, :3] == 0).all()


def test_a_dropped_picture_repeats_the_one_before(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip", drop=frozenset({7, 8}))
    shown = tools.replay(tmp_path / "clip")
    assert shown.numbers[6:10, 1].tolist() == [19, 19, 19, 28]
    assert shown.numbers[6:10, 0].tolist() == [18, 21, 24, 27]


def test_container_times_agree_with_the_timestamps_file(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip", drop=frozenset({0, 1, 30}))
    with_files = tools.replay(tmp_path / "clip")
    for camera in CAMERAS[:3]:
        (tmp_path / "clip" / f"{camera}.timestamps.parquet").unlink()
    without_files = tools.replay(tmp_path / "clip")
    assert np.array_equal(with_files.numbers, without_files.numbers)


def test_ego_motion_and_commands_come_back(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip")
    clip = open_clip(tmp_path / "clip")
    assert clip.ego is not None
    assert clip.commands is not None
    assert clip.ego.sample_at(tick_time_ns(12, START_NS)) == EgoSample(17.0, 0.1)
    at = [tick_time_ns(tick, START_NS) for tick in (0, 19, 20, 49)]
    assert [clip.commands.command_at(t_ns) for t_ns in at] == ["none", "none", "left", "left"]


def test_keyframes_are_staggered_and_there_are_no_b_frames(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip")
    keys = []
    for camera in CAMERAS[:3]:
        with av.open(str(tmp_path / "clip" / f"{camera}.mp4")) as container:
            pictures = list(container.decode(video=0))
            keys.append({index for index, picture in enumerate(pictures) if picture.key_frame})
            assert not any(picture.pict_type == av.video.frame.PictureType.B for picture in pictures)
    assert keys == [{0, 36}, {0, 12, 48}, {0, 24}]


def test_what_was_recorded_before_a_crash_is_a_readable_clip(tools: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ClipWriter(tmp_path / "clip", small_rig(1)) as writer:
        for tick in range(5):
            writer.write([rgb(tools, tick)], tick_time_ns(tick), {"v_mps": 1.0}, "none")
        raise RuntimeError("the simulator broke")
    assert tools.replay(tmp_path / "clip").numbers[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_frames_of_the_decoder_can_be_written_as_they_are(tools: Any, tmp_path: Path) -> None:
    picture = av.VideoFrame.from_ndarray(tools.numbered_luma(77, 128, 96), format="gray").reformat(format="yuv420p")
    with ClipWriter(tmp_path / "clip", small_rig(1)) as writer:
        writer.write([picture], 0)
    assert tools.replay(tmp_path / "clip").numbers.tolist() == [[77] + [-1] * 7]


def test_a_camera_without_a_single_picture_leaves_no_file(tools: Any, tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "clip", small_rig(2)) as writer:
        writer.write([rgb(tools, 1), None], 0)
    assert [stream.name for stream in open_clip(tmp_path / "clip").streams if stream] == ["front_main"]


def test_a_recording_that_ends_before_its_first_picture_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        ClipWriter(tmp_path / "clip", small_rig(1)).close()
    assert list((tmp_path / "clip").iterdir()) == []


def test_a_folder_that_holds_a_clip_is_not_overwritten(tools: Any, tmp_path: Path) -> None:
    write_clip(tools, tmp_path / "clip", ticks=1)
    with pytest.raises(OutputError, match="clip"):
        ClipWriter(tmp_path / "clip", small_rig())


@pytest.mark.parametrize(
    ("images", "timestamp_ns", "command", "fact"),
    [(2, 0, "none", "2 pictures"), (1, -5, "none", "-5 ns"), (1, 5, "fly", "fly")],
)
def test_a_moment_that_does_not_fit_is_refused(
    tools: Any, tmp_path: Path, images: int, timestamp_ns: int, command: str, fact: str
) -> None:
    with ClipWriter(tmp_path / "clip", small_rig(1)) as writer:
        writer.write([rgb(tools, 0)], 0)
        with pytest.raises(ClipError, match=fact):
            writer.write([rgb(tools, 1)] * images, timestamp_ns, command=command)


def test_pictures_of_the_wrong_size_or_kind_are_refused(tools: Any, tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "clip", small_rig(1)) as writer:
        with pytest.raises(ClipError, match=r"64x48.*128x96") as caught:
            writer.write([np.zeros((48, 64, 3), np.uint8)], 0)
        assert caught.value.camera == "front_main"
        with pytest.raises(ClipError, match=r"\(96, 128\).*\(H, W, 3\)"):
            writer.write([np.zeros((96, 128), np.uint8)], 1)
        writer.write([rgb(tools, 3)], 2)


def test_an_encoder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="h2650"):
        ClipWriter(tmp_path / "clip", small_rig(1), codec="h2650")


def test_a_size_that_the_encoder_does_not_take_is_refused(tools: Any, tmp_path: Path) -> None:
    rig = Rig(name="odd", cameras=canonical_rig(127, 95).cameras[:1])
    with pytest.raises(ClipError, match="even sizes"):
        ClipWriter(tmp_path / "clip", rig).write([np.zeros((95, 127, 3), np.uint8)], 0)


def test_a_clip_on_a_full_disk_keeps_what_was_recorded(small_disk: Callable[[int], Path]) -> None:
    noise, clip = np.random.default_rng(0), small_disk(3000) / "clip"
    with (
        pytest.raises(OutputError) as raised,
        result_folder(clip, "record", ()),
        ClipWriter(clip, canonical_rig(64, 48)) as writer,
    ):
        for tick in range(400):
            writer.write([noise.integers(0, 256, (48, 64, 3), dtype=np.uint8)] * 8, tick_time_ns(tick))
    assert raised.value.exit_code == 6
    with FrameSource(open_clip(clip)) as source:
        frame_sets = list(source)
    assert 100 < len(frame_sets) < 400
    assert all(frame is not None for frame in frame_sets[0].frames)


def test_a_clip_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "rear.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"rear\.mp4"):
        ClipWriter(tmp_path, canonical_rig(64, 48))
    assert [path.name for path in tmp_path.iterdir()] == ["rear.mp4"]
