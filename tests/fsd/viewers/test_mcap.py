"""The file is read with the `mcap` reader and decoded by the schemas inside it, not by the classes that wrote it."""

import builtins
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("mcap", reason="the extra `viewer` is not installed")
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS
from fsd.data.open_clip import open_clip
from fsd.data.standard_rigs import canonical_rig
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.viewers.clip_video import why_not_passed_through

TICKS = 40
Messages = dict[str, list[tuple[int, Any]]]


def read(path: Path) -> Messages:
    """Topic -> (log time, decoded message) in order."""
    found: Messages = defaultdict(list)
    protobuf = DecoderFactory()
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            decode = protobuf.decoder_for(channel.message_encoding, schema) or json.loads
            found[channel.topic].append((message.log_time, decode(message.data)))
    return found


def stamp_ns(timestamp: Any) -> int:
    return int(timestamp.seconds) * 10**9 + int(timestamp.nanos)


def decoded(messages: list[tuple[int, Any]]) -> list[np.ndarray]:
    """What a viewer shows: every message fed alone to a fresh decoder, one picture each."""
    decoder = av.CodecContext.create("h264" if messages[0][1].format == "h264" else "hevc", "r")
    decoder.thread_count = 1
    pictures = []
    for _, message in messages:
        pictures += decoder.decode(av.Packet(message.data))
    return [picture.to_ndarray(format="gray") for picture in pictures + decoder.decode(None)]


def replayed(clip: Path, out: Path, **settings: Any) -> Any:
    config = ReplayConfig(clip=clip, out=out, overlay=False, report=False, **settings)
    return replay(config, show_progress=False)


@pytest.fixture(scope="module")
def out(small_clip: Path, untrained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mcap")
    replayed(small_clip, folder, model=untrained_model)
    return folder


@pytest.fixture(scope="module")
def messages(out: Path) -> Messages:
    return read(out / "drive.mcap")


def test_every_camera_has_every_picture_at_its_own_nanosecond(messages: Messages, small_clip: Path) -> None:
    for name in CAMERAS:
        times_ns = pq.read_table(small_clip / f"{name}.timestamps.parquet")["t_ns"].to_pylist()
        video = messages[f"/camera/{name}/video"]
        assert [log_time for log_time, _ in video] == times_ns
        assert [stamp_ns(message.timestamp) for _, message in video] == times_ns


def test_passed_video_decodes_to_the_pictures_of_the_recording(messages: Messages, small_clip: Path) -> None:
    with av.open(str(small_clip / "rear.mp4")) as container:
        recorded = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
    shown = decoded(messages["/camera/rear/video"])
    assert len(shown) == TICKS
    assert all(np.array_equal(one, other) for one, other in zip(recorded, shown, strict=True))


def test_every_key_frame_carries_its_parameter_sets(messages: Messages) -> None:
    data = [message.data for _, message in messages["/camera/front_main/video"]]
    keys = [packet for packet in data if b"\x00\x00\x01\x65" in packet]
    assert keys
    assert all(b"\x00\x00\x01\x67" in packet and b"\x00\x00\x01\x68" in packet for packet in keys)
    assert data[0] in keys


def test_every_tick_has_a_plan_timings_and_health(messages: Messages, out: Path) -> None:
    times_ns = pq.read_table(out / "plan.parquet")["t_ns"].to_pylist()
    for topic in ("/plan", "/timings", "/control", "/ego", "/health", "/tf"):
        assert [log_time for log_time, _ in messages[topic]] == times_ns, topic


def test_plottable_values_are_those_of_the_tables(messages: Messages, out: Path) -> None:
    curvature = pq.read_table(out / "plan.parquet")["curvature_per_m"].to_pylist()
    assert [value["curvature_per_m"] for _, value in messages["/control"]] == pytest.approx(curvature)


def test_json_topics_describe_every_field_they_hold(out: Path) -> None:
    with (out / "drive.mcap").open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages(
            topics=["/timings", "/control", "/ego", "/health"]
        ):
            assert schema is not None
            assert schema.encoding == "jsonschema"
            assert set(json.loads(message.data)) <= set(json.loads(schema.data)["properties"]), channel.topic


def test_the_car_is_where_it_drove(messages: Messages) -> None:
    transform = messages["/tf"][36][1].transforms[0]
    assert (transform.parent_frame_id, transform.child_frame_id) == ("world", "ego")
    assert transform.translation.x == pytest.approx(10.0)


def test_every_camera_hangs_on_the_car_and_is_calibrated(messages: Messages) -> None:
    (_, mounting), rig = messages["/tf_static"][0], canonical_rig(128, 96)
    children = {transform.child_frame_id: transform for transform in mounting.transforms}
    for camera in rig.cameras:
        _, calibration = messages[f"/camera/{camera.name}/calibration"][0]
        transform = children[calibration.frame_id]
        assert transform.parent_frame_id == "ego"
        assert transform.translation.x == pytest.approx(camera.ego_from_camera.translation_m[0])
        assert transform.rotation.w == pytest.approx(camera.ego_from_camera.rotation_wxyz[0])
        assert (calibration.width, calibration.height) == (128, 96)
        assert calibration.K[0] == pytest.approx(camera.intrinsics.fx_px)  # type: ignore[union-attr]


def test_gaze_lies_on_the_picture_that_it_was_read_from(messages: Messages, out: Path) -> None:
    ticks = pq.read_table(out / "ticks.parquet")
    for tick in (0, 17):
        cameras = np.array(ticks["patch_camera"][tick].as_py())
        for index, name in enumerate(CAMERAS):
            annotations = messages[f"/camera/{name}/gaze"][tick][1]
            corners = [corner for shape in annotations.points for corner in shape.points]
            assert len(corners) == 8 * (cameras == index).sum()
            assert all(0 <= corner.x <= 128 and 0 <= corner.y <= 96 for corner in corners)
            assert stamp_ns(annotations.timestamp) == messages[f"/camera/{name}/video"][tick][0]


def test_keyframes_are_events(messages: Messages, out: Path) -> None:
    keyframes = pq.read_table(out / "ticks.parquet")["is_keyframe"].to_pylist()
    assert len(messages["/keyframes"]) == sum(any(row) for row in keyframes)


def test_an_untrained_network_is_said_in_the_scene_and_in_the_metadata(messages: Messages, out: Path) -> None:
    assert "UNTRAINED" in messages["/plan"][0][1].entities[0].texts[0].text
    with (out / "drive.mcap").open("rb") as file:
        (record,) = make_reader(file).iter_metadata()
    assert record.metadata["network"].startswith("untrained")


def test_the_summary_says_how_the_video_got_in(out: Path) -> None:
    viewer = json.loads((out / "summary.json").read_text())["viewer_file"]
    video = dict.fromkeys(CAMERAS, "passed through")
    assert viewer == {"file": "drive.mcap", "layout": "drive_layout.json", "video": video, "why": None}


def one_camera(folder: Path, codec: str, options: dict[str, str], times_ns: list[int]) -> Path:
    """A clip of `front_main` alone with a square that moves."""
    rig = canonical_rig(128, 96)
    with ClipWriter(folder, rig, codec=codec, options={**options, "threads": "1"}) as writer:
        for index, time_ns in enumerate(times_ns):
            image = np.full((96, 128, 3), 60, np.uint8)
            image[20:60, index % 80 : index % 80 + 30] = 200
            writer.write([image] + [None] * 7, time_ns)
    for path in folder.iterdir():
        if not path.name.startswith(("front_main", "rig")):
            path.unlink()
    return folder


def test_a_camera_with_b_frames_is_encoded_anew_and_said_so(tmp_path: Path) -> None:
    times_ns = [tick_time_ns(tick) + 123 for tick in range(30)]
    clip = one_camera(tmp_path / "clip", "libx264", {"preset": "medium", "bf": "2", "g": "12"}, times_ns)
    summary = replayed(clip, tmp_path)
    assert re.match("encoded anew: .*B-frames", summary.viewer_file.video["front_main"])
    video = read(tmp_path / "drive.mcap")["/camera/front_main/video"]
    assert [log_time for log_time, _ in video] == times_ns
    shown = decoded(video)
    assert len(shown) == 30
    assert shown[10][40, 25] > 150 > shown[10][40, 100]


def test_h265_is_passed_through(tmp_path: Path) -> None:
    times_ns = [tick_time_ns(tick) for tick in range(12)]
    options = {"preset": "ultrafast", "x265-params": "bframes=0:log-level=error"}
    clip = one_camera(tmp_path / "clip", "libx265", options, times_ns)
    assert replayed(clip, tmp_path).viewer_file.video["front_main"] == "passed through"
    video = read(tmp_path / "drive.mcap")["/camera/front_main/video"]
    assert {message.format for _, message in video} == {"h265"}
    assert len(decoded(video)) == 12


def test_pictures_that_no_tick_shows_keep_their_times_and_their_packets(tmp_path: Path) -> None:
    times_ns = [1_000_000_007 + 9_876_543 * index for index in range(60)]  # about 101 pictures a second
    clip = one_camera(tmp_path / "clip", "libx264", {"preset": "ultrafast", "tune": "zerolatency"}, times_ns)
    replayed(clip, tmp_path)
    video = read(tmp_path / "drive.mcap")["/camera/front_main/video"]
    assert [log_time for log_time, _ in video] == times_ns[: len(video)]
    assert len(video) > 50
    assert len(decoded(video)) == len(video)


def test_part_files_that_overlap_join_without_a_lost_or_doubled_picture(tmp_path: Path) -> None:
    """The repeated picture of a later part is an I-frame that the pictures after it need."""
    noise = np.random.default_rng(0).integers(0, 255, (96, 160, 3), dtype=np.uint8)
    clip = tmp_path / "clip"
    for camera in ("front_main", "rear"):
        (clip / camera).mkdir(parents=True)
        for part in range(2):
            with av.open(str(clip / camera / f"clip_{part}.mp4"), "w") as container:
                stream = container.add_stream("libx264", rate=Fraction(36), options={"tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
                for index in range(part * 14, part * 14 + 15):
                    image = np.ascontiguousarray(noise[:, index : index + 128])
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
    assert open_clip(clip).streams[0].overlap_frames == 1  # type: ignore[union-attr]
    replayed(clip, tmp_path)
    messages = read(tmp_path / "drive.mcap")
    shown = decoded(messages["/camera/front_main/video"])
    frames = pq.read_table(tmp_path / "ticks.parquet")["frame_index"].to_pylist()
    assert len(shown) == frames[-1][0] + 1 == 29
    times_ns = [log_time for log_time, _ in messages["/camera/front_main/video"]]
    assert np.diff(times_ns) == pytest.approx(1e9 / 36, abs=2)


def test_a_codec_that_viewers_do_not_play_is_encoded_anew(tmp_path: Path) -> None:
    options = {"qscale": "5", "strict": "unofficial"}
    clip = one_camera(tmp_path / "clip", "mjpeg", options, [tick_time_ns(tick) for tick in range(4)])
    assert "mjpeg" in (why_not_passed_through(open_clip(clip).streams[0]) or "")  # type: ignore[arg-type]


def test_a_file_that_breaks_off_gives_what_it_has(small_clip: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    shutil.copytree(small_clip, clip)
    with av.open(str(clip / "rear.mp4")) as source, av.open(str(clip / "rear.ts"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    (clip / "rear.mp4").unlink()
    whole = (clip / "rear.ts").read_bytes()
    (clip / "rear.ts").write_bytes(whole[: len(whole) // 2])
    summary = replayed(clip, tmp_path / "out")
    assert summary.status == "complete"
    messages = read(tmp_path / "out" / "drive.mcap")
    assert 0 < len(messages["/camera/rear/video"]) < TICKS
    assert len(messages["/camera/front_main/video"]) == TICKS


def test_when_packets_do_not_go_as_far_as_the_pictures_the_camera_is_encoded(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from itertools import islice

    from fsd.viewers import clip_video

    numbered = clip_video._numbered
    monkeypatch.setattr(clip_video, "_numbered", lambda stream: (packet for packet in islice(numbered(stream), 10)))
    summary = replayed(small_clip, tmp_path)
    assert summary.viewer_file.video["rear"].startswith("passed through, then encoded anew")
    assert len(read(tmp_path / "drive.mcap")["/camera/rear/video"]) == TICKS


def test_without_the_extra_the_replay_says_so_and_goes_on(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "fsd.viewers.mcap_writer":
            raise ImportError("No module named 'mcap'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    summary = replayed(small_clip, tmp_path, max_ticks=3)
    assert summary.status == "complete"
    assert summary.viewer_file.file is None
    assert "viewer" in summary.viewer_file.why


def test_a_run_that_stops_leaves_a_file_that_can_be_read(small_clip: Path, tmp_path: Path) -> None:
    from fsd.outputs.tables import ResultTables

    append = ResultTables.append

    def stop(self: ResultTables, *args: Any) -> None:
        if args[0].plan.tick == 9:
            raise KeyboardInterrupt
        append(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultTables, "append", stop)
        with pytest.raises(KeyboardInterrupt):
            replayed(small_clip, tmp_path)
    assert len(read(tmp_path / "drive.mcap")["/plan"]) == 9


def test_messages_reach_the_disk_while_the_replay_runs(small_clip: Path, tmp_path: Path) -> None:
    """Nothing is held longer than a chunk."""
    from fsd.viewers import mcap_writer
    from fsd.viewers.mcap_writer import DriveMcap

    sizes: list[int] = []
    add = DriveMcap.add

    def measured(self: DriveMcap, *args: Any) -> None:
        add(self, *args)
        sizes.append((tmp_path / "drive.mcap").stat().st_size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mcap_writer, "CHUNK_BYTES", 20_000)
        patch.setattr(DriveMcap, "add", measured)
        replayed(small_clip, tmp_path)
    assert sizes[20] > sizes[10] > 0
