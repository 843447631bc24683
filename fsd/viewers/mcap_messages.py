"""Foxglove messages: calibration, transforms, the plan as a scene, gaze as image annotations.

Protobuf schemas come from `foxglove-schemas-protobuf` (the `viewer` extra). Builds messages; writes no file.
"""

from collections.abc import Sequence

import numpy as np
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.Event_pb2 import Event
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive
from foxglove_schemas_protobuf.Log_pb2 import Log
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.Point3_pb2 import Point3
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from foxglove_schemas_protobuf.TextAnnotation_pb2 import TextAnnotation
from foxglove_schemas_protobuf.TextPrimitive_pb2 import TextPrimitive
from foxglove_schemas_protobuf.TriangleListPrimitive_pb2 import TriangleListPrimitive
from google.protobuf.timestamp_pb2 import Timestamp

from fsd.data.frames import GRID_COLUMNS, GRID_ROWS
from fsd.data.rig import Camera
from fsd.overlay.drawing import ribbon_edges, uncertainty_edges
from fsd.runtime.plan import Plan
from fsd.viewers.clip_video import VideoMessage
from fsd.viewers.mcap_calibration import Calibration

WORLD, EGO = "world", "ego"
PLAN = Color(r=0.10, g=0.55, b=1.0, a=0.55)
UNCERTAINTY = Color(r=0.10, g=0.55, b=1.0, a=0.35)
DRIVEN = Color(r=0.25, g=0.85, b=0.45, a=0.9)
GAZE = Color(r=1.0, g=0.72, b=0.15, a=0.95)
WARNING = Color(r=1.0, g=0.36, b=0.36, a=1.0)


def stamp(timestamp_ns: int) -> Timestamp:
    """A protobuf timestamp."""
    seconds, nanos = divmod(timestamp_ns, 10**9)
    return Timestamp(seconds=seconds, nanos=nanos)


def video(name: str, message: VideoMessage) -> CompressedVideo:
    """One compressed image."""
    return CompressedVideo(
        timestamp=stamp(message.timestamp_ns), frame_id=f"camera/{name}", format=message.codec, data=message.data
    )


def calibration(name: str, values: Calibration, timestamp_ns: int) -> CameraCalibration:
    """Intrinsics of a camera."""
    return CameraCalibration(
        timestamp=stamp(timestamp_ns),
        frame_id=f"camera/{name}",
        width=values.width_px,
        height=values.height_px,
        distortion_model=values.model,
        D=values.distortion,
        K=[values.fx_px, 0, values.cx_px, 0, values.fy_px, values.cy_px, 0, 0, 1],
        R=[1, 0, 0, 0, 1, 0, 0, 0, 1],
        P=[values.fx_px, 0, values.cx_px, 0, 0, values.fy_px, values.cy_px, 0, 0, 0, 1, 0],
    )


def mounting(cameras: Sequence[Camera], timestamp_ns: int) -> FrameTransforms:
    """Where every camera sits on the car: `ego_from_camera`."""
    poses = [(f"camera/{camera.name}", camera.ego_from_camera) for camera in cameras]
    return FrameTransforms(
        transforms=[
            _transform(EGO, frame, pose.translation_m, pose.rotation_wxyz, timestamp_ns) for frame, pose in poses
        ]
    )


def ego_pose(x_m: float, y_m: float, yaw_rad: float, timestamp_ns: int) -> FrameTransforms:
    """Where the car is: `world_from_ego`."""
    rotation_wxyz = (np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2))
    return FrameTransforms(transforms=[_transform(WORLD, EGO, (x_m, y_m, 0.0), rotation_wxyz, timestamp_ns)])


def plan_scene(plan: Plan, caveat: str) -> SceneUpdate:
    """The planned path as a ribbon of the car's width, its sideways uncertainty as two lines, in the ego frame."""
    left, right = ribbon_edges(plan.trajectory)
    triangles: list[Point3] = []
    for near in range(len(left) - 1):
        corners = (left[near], right[near], left[near + 1], left[near + 1], right[near], right[near + 1])
        triangles += [_point(corner) for corner in corners]
    uncertainty_left, uncertainty_right = uncertainty_edges(plan)
    entity = SceneEntity(
        timestamp=stamp(plan.timestamp_ns),
        frame_id=EGO,
        id="plan",
        frame_locked=True,
        triangles=[TriangleListPrimitive(points=triangles, color=PLAN)],
        lines=[_line(uncertainty_left, UNCERTAINTY, 0.05), _line(uncertainty_right, UNCERTAINTY, 0.05)],
    )
    if caveat:
        kind = caveat.partition(":")[0]
        text = TextPrimitive(billboard=True, font_size=0.8, color=WARNING, text=f"{kind.upper()} NETWORK")
        text.pose.position.z, text.pose.orientation.w = 2.6, 1.0
        entity.texts.append(text)
    return SceneUpdate(entities=[entity])


def driven_scene(path: np.ndarray, timestamp_ns: int) -> SceneUpdate:
    """The driven path, (n, 2) x m, y m in the world."""
    points = np.concatenate([path, np.full((len(path), 1), 0.02)], axis=1)
    entity = SceneEntity(
        timestamp=stamp(timestamp_ns), frame_id=WORLD, id="driven", lines=[_line(points, DRIVEN, 0.15)]
    )
    return SceneUpdate(entities=[entity])


def gaze(boxes: np.ndarray, is_keyframe: bool, width_px: int, height_px: int, timestamp_ns: int) -> ImageAnnotations:
    """What was read of one camera as patches, and whether it has a keyframe.

    Args:
        boxes: (n, 3), as `CompressedTick.patch_boxes`; width_px, height_px: of the image in the file.
        timestamp_ns: of that image.
    """
    found = ImageAnnotations(timestamp=stamp(timestamp_ns))
    if len(boxes):
        block_width, block_height = width_px / GRID_COLUMNS, height_px / GRID_ROWS
        outline = ((0, 0), (1, 0), (1, 0), (1, 1), (1, 1), (0, 1), (0, 1), (0, 0))  # four lines: pairs of corners
        corners = [
            Point2(x=(column + right * side) * block_width, y=(row + down * side) * block_height)
            for column, row, side in boxes.tolist()
            for right, down in outline
        ]
        found.points.append(
            PointsAnnotation(
                timestamp=stamp(timestamp_ns),
                type=PointsAnnotation.LINE_LIST,
                points=corners,
                outline_color=GAZE,
                thickness=max(1.0, width_px / 640),
            )
        )
    if is_keyframe:
        found.texts.append(
            TextAnnotation(
                timestamp=stamp(timestamp_ns),
                position=Point2(x=width_px * 0.01, y=height_px * 0.06),
                text="keyframe",
                font_size=height_px / 30,
                text_color=GAZE,
                background_color=Color(r=0, g=0, b=0, a=0.5),
            )
        )
    return found


def keyframe_event(cameras: Sequence[str], timestamp_ns: int) -> Event:
    """Cameras with a keyframe at one tick."""
    event = Event(start_time=stamp(timestamp_ns), end_time=stamp(timestamp_ns))
    event.metadata.add(key="kind", value="keyframe")
    event.metadata.add(key="cameras", value=", ".join(cameras))
    return event


def log(message: str, is_warning: bool, timestamp_ns: int) -> Log:
    """A line of the log."""
    level = Log.WARNING if is_warning else Log.INFO
    return Log(timestamp=stamp(timestamp_ns), level=level, message=message, name="fsd")


def _transform(
    parent: str, child: str, translation_m: Sequence[float], rotation_wxyz: Sequence[float], timestamp_ns: int
) -> FrameTransform:
    transform = FrameTransform(timestamp=stamp(timestamp_ns), parent_frame_id=parent, child_frame_id=child)
    to, rotation = transform.translation, transform.rotation
    to.x, to.y, to.z = translation_m
    rotation.w, rotation.x, rotation.y, rotation.z = map(float, rotation_wxyz)
    return transform


def _point(values: np.ndarray) -> Point3:
    return Point3(x=float(values[0]), y=float(values[1]), z=float(values[2]) + 0.01)


def _line(points: np.ndarray, color: Color, thickness_m: float) -> LinePrimitive:
    line = LinePrimitive(type=LinePrimitive.LINE_STRIP, thickness=thickness_m, color=color)
    line.pose.orientation.w = 1.0
    line.points.extend(_point(point) for point in points)
    return line
