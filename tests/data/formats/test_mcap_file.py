"""Tiny MCAP files written with the libraries of the formats' makers, read back through `open_clip`."""

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("mcap_ros2", reason="the extra `mcap` is not installed")
pytest.importorskip("foxglove_schemas_protobuf", reason="the extra `viewer` is not installed")
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from mcap_protobuf.writer import Writer as ProtobufWriter
from mcap_ros2.writer import Writer as RosWriter
from PIL import Image

from fsd.data.clip import Clip
from fsd.data.errors import ClipError
from fsd.data.formats.mcap_file.mcap_index import MAGIC, _opened
from fsd.data.formats.mcap_file.topic_names import camera_of_topic
from fsd.data.open_clip import detect, open_clip, recordings_in
from fsd.data.rig import Fisheye, Pinhole
from fsd.data.standard_rigs import assumed_rig

UNIX_S = 1_700_000_000
SIZE = (128, 96)
PERIOD_NS = 27_777_778
HEADER = "std_msgs/Header header"
ROS_HEADER = """
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""
QUATERNION = "\n====\nMSG: geometry_msgs/Quaternion\nfloat64 x\nfloat64 y\nfloat64 z\nfloat64 w\n".replace(
    "====", "=" * 80
)
VECTOR = "\n====\nMSG: geometry_msgs/Vector3\nfloat64 x\nfloat64 y\nfloat64 z\n".replace("====", "=" * 80)
POINT = VECTOR.replace("Vector3", "Point")
TWIST = "\n====\nMSG: geometry_msgs/Twist\ngeometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular\n".replace(
    "====", "=" * 80
)
DEFINITIONS = {
    "sensor_msgs/msg/CompressedImage": f"{HEADER}\nstring format\nuint8[] data" + ROS_HEADER,
    "sensor_msgs/msg/Image": f"{HEADER}\nuint32 height\nuint32 width\nstring encoding\n"
    "uint8 is_bigendian\nuint32 step\nuint8[] data" + ROS_HEADER,
    "sensor_msgs/msg/CameraInfo": f"{HEADER}\nuint32 height\nuint32 width\nstring distortion_model\nfloat64[] d\n"
    "float64[9] k\nfloat64[9] r\nfloat64[12] p\n" + ROS_HEADER,
    "tf2_msgs/msg/TFMessage": "geometry_msgs/TransformStamped[] transforms\n"
    + "=" * 80
    + f"\nMSG: geometry_msgs/TransformStamped\n{HEADER}\nstring child_frame_id\ngeometry_msgs/Transform transform\n"
    + "=" * 80
    + "\nMSG: geometry_msgs/Transform\ngeometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation\n"
    + (ROS_HEADER + VECTOR + QUATERNION).lstrip("\n"),
    "geometry_msgs/msg/TwistStamped": f"{HEADER}\ngeometry_msgs/Twist twist" + ROS_HEADER + (TWIST + VECTOR)[1:],
    "nav_msgs/msg/Odometry": f"{HEADER}\nstring child_frame_id\ngeometry_msgs/PoseWithCovariance pose\n"
    "geometry_msgs/TwistWithCovariance twist"
    + ROS_HEADER
    + "=" * 80
    + "\nMSG: geometry_msgs/PoseWithCovariance\ngeometry_msgs/Pose pose\nfloat64[36] covariance\n"
    + "=" * 80
    + "\nMSG: geometry_msgs/TwistWithCovariance\ngeometry_msgs/Twist twist\nfloat64[36] covariance\n"
    + "=" * 80
    + "\nMSG: geometry_msgs/Pose\ngeometry_msgs/Point position\ngeometry_msgs/Quaternion orientation"
    + TWIST
    + VECTOR[1:]
    + POINT[1:]
    + QUATERNION[1:],
}
"""ROS 2 message definitions, as a recorder stores them."""


def times_ns(count: int, start_ns: int = UNIX_S * 10**9 + 5) -> list[int]:
    return [start_ns + k * PERIOD_NS for k in range(count)]


def stamp(time_ns: int) -> Timestamp:
    return Timestamp(seconds=time_ns // 10**9, nanos=time_ns % 10**9)


def header(time_ns: int, frame_id: str = "") -> dict[str, Any]:
    return {"stamp": {"sec": time_ns // 10**9, "nanosec": time_ns % 10**9}, "frame_id": frame_id}


class Ros:
    """A ROS 2 recording."""

    def __init__(self, writer: RosWriter) -> None:
        self._writer = writer
        self._schemas: dict[str, Any] = {}

    def write(self, topic: str, kind: str, message: dict[str, Any], log_time_ns: int) -> None:
        if kind not in self._schemas:
            self._schemas[kind] = self._writer.register_msgdef(kind, DEFINITIONS[kind])
        self._writer.write_message(topic, self._schemas[kind], message, log_time_ns)


@contextmanager
def ros(path: Path, chunk_size: int = 20_000) -> Iterator[Ros]:
    with path.open("wb") as file:
        writer = RosWriter(file, chunk_size=chunk_size)
        yield Ros(writer)
        writer.finish()


def jpeg(luma: np.ndarray, format: str = "JPEG") -> bytes:
    file = BytesIO()
    Image.fromarray(luma).convert("RGB").save(file, format, quality=92)
    return file.getvalue()


def encoded(lumas: Sequence[np.ndarray], codec: str, **options: str) -> list[bytes]:
    """One access unit per picture, in Annex B form for H.264 and H.265."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.options = Fraction(1, 36), Fraction(36), options
    packets: list[bytes] = []
    for number, luma in enumerate([*lumas, None]):
        frame = None if luma is None else av.VideoFrame.from_ndarray(luma, "gray").reformat(format="yuv420p")
        if frame is not None:
            frame.pts, frame.time_base = number, Fraction(1, 36)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


VIDEO_OPTIONS = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1:keyint=8"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1:pred-struct=1"},
}


@pytest.fixture
def lumas(tools: Any) -> list[np.ndarray]:
    return [tools.numbered_luma(number, *SIZE) for number in range(12)]


def shown(tools: Any, clip: Clip, camera: int = 0) -> tuple[list[int], list[int]]:
    """Numbers in the pictures of one camera, and their times, from the stream itself."""
    from fsd.data.planes import luma_of
    from fsd.data.sync_report import CameraCounters

    stream = clip.streams[camera]
    assert stream is not None
    pictures = list(stream.pictures(CameraCounters()))
    return [tools.number_in(luma_of(each.picture)) for each in pictures], [each.timestamp_ns for each in pictures]


@pytest.mark.parametrize(
    ("format", "codec"), [("h264", "libx264"), ("h265", "libx265"), ("av1", "libsvtav1")], ids=["h264", "h265", "av1"]
)
def test_foxglove_video_keeps_every_picture_at_its_own_time(
    tools: Any, tmp_path: Path, lumas: list[np.ndarray], format: str, codec: str
) -> None:
    path, times = tmp_path / "drive.mcap", times_ns(12)
    with path.open("wb") as file, ProtobufWriter(file) as writer:
        for time_ns, data in zip(times, encoded(lumas, codec, **VIDEO_OPTIONS[codec]), strict=True):
            message = CompressedVideo(timestamp=stamp(time_ns), frame_id="cam", data=data, format=format)
            writer.write_message("/camera/front_main/video", message, log_time=time_ns + 7_000_000)
    clip = open_clip(path)
    assert (clip.format, clip.files) == ("mcap", (path,))
    assert shown(tools, clip) == (list(range(12)), times)
    stream = clip.streams[0]
    assert stream is not None
    assert (stream.width_px, stream.height_px) == SIZE
    assert (stream.start_ns, stream.end_ns, round(float(stream.rate_hz), 2)) == (times[0], times[-1], 36.0)
    assert clip.wall_clock is not None
    assert clip.wall_clock.text_at(times[0]).startswith("2023-11-14 22:13:20")


def test_b_frames_in_a_video_topic_keep_their_times(tools: Any, tmp_path: Path, lumas: list[np.ndarray]) -> None:
    encoder_order = []
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 36), {"bf": "2", "b_strategy": "0", "preset": "veryfast"}
    for number, luma in enumerate([*lumas, None]):
        frame = None if luma is None else av.VideoFrame.from_ndarray(luma, "gray").reformat(format="yuv420p")
        if frame is not None:
            frame.pts = number
        encoder_order += [(packet.pts or 0, bytes(packet)) for packet in encoder.encode(frame)]
    path, times = tmp_path / "drive.mcap", times_ns(12)
    with path.open("wb") as file, ProtobufWriter(file) as writer:
        for place, (number, data) in enumerate(encoder_order):
            message = CompressedVideo(timestamp=stamp(times[number]), data=data, format="h264")
            writer.write_message("/front/video", message, log_time=times[place])
    assert [number for number, _ in encoder_order] != list(range(12))
    assert shown(tools, open_clip(path)) == (list(range(12)), times)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_foxglove_images_in_json(tools: Any, tmp_path: Path, lumas: list[np.ndarray], format: str) -> None:
    path, times = tmp_path / "drive.mcap", times_ns(5)
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.LZ4)
        writer.start()
        schema = writer.register_schema("foxglove.CompressedImage", "jsonschema", b'{"type": "object"}')
        channel = writer.register_channel("/CAM_BACK/image_rect_compressed", "json", schema)
        for time_ns, luma in zip(times, lumas[:5], strict=True):
            message = {
                "timestamp": {"sec": time_ns // 10**9, "nsec": time_ns % 10**9},
                "frame_id": "",
                "format": format.lower(),
                "data": base64.b64encode(jpeg(luma, format)).decode(),
            }
            writer.add_message(channel, time_ns + 5, json.dumps(message).encode(), time_ns + 5)
        writer.finish()
    clip = open_clip(path)
    assert shown(tools, clip, camera=7) == (list(range(5)), times)


def raw(luma: np.ndarray, encoding: str, padding: int) -> dict[str, Any]:
    """A ROS image of a grey picture, with unused bytes at the end of every row."""
    pixel = {
        "rgb8": lambda: np.repeat(luma[:, :, None], 3, axis=2),
        "bgr8": lambda: np.repeat(luma[:, :, None], 3, axis=2),
        "mono8": lambda: luma,
        "yuv422": lambda: np.stack([np.full_like(luma, 128), luma], axis=2),  # U Y V Y
        "yuv422_yuy2": lambda: np.stack([luma, np.full_like(luma, 128)], axis=2),
    }[encoding]()
    rows = np.pad(pixel.reshape(luma.shape[0], -1), ((0, 0), (0, padding)))
    return {"height": luma.shape[0], "width": luma.shape[1], "encoding": encoding, "is_bigendian": 0} | {
        "step": rows.shape[1],
        "data": rows.tobytes(),
    }


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "yuv422", "yuv422_yuy2"])
def test_raw_ros_images(tools: Any, tmp_path: Path, encoding: str) -> None:
    path, times = tmp_path / "bag.mcap", times_ns(3)
    with ros(path, chunk_size=1000) as bag:
        for number, time_ns in enumerate(times):
            luma = tools.numbered_luma(number, 32, 24)
            message = {"header": header(time_ns, "cam")} | raw(luma, encoding, padding=6)
            bag.write("/camera/front_left/image_raw", "sensor_msgs/msg/Image", message, time_ns + 99)
    assert shown(tools, open_clip(path), camera=3) == ([0, 1, 2], times)


def test_raw_colours_are_not_swapped(tmp_path: Path) -> None:
    from fsd.data.sync_report import CameraCounters

    for encoding, colour in (("rgb8", (200, 0, 0)), ("bgr8", (0, 0, 200))):
        path = tmp_path / f"{encoding}.mcap"
        pixels = np.full((24, 32, 3), colour, np.uint8)
        message = {"header": header(10**9), "height": 24, "width": 32, "encoding": encoding, "is_bigendian": 0}
        with ros(path) as bag:
            bag.write("/rear/image", "sensor_msgs/msg/Image", message | {"step": 96, "data": pixels.tobytes()}, 5)
        stream = open_clip(path).streams[7]
        assert stream is not None
        (picture,) = stream.pictures(CameraCounters())
        assert picture.picture.to_ndarray(format="rgb24")[10, 10].tolist() == [200, 0, 0]


def ros_drive(path: Path, tools: Any, stamps: bool = True, ticks: int = 6, first: int = 0) -> list[int]:
    """Two cameras as JPEG, calibration, transforms and odometry."""
    times = times_ns(ticks, UNIX_S * 10**9 + first * PERIOD_NS)
    with ros(path) as bag:
        turn = {"x": -0.5, "y": 0.5, "z": -0.5, "w": 0.5}  # optical frame in a frame with x forward
        links = [
            ("base_link", "mast", (1.0, 0.0, 1.0), {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}),
            ("mast", "front_optical", (0.5, 0.25, 0.5), turn),
            ("base_link", "back_link", (-0.5, 0.0, 1.0), {"x": 0.0, "y": 0.0, "z": 1.0, "w": 0.0}),
        ]
        transforms = [
            {
                "header": header(times[0], parent),
                "child_frame_id": child,
                "transform": {"translation": dict(zip("xyz", place, strict=True)), "rotation": rotation},
            }
            for parent, child, place, rotation in links
        ]
        bag.write("/tf_static", "tf2_msgs/msg/TFMessage", {"transforms": transforms}, times[0])
        for topic, model, d in (
            ("front", "plumb_bob", [0.1, -0.2, 0.01, 0.02, 0.3]),
            ("back", "equidistant", [0.1] * 4),
        ):
            info = {"height": 192, "width": 256, "distortion_model": model, "d": d, "p": [0.0] * 12, "r": [0.0] * 9}
            info |= {"header": header(times[0], f"{topic}_optical"), "k": [200.0, 0, 127.5, 0, 210.0, 95.5, 0, 0, 1]}
            bag.write(f"/camera/{topic}/camera_info", "sensor_msgs/msg/CameraInfo", info, times[0])
        for number, time_ns in enumerate(times):
            for topic, frame in (("front", "front_optical"), ("back", "back_link")):
                image = {
                    "header": header(time_ns if stamps else 0, frame),
                    "format": "jpeg",
                    "data": jpeg(tools.numbered_luma(first + number, *SIZE)),
                }
                bag.write(f"/camera/{topic}/image/compressed", "sensor_msgs/msg/CompressedImage", image, time_ns + 1000)
            at_s = (first + number) * PERIOD_NS / 1e9
            pose = {"position": {"x": 10 * at_s, "y": 2.0, "z": 0.0}}
            pose["orientation"] = {"x": 0.0, "y": 0.0, "z": math.sin(0.1), "w": math.cos(0.1)}
            twist = {"linear": {"x": 10.0, "y": 0.0, "z": 0.0}, "angular": {"x": 0.0, "y": 0.0, "z": 0.05}}
            odometry = {"header": header(time_ns, "odom"), "child_frame_id": "base_link"}
            odometry |= {"pose": {"pose": pose, "covariance": [0.0] * 36}}
            odometry |= {"twist": {"twist": twist, "covariance": [0.0] * 36}}
            bag.write("/odometry", "nav_msgs/msg/Odometry", odometry, time_ns + 2000)
    return times


def test_a_ros_drive_has_cameras_calibration_poses_and_ego(tools: Any, tmp_path: Path) -> None:
    times = ros_drive(tmp_path / "bag.mcap", tools)
    clip = open_clip(tmp_path / "bag.mcap")
    for camera in (0, 7):
        assert shown(tools, clip, camera) == (list(range(6)), times)
    assert not clip.rig_is_assumed
    front, back = clip.rig.camera("front_main"), clip.rig.camera("rear")
    assert front is not None
    assert back is not None
    assert isinstance(front.intrinsics, Pinhole)  # of pictures half as large as those that were calibrated
    assert (front.intrinsics.fx_px, front.intrinsics.cx_px, front.intrinsics.cy_px) == (100.0, 63.5, 47.5)
    assert front.intrinsics.distortion == (0.1, -0.2, 0.01, 0.02, 0.3)
    assert isinstance(back.intrinsics, Fisheye)
    assert front.ego_from_camera.matrix()[:3, 3] == pytest.approx([1.5, 0.25, 1.5])
    assert front.ego_from_camera.matrix()[:3, 2] == pytest.approx([1, 0, 0])  # looks forward
    assert back.ego_from_camera.matrix()[:3, 2] == pytest.approx([-1, 0, 0])  # of a frame with x forward: noted
    assert any("back_link" in note for note in clip.notes)
    assert clip.ego is not None
    assert clip.ego.timestamp_ns.tolist() == times
    assert clip.ego.speed_mps == pytest.approx([10.0] * 6)
    assert clip.ego.yaw_rate_rps == pytest.approx([0.05] * 6)
    assert clip.ego.yaw_rad == pytest.approx([0.2] * 6)
    assert clip.ego.x_m[-1] == pytest.approx(50 * PERIOD_NS / 1e9)


def test_without_stamps_the_log_times_are_taken_and_noted(tools: Any, tmp_path: Path) -> None:
    times = ros_drive(tmp_path / "bag.mcap", tools, stamps=False)
    clip = open_clip(tmp_path / "bag.mcap")
    assert shown(tools, clip)[1] == [time_ns + 1000 for time_ns in times]
    assert any("/camera/front/image/compressed" in note and "times" in note for note in clip.notes)


def test_a_bag_folder_is_one_recording_of_several_files(tools: Any, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    for part in range(11):  # the tenth part sorts before the second by name
        ros_drive(bag / f"bag_{part}.mcap", tools, ticks=2, first=2 * part)
    paths = "".join(f"    - bag_{part}.mcap\n" for part in range(11))
    text = (
        f"rosbag2_bagfile_information:\n  version: 5\n  relative_file_paths:\n{paths}  duration:\n    nanoseconds: 1\n"
    )
    (bag / "metadata.yaml").write_text(text, encoding="utf-8")
    assert recordings_in([bag]) == [bag]
    clip = open_clip(bag)
    assert shown(tools, clip)[0] == list(range(22))
    replayed = tools.replay(bag, workers=2)
    assert (replayed.numbers[:, 0] == replayed.numbers[:, 7]).all()
    assert clip.ego is not None
    assert len(clip.ego.timestamp_ns) == 22


@pytest.mark.parametrize("wrong_mps", [5.0, np.inf, np.nan, 1e300])
def test_a_twist_gives_speed_and_a_path_also_with_a_wrong_row(tools: Any, tmp_path: Path, wrong_mps: float) -> None:
    with ros(tmp_path / "bag.mcap") as bag:
        for number, time_ns in enumerate(times_ns(37)):
            image = {"header": header(time_ns), "format": "png", "data": jpeg(tools.numbered_luma(number, 32, 24))}
            bag.write("/front/compressed", "sensor_msgs/msg/CompressedImage", image, time_ns)
            for topic, speed_mps in (("/cmd_vel", 99.0), ("/vehicle/twist", 5.0)):
                shown_mps = wrong_mps if number == 10 else speed_mps
                linear, angular = {"x": shown_mps, "y": 0.0, "z": 0.0}, {"x": 0.0, "y": 0.0, "z": 0.0}
                twist = {"header": header(time_ns), "twist": {"linear": linear, "angular": angular}}
                bag.write(topic, "geometry_msgs/msg/TwistStamped", twist, time_ns)
    clip = open_clip(tmp_path / "bag.mcap")
    ego = clip.ego
    assert ego is not None
    assert ego.x_m[-1] == pytest.approx(5.0, abs=1e-6)
    assert set(ego.speed_mps) == {5.0}
    assert any("1 of 37 rows" in note for note in clip.notes) == (wrong_mps != 5.0)


def test_foxglove_calibration_and_transforms(tools: Any, tmp_path: Path, lumas: list[np.ndarray]) -> None:
    path, times = tmp_path / "drive.mcap", times_ns(3)
    with path.open("wb") as file, ProtobufWriter(file) as writer:
        transform = FrameTransform(timestamp=stamp(times[0]), parent_frame_id="base_link", child_frame_id="lens")
        transform.translation.x, transform.translation.z = 2.0, 1.5
        rotation = transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
        writer.write_message("/tf", transform, log_time=times[0])
        calibration = CameraCalibration(timestamp=stamp(times[0]), frame_id="lens", width=128, height=96)
        calibration.K.extend([90, 0, 60, 0, 91, 40, 0, 0, 1])
        calibration.D.extend([0.5] * 5)
        calibration.P.extend([80, 0, 64, 0, 0, 81, 48, 0, 0, 0, 1, 0])
        calibration.distortion_model = "plumb_bob"
        for topic in ("/wide/info", "/main/info"):
            writer.write_message(topic, calibration, log_time=times[0])
        for time_ns, luma in zip(times, lumas[:3], strict=True):
            for topic in ("/wide/image_raw", "/main/image_rect", "/main/depth"):
                image = CompressedImage(timestamp=stamp(time_ns), frame_id="lens", data=jpeg(luma), format="jpeg")
                writer.write_message(topic, image, log_time=time_ns)
    rig = open_clip(path).rig
    main, wide = rig.camera("front_main"), rig.camera("front_wide")
    assert main is not None
    assert wide is not None
    assert main.intrinsics == Pinhole(fx_px=80, fy_px=81, cx_px=64, cy_px=48)  # rectified: P, no distortion
    assert wide.intrinsics == Pinhole(fx_px=90, fy_px=91, cx_px=60, cy_px=40, distortion=(0.5,) * 5)
    assert main.ego_from_camera.translation_m == pytest.approx((2.0, 0.0, 1.5))


def images(path: Path, tools: Any, topics: Sequence[str], ticks: int = 12, **settings: Any) -> Path:
    """JPEG topics in small chunks."""
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=9000, **settings)
        writer.start()
        schema = writer.register_schema("foxglove.CompressedImage", "jsonschema", b'{"type": "object"}')
        channels = {topic: writer.register_channel(topic, "json", schema) for topic in topics}
        for number, time_ns in enumerate(times_ns(ticks)):
            data = base64.b64encode(jpeg(tools.numbered_luma(number, *SIZE))).decode()
            message = {"timestamp": {"sec": time_ns // 10**9, "nsec": time_ns % 10**9}, "format": "jpeg", "data": data}
            for channel in channels.values():
                writer.add_message(channel, time_ns, json.dumps(message).encode(), time_ns)
        writer.finish()
    return path


def test_calibration_that_is_missing_is_assumed_and_noted(tools: Any, tmp_path: Path) -> None:
    clip = open_clip(images(tmp_path / "a.mcap", tools, ["/front/image"], ticks=2))
    assert clip.rig_is_assumed
    assert clip.rig == assumed_rig({"front_main": SIZE})
    assert clip.ego is None


@pytest.mark.parametrize("settings", [{"use_chunking": False}, {"repeat_channels": False}])
def test_files_without_an_index_are_read_through(tools: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    clip = open_clip(images(tmp_path / "a.mcap", tools, ["/front/image", "/back/image"], **settings))
    assert shown(tools, clip) == shown(tools, clip, camera=7) == (list(range(12)), times_ns(12))
    assert not any("cut off" in note for note in clip.notes)


@pytest.mark.parametrize("use_chunking", [True, False])
def test_a_file_that_was_cut_off_gives_what_it_has(tools: Any, tmp_path: Path, use_chunking: bool) -> None:
    path = images(tmp_path / "a.mcap", tools, ["/front/image"], use_chunking=use_chunking)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    clip = open_clip(path)
    assert any("cut off" in note for note in clip.notes)
    numbers, _ = shown(tools, clip)
    assert 3 <= len(numbers) < 12
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_damaged_chunk_costs_its_own_pictures(tools: Any, tmp_path: Path, is_cut: bool) -> None:
    from fsd.data.sync_report import CameraCounters

    path = images(tmp_path / "a.mcap", tools, ["/front/image"], ticks=40)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    (damaged, *_) = summary.chunk_indexes[2:]
    content = bytearray(path.read_bytes())
    middle = damaged.chunk_start_offset + damaged.chunk_length // 2
    content[middle : middle + 40] = bytes(40)
    if is_cut:
        del content[-30:]
    path.write_bytes(content)
    clip = open_clip(path)
    assert any("damaged" in note for note in clip.notes) == is_cut
    numbers, _ = shown(tools, clip)
    assert set(numbers) < set(range(40))
    assert len(numbers) >= 20
    counters = CameraCounters()
    assert clip.streams[0] is not None
    list(clip.streams[0].pictures(counters))
    assert counters.corrupt_packets == (0 if is_cut else 1)
    assert counters.truncated_files == is_cut


def test_a_file_with_an_index_is_not_read_through(tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsd.data.formats.mcap_file import mcap_index

    def never(*args: Any) -> Any:
        raise AssertionError(args)

    monkeypatch.setattr(mcap_index, "_by_reading_through", never)
    path = images(tmp_path / "a.mcap", tools, ["/front/image", "/back/image"], ticks=40)
    read: list[int] = []
    chunk_data = mcap_index._chunk_data
    monkeypatch.setattr(mcap_index, "_chunk_data", lambda file, at: read.append(at) or chunk_data(file, at))
    index = mcap_index.load_index(path)
    assert not read
    next(iter(index.messages("/back/image")))
    assert len(read) == 1 < len(index.chunks)


def refused(path: Path) -> str:
    with pytest.raises(ClipError) as caught:
        open_clip(path)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_files_that_cannot_be_used_are_refused_with_what_is_wrong(tools: Any, tmp_path: Path) -> None:
    empty, start = tmp_path / "empty.mcap", tmp_path / "start.mcap"
    empty.write_bytes(b"")
    start.write_bytes(images(tmp_path / "a.mcap", tools, ["/front/image"]).read_bytes()[:60])
    for path in (empty, start):
        assert str(path) in refused(path)
    unknown = images(tmp_path / "unknown.mcap", tools, ["/one/image", "/two/image"], ticks=2)
    assert "/one/image, /two/image" in refused(unknown)
    with ros(tmp_path / "bayer.mcap") as bag:
        message = {"header": header(1), "height": 2, "width": 2, "encoding": "bayer_rggb8", "is_bigendian": 0}
        bag.write("/front/image", "sensor_msgs/msg/Image", message | {"step": 2, "data": b"1234"}, 1)
    assert "bayer_rggb8" in refused(tmp_path / "bayer.mcap")
    old = tmp_path / "old.bag"
    old.write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
    assert "rosbags-convert" in refused(old)


def test_one_camera_that_cannot_be_read_is_left_out_and_said(tools: Any, tmp_path: Path) -> None:
    with ros(tmp_path / "bag.mcap") as bag:
        for number, time_ns in enumerate(times_ns(3)):
            luma = tools.numbered_luma(number, 32, 24)
            bag.write(
                "/front/image", "sensor_msgs/msg/Image", {"header": header(time_ns)} | raw(luma, "mono8", 0), time_ns
            )
            message = {"header": header(time_ns), "height": 24, "width": 32, "encoding": "16UC1", "is_bigendian": 0}
            bag.write("/rear/image", "sensor_msgs/msg/Image", message | {"step": 64, "data": bytes(1536)}, time_ns)
    clip = open_clip(tmp_path / "bag.mcap")
    assert [stream is not None for stream in clip.streams] == [True] + [False] * 7
    assert any("16UC1" in note for note in clip.notes)


def test_without_the_package_the_extra_is_named(tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    path = images(tmp_path / "a.mcap", tools, ["/front/image"], ticks=1)
    real: Callable[..., Any] = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "mcap":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert detect(path)[0].name == "mcap"
    assert "fsd[mcap]" in refused(path)


@pytest.mark.parametrize(
    ("topic", "camera"),
    [
        ("/camera/front_main/video", "front_main"),
        ("/CAM_FRONT/image_rect_compressed", "front_main"),
        ("/camera/front/left/image_raw", "left_pillar"),
        ("/front_left_camera/image", "left_pillar"),
        ("/CAM_BACK_RIGHT/image", "right_repeater"),
        ("/sensing/camera/camera0/image", None),
    ],
)
def test_a_topic_names_a_camera(topic: str, camera: str | None) -> None:
    assert camera_of_topic(topic) == camera


def test_a_folder_of_mcap_files_is_several_recordings(tools: Any, tmp_path: Path) -> None:
    paths = [images(tmp_path / name, tools, ["/front/image"], ticks=1) for name in ("a.mcap", "b.mcap")]
    assert recordings_in([tmp_path]) == paths
    (tmp_path / "overlay.mp4").write_bytes(b"x")  # a result folder of a replay is no recording
    assert detect(tmp_path)[0].name == "folder"


def test_a_length_beyond_the_end_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").write_bytes(b"0123456789")
    with _opened(tmp_path / "a.mcap") as file:
        file.seek(4)
        assert file.read(2**62) == b"456789"
        assert file.read(2**62) == b""


def test_a_damaged_record_is_counted_and_the_rest_is_used(tools: Any, tmp_path: Path) -> None:
    path = images(tmp_path / "a.mcap", tools, ["/front/image"], ticks=2)
    data = bytearray(path.read_bytes())
    data[len(MAGIC) + 9 + 4] = 0xFF  # the profile's name in the header: not UTF-8
    path.write_bytes(data[:-8])  # without its end the file is read through
    clip = open_clip(path)
    assert shown(tools, clip)[0] == [0, 1]
    assert any("1 records are damaged" in note for note in clip.notes)
