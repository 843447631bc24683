"""The rig of an MCAP recording: `rig.json` of `drive.mcap`, or calibration messages and the tree of frames.

Source: sensor_msgs/CameraInfo and foxglove.CameraCalibration (K, D, P and the names of distortion models; D of
`plumb_bob` is k1 k2 p1 p2 k3, of `rational_polynomial` k1 k2 p1 p2 k3 k4 k5 k6); REP 103 for `base_link` (x forward,
y left, z up) and optical frames (z forward, x right, y down); REP 105 for frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from fsd.data.formats.mcap_file.mcap_index import McapIndex
from fsd.data.formats.mcap_file.mcap_messages import (
    CALIBRATION,
    TRANSFORM,
    TRANSFORMS,
    Message,
    decoded_in,
    find,
    numbers,
)
from fsd.data.formats.mcap_file.mcap_stream import McapStream
from fsd.data.formats.mcap_file.topic_names import camera_of_topic
from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose, Rig
from fsd.data.standard_rigs import assumed_rig

VEHICLE_FRAMES = ("base_link", "base_footprint", "ego", "ego_vehicle", "vehicle")
_MOVING_MESSAGES = 500
"""Of a topic of transforms that is not static, as many messages are searched for the poses of cameras."""
_OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""A frame with x forward, y left, z up, from an optical one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A camera whose calibration is wanted: its stream, and the frame that its images name."""

    stream: McapStream
    frame_id: str


def attached_rig(indexes: tuple[McapIndex, ...], sources: Mapping[str, Source]) -> Rig | None:
    """The rig that `drive.mcap` holds, with the lenses of smaller pictures scaled; None where there is none."""
    for index in indexes:
        content = index.attachment("rig.json")
        if content is not None:
            try:
                rig = msgspec.json.decode(content, type=Rig)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
            cameras = [camera for camera in rig.cameras if camera.name in sources]
            if {camera.name for camera in cameras} != set(sources):
                return None
            return Rig(
                name=rig.name,
                cameras=tuple(_scaled(camera, sources[camera.name].stream) for camera in cameras),
                clock=rig.clock,
                vehicle=rig.vehicle,
            )
    return None


def calibrated_rig(
    indexes: tuple[McapIndex, ...], kinds: Mapping[str, str], sources: Mapping[str, Source], notes: list[str]
) -> Rig | None:
    """A rig of calibration messages and transforms; None where there is neither for any camera."""
    frames = _frame_tree(indexes, kinds)
    assumed = assumed_rig({name: (each.stream.width_px, each.stream.height_px) for name, each in sources.items()})
    calibrations = _calibrations(indexes, kinds, sources)
    cameras, known_lens, known_pose = [], [], []
    for usual in assumed.cameras:
        source, camera = sources[usual.name], usual
        message = calibrations.get(usual.name)
        frame_id = source.frame_id or ("" if message is None else message.frame_id)
        lens = None if message is None else _lens(usual.name, message, source.stream, notes)
        if lens is not None and message is not None:
            width_px, height_px = (int(find(message.content, name) or 0) for name in ("width", "height"))
            size = (width_px, height_px) if width_px and height_px else (usual.width_px, usual.height_px)
            try:
                stated = msgspec.structs.replace(usual, intrinsics=lens, width_px=size[0], height_px=size[1])
                stated.__post_init__()
            except ValueError as error:
                notes.append(f"{usual.name}: its calibration is left out ({error}).")
            else:
                camera = _scaled(stated, source.stream)
                known_lens.append(usual.name)
        pose = _pose(usual.name, frame_id, frames, notes)
        if pose is not None:
            camera = msgspec.structs.replace(camera, ego_from_camera=pose)
            known_pose.append(usual.name)
        cameras.append(camera)
    if not known_lens and not known_pose:
        return None
    _note_assumed(sources, known_lens, "no calibration message: its usual lens is assumed", notes)
    _note_assumed(sources, known_pose, "no transform links it to the vehicle: its usual pose is assumed", notes)
    if known_pose:
        notes.append("The vehicle's frame is taken to lie on the ground under the rear axle, as our ego frame does.")
    return Rig(name="mcap", cameras=tuple(cameras))


def _note_assumed(sources: Mapping[str, Source], known: list[str], why: str, notes: list[str]) -> None:
    others = [name for name in sources if name not in known]
    if others:
        notes.append(f"{', '.join(others)}: {why}.")


def _scaled(camera: Camera, stream: McapStream) -> Camera:
    """The camera for pictures of the stream's size. Whole pixel coordinates are pixel centres."""
    across, down = stream.width_px / camera.width_px, stream.height_px / camera.height_px
    if across == down == 1:
        return camera
    lens = camera.intrinsics
    centre = {"cx_px": (lens.cx_px + 0.5) * across - 0.5, "cy_px": (lens.cy_px + 0.5) * down - 0.5}
    if isinstance(lens, FTheta):
        scale = (across + down) / 2
        scaled: Any = msgspec.structs.replace(
            lens, **centre, angle_to_radius_px=tuple(value * scale for value in lens.angle_to_radius_px)
        )
    else:
        scaled = msgspec.structs.replace(lens, **centre, fx_px=lens.fx_px * across, fy_px=lens.fy_px * down)
    return msgspec.structs.replace(camera, intrinsics=scaled, width_px=stream.width_px, height_px=stream.height_px)


def _calibrations(
    indexes: tuple[McapIndex, ...], kinds: Mapping[str, str], sources: Mapping[str, Source]
) -> dict[str, Message]:
    """Camera -> the first calibration message whose topic or frame is the camera's."""
    found: dict[str, Message] = {}
    for topic, kind in kinds.items():
        message = next(decoded_in(indexes, topic), None) if kind == CALIBRATION else None
        if message is None:
            continue
        by_folder = [name for name, each in sources.items() if _folder(each.stream.topic) == _folder(topic)]
        by_frame = [name for name, each in sources.items() if message.frame_id and each.frame_id == message.frame_id]
        by_name = [name for name in sources if camera_of_topic(topic) == name]
        for name in by_folder or by_name or by_frame:
            found.setdefault(name, message)
    return found


def _folder(topic: str) -> str:
    return topic.rpartition("/")[0]


def _lens(name: str, message: Message, stream: McapStream, notes: list[str]) -> Pinhole | Fisheye | None:
    matrix, distortion = numbers(message.content, "K", "k"), numbers(message.content, "D", "d")
    model = str(find(message.content, "distortion_model") or "")
    if "rect" in stream.topic.lower():
        projection = numbers(message.content, "P", "p")
        if len(projection) == 12 and projection[0] > 0:
            matrix = (*projection[0:3], *projection[4:7], *projection[8:11])
        distortion = ()
        notes.append(f"{name}: its pictures are rectified, as the topic says; the projection matrix is the lens.")
    if len(matrix) != 9 or matrix[0] <= 0:
        return None
    if not any(distortion):
        distortion = ()
    values = {"fx_px": matrix[0], "fy_px": matrix[4], "cx_px": matrix[2], "cy_px": matrix[5]}
    try:
        if model in ("equidistant", "kannala_brandt", "fisheye") and len(distortion) in (0, 4):
            return Fisheye(**values, distortion=(*distortion, *(0.0,) * (4 - len(distortion))))  # type: ignore[arg-type]
        if model in ("", "plumb_bob", "rational_polynomial") and len(distortion) in (0, 4, 5, 8):
            return Pinhole(**values, distortion=distortion)
        notes.append(f"{name}: its distortion ({model}, {len(distortion)} numbers) is not known here and is left out.")
        return Pinhole(**values, distortion=())
    except ValueError as error:
        notes.append(f"{name}: its calibration is left out ({error}).")
        return None


Frames = dict[str, tuple[str, np.ndarray]]
"""Frame -> its parent, and (4, 4) float64 parent_from_frame."""


def _frame_tree(indexes: tuple[McapIndex, ...], kinds: Mapping[str, str]) -> Frames:
    """The first transform of every frame; static ones come first."""
    frames: Frames = {}
    topics = [topic for topic, kind in kinds.items() if kind in (TRANSFORM, TRANSFORMS)]
    for topic in sorted(topics, key=lambda topic: "static" not in topic):
        messages = decoded_in(indexes, topic)
        for message in messages if "static" in topic else islice(messages, _MOVING_MESSAGES):
            listed = find(message.content, "transforms")
            for each in [message.content] if kinds[topic] == TRANSFORM else listed or ():
                child = str(find(each, "child_frame_id") or "").lstrip("/")
                parent = str(find(each, "header.frame_id", "parent_frame_id") or "").lstrip("/")
                matrix = _matrix(find(each, "transform") or each)
                if child and parent and matrix is not None:
                    frames.setdefault(child, (parent, matrix))
    return frames


def _matrix(transform: Any) -> np.ndarray | None:
    x, y, z, w = (float(find(transform, f"rotation.{axis}") or 0) for axis in "xyzw")
    translation = [float(find(transform, f"translation.{axis}") or 0) for axis in "xyz"]
    length = float(np.sqrt(w * w + x * x + y * y + z * z))
    if not length > 0:
        return None
    w, x, y, z = w / length, x / length, y / length, z / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), translation[0]],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), translation[1]],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), translation[2]],
            [0, 0, 0, 1],
        ]
    )


def _pose(name: str, frame_id: str, frames: Frames, notes: list[str]) -> Pose | None:
    """`ego_from_camera` along the tree; None where it does not lead to the vehicle."""
    matrix, frame, seen = np.eye(4), frame_id, {""}
    while frame not in VEHICLE_FRAMES:
        if frame in seen or frame not in frames:
            return None
        seen.add(frame)
        frame, parent_from_frame = frames[frame]
        matrix = parent_from_frame @ matrix
    if frame == frame_id:
        return None
    if matrix[2, 2] > 0.7:  # an optical axis that points to the sky
        notes.append(f"{name}: its frame {frame_id} has z up, so x is taken as the optical axis.")
        matrix = matrix @ _OPTICAL
    try:
        return Pose.from_matrix(matrix)
    except ValueError as error:
        notes.append(f"{name}: its pose is left out ({error}).")
        return None
