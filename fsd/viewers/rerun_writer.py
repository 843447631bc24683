"""`drive.rrd`: one replay for the Rerun viewer, with what `drive.mcap` holds, written while the replay runs.

Needs the `rerun` extra (170 MB to download); nothing else imports it. Written against rerun-sdk 0.41, whose video
streams are still marked unstable. A pinhole is all that Rerun knows: pictures of other lenses are not straightened.
"""

from pathlib import Path

import numpy as np
import rerun as rr

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame
from fsd.overlay.drawing import DRIVEN
from fsd.overlay.drawing import GAZE
from fsd.overlay.drawing import PLAN
from fsd.overlay.drawing import ribbon_edges
from fsd.overlay.drawing import uncertainty_edges
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.version import __version__
from fsd.viewers.mcap_calibration import calibration_of
from fsd.viewers.viewer_values import driven_path, driven_pose, keyframe_cameras, values_of
from fsd.viewers.viewer_video import ClipVideo

WORLD, EGO = "world", "world/ego"
CODECS = {"h264": rr.VideoCodec.H264, "h265": rr.VideoCodec.H265}
UNIX_FROM_NS, UNIX_TO_NS = 631_152_000 * 10**9, 4_102_444_800 * 10**9
"""The years 1990 to 2099: times in here are shown as dates, others as durations since the recording's own zero."""


def camera_path(name: str) -> str:
    """Where a camera hangs: its place on the car, its lens, and below it picture and gaze."""
    return f"{EGO}/{name}"


class DriveRerun:
    """Writes one recording.

    Args:
        path: to write; clip: that is replayed; metadata: of the model.

    Attributes:
        video: camera -> how its pictures got in: `passed through`, or `encoded anew: <why>`.
    """

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata) -> None:
        self._clip = clip
        self._is_trained = metadata.trained
        self._pictures = ClipVideo(clip)
        self.video = self._pictures.how
        self._begun: set[str] = set()
        self._said: dict[str, str] = {}
        self._has_begun = False
        self._stream = rr.RecordingStream("fsd")
        self._stream.save(path)

    def add(self, result: StepResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        """Write everything of one tick."""
        now_ns = result.plan.timestamp_ns
        if not self._has_begun:
            self._begin()
        self._add_pictures(result)
        self._set_time(now_ns)
        self._add_gaze(result)
        self._add_pose(now_ns)
        self._add_plan(result.plan)
        self._add_values(result, ego, command, wait_ms)
        if committed := keyframe_cameras(result):
            self._stream.log("log/keyframes", rr.TextLog(", ".join(committed), level="INFO"))
        self._say("health", result.plan.health, "INFO" if result.plan.health == "ok" else "WARN")
        self._say("command", command, "INFO")

    def close(self) -> None:
        """End the file."""
        self._pictures.close()
        self._stream.flush()
        self._stream.disconnect()

    def _set_time(self, timestamp_ns: int) -> None:
        if UNIX_FROM_NS <= timestamp_ns < UNIX_TO_NS:
            self._stream.set_time("time", timestamp=np.datetime64(timestamp_ns, "ns"))
        else:
            self._stream.set_time("time", duration=np.timedelta64(timestamp_ns, "ns"))

    def _begin(self) -> None:
        """What holds for the whole drive: axes, mounting, the driven path, and what a reader must know first."""
        self._has_begun = True
        stream = self._stream
        stream.log(WORLD, rr.ViewCoordinates.FLU, static=True)
        for camera in self._clip.rig.cameras:
            if camera.name in self.video:
                qw, qx, qy, qz = camera.ego_from_camera.rotation_wxyz
                mounting = rr.Transform3D(
                    translation=camera.ego_from_camera.translation_m, quaternion=rr.Quaternion(xyzw=[qx, qy, qz, qw])
                )
                stream.log(camera_path(camera.name), mounting, static=True)
        path = driven_path(self._clip.ego)
        if len(path):
            ground = np.concatenate([path, np.zeros((len(path), 1))], axis=1)
            stream.log(f"{WORLD}/driven", rr.LineStrips3D([ground], colors=[DRIVEN], radii=[0.08]), static=True)
        words = f"# {self._clip.name}\n\nfsd {__version__}"
        if not self._is_trained:
            words += "\n\n**Untrained network: the plan means nothing.**"
        stream.log("about", rr.TextDocument(words, media_type="text/markdown"), static=True)

    def _add_pictures(self, result: StepResult) -> None:
        frame_set = result.frame_set
        for index in self._pictures.indices:
            frame = frame_set.frames[index]
            if frame is not None and frame_set.is_new[index]:
                self._add_picture(index, frame)

    def _add_picture(self, index: int, frame: Frame) -> None:
        messages = self._pictures.messages(index, frame)
        # A stream has one codec and one size: pictures of our own that take over begin another one.
        stream = "video" if self._pictures.is_passed(index) else "encoded"
        path = f"{camera_path(CAMERAS[index])}/{stream}"
        for message in messages:
            self._set_time(message.timestamp_ns)
            if path not in self._begun:
                self._begun.add(path)
                self._stream.log(path, rr.VideoStream(codec=CODECS[message.codec]), static=True)
                self._add_lens(index)
            self._stream.log(path, rr.VideoStream.from_fields(sample=message.data))

    def _add_gaze(self, result: StepResult) -> None:
        compressed = result.compressed
        if compressed is None:
            return
        for index in self._pictures.indices:
            frame = result.frame_set.frames[index]
            if frame is None:
                continue
            height_px, width_px = frame.y_plane.shape
            scale = self._pictures.scale(index)
            size = np.array([width_px * scale / GRID_COLUMNS, height_px * scale / GRID_ROWS])
            blocks = compressed.patch_block[compressed.patch_camera == index].astype(np.int64)
            rows, columns = np.divmod(blocks, GRID_COLUMNS)
            corners = np.stack([columns, rows], axis=1) * size
            boxes = rr.Boxes2D(mins=corners, sizes=np.tile(size, (len(corners), 1)), colors=[GAZE])
            self._stream.log(f"{camera_path(CAMERAS[index])}/gaze", boxes)

    def _add_lens(self, index: int) -> None:
        camera = self._clip.rig.camera(CAMERAS[index])
        if camera is not None:
            lens = calibration_of(camera, self._pictures.scale(index))
            pinhole = rr.Pinhole(
                image_from_camera=[[lens.fx_px, 0, lens.cx_px], [0, lens.fy_px, lens.cy_px], [0, 0, 1]],
                resolution=[lens.width_px, lens.height_px],
                image_plane_distance=1.2,
            )
            self._stream.log(camera_path(camera.name), pinhole)

    def _add_pose(self, now_ns: int) -> None:
        pose = driven_pose(self._clip.ego, now_ns)
        if pose is not None:
            x_m, y_m, yaw_rad = pose
            turn = rr.Quaternion(xyzw=[0.0, 0.0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)])
            self._stream.log(EGO, rr.Transform3D(translation=[x_m, y_m, 0.0], quaternion=turn))

    def _add_plan(self, plan: Plan) -> None:
        """The edges of the planned ribbon, and thinner its sideways uncertainty."""
        strips = [*ribbon_edges(plan.trajectory), *uncertainty_edges(plan)]
        lines = rr.LineStrips3D(strips, colors=[PLAN], radii=[0.08, 0.08, 0.03, 0.03])
        self._stream.log(f"{EGO}/plan", lines)

    def _add_values(self, result: StepResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        for group, values in values_of(result, ego, command, wait_ms, self._pictures.indices).items():
            for name, value in values.items():
                if not isinstance(value, str):
                    self._stream.log(f"{group}/{name}", rr.Scalars(float(value)))

    def _say(self, what: str, words: str, level: str) -> None:
        """A line for people, when it is another one than at the tick before."""
        if words != self._said.get(what):
            self._stream.log(f"log/{what}", rr.TextLog(words, level=level))
            self._said[what] = words
