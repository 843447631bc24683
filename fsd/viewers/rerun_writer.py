"""`drive.rrd`: one replay for the Rerun viewer, with the content of `drive.mcap`, written while the replay runs.

Needs the `rerun` extra (170 MB to download); nothing else imports it. Written for rerun-sdk 0.41, whose video streams
are marked unstable. Rerun has no lens model but the pinhole: images of other lenses are shown distorted.
"""

from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr

from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, GRID_COLUMNS, GRID_ROWS, Frame
from fsd.overlay.drawing import DRIVEN, GAZE, PLAN, ribbon_edges, uncertainty_edges
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata
from fsd.version import __version__
from fsd.viewers.drive_writer import DriveWriter
from fsd.viewers.mcap_calibration import calibration_of

WORLD, EGO = "world", "world/ego"
CODECS = {"h264": rr.VideoCodec.H264, "h265": rr.VideoCodec.H265}
UNIX_FROM_NS, UNIX_TO_NS = 631_152_000 * 10**9, 4_102_444_800 * 10**9
"""The years 1990 to 2099: times in this range are shown as dates, others as durations."""


class DriveRerun(DriveWriter):
    """Writes one recording."""

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, keep_location: bool = False) -> None:
        super().__init__(clip, metadata, keep_location)
        self._begun: set[str] = set()
        self._logged: dict[str, str] = {}
        self._time_ns: int | None = None
        self._stream = rr.RecordingStream("fsd")
        self._stream.save(path)

    def close(self) -> None:
        """End the file."""
        self._images.close()
        self._stream.flush()
        self._stream.disconnect()

    def _log(self, path: str, what: Any, time_ns: int | None = None) -> None:
        """Log something at a time; None is the time of the tick."""
        time_ns = self._now_ns if time_ns is None else time_ns
        if time_ns == self._time_ns:
            pass
        elif UNIX_FROM_NS <= time_ns < UNIX_TO_NS:
            self._stream.set_time("time", timestamp=np.datetime64(time_ns, "ns"))
        else:
            self._stream.set_time("time", duration=np.timedelta64(time_ns, "ns"))
        self._time_ns = time_ns
        self._stream.log(path, what)

    def _begin(self, path: np.ndarray) -> None:
        stream = self._stream
        stream.log(WORLD, rr.ViewCoordinates.FLU, static=True)
        for camera in self._clip.rig.cameras:
            if camera.name in self.video:
                qw, qx, qy, qz = camera.ego_from_camera.rotation_wxyz
                mounting = rr.Transform3D(
                    translation=camera.ego_from_camera.translation_m, quaternion=rr.Quaternion(xyzw=[qx, qy, qz, qw])
                )
                stream.log(f"{EGO}/{camera.name}", mounting, static=True)
        if len(path):
            ground = np.pad(path, ((0, 0), (0, 1)))
            stream.log(f"{WORLD}/driven", rr.LineStrips3D([ground], colors=[DRIVEN], radii=[0.08]), static=True)
        text = f"# {self._clip.name}\n\nfsd {__version__}"
        if self._caveat:
            text += f"\n\n**Network {self._caveat}.**"
        stream.log("about", rr.TextDocument(text, media_type="text/markdown"), static=True)

    def _put_image(self, index: int, frame: Frame) -> None:
        messages = self._images.messages(index, frame)
        # A stream has one codec and one size: after a change from packets to encoded images, another one begins.
        stream = "video" if self._images.is_passed(index) else "encoded"
        path = f"{EGO}/{CAMERAS[index]}/{stream}"
        for message in messages:
            if path not in self._begun:
                self._begun.add(path)
                self._stream.log(path, rr.VideoStream(codec=CODECS[message.codec]), static=True)
                self._put_lens(index, message.timestamp_ns)
            self._log(path, rr.VideoStream.from_fields(sample=message.data), message.timestamp_ns)

    def _put_lens(self, index: int, time_ns: int) -> None:
        camera = self._clip.rig.camera(CAMERAS[index])
        if camera is not None:
            lens = calibration_of(camera, self._images.scale(index))
            pinhole = rr.Pinhole(
                image_from_camera=[[lens.fx_px, 0, lens.cx_px], [0, lens.fy_px, lens.cy_px], [0, 0, 1]],
                resolution=[lens.width_px, lens.height_px],
                image_plane_distance=1.2,
            )
            self._log(f"{EGO}/{camera.name}", pinhole, time_ns)

    def _put_gaze(self, index: int, frame: Frame, boxes: np.ndarray, is_keyframe: bool) -> None:
        block_px = np.array(self._size_px(index, frame)) / (GRID_COLUMNS, GRID_ROWS)
        outlines = rr.Boxes2D(mins=boxes[:, :2] * block_px, sizes=boxes[:, 2:] * block_px, colors=[GAZE])
        self._log(f"{EGO}/{CAMERAS[index]}/gaze", outlines)

    def _put_keyframes(self, cameras: list[str]) -> None:
        self._log("log/keyframes", rr.TextLog(", ".join(cameras), level="INFO"))

    def _put_plan(self, plan: Plan) -> None:
        """The edges of the planned ribbon, and thinner its sideways uncertainty."""
        strips = [*ribbon_edges(plan.trajectory), *uncertainty_edges(plan)]
        self._log(f"{EGO}/plan", rr.LineStrips3D(strips, colors=[PLAN], radii=[0.08, 0.08, 0.03, 0.03]))

    def _put_pose(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        turn = rr.Quaternion(xyzw=[0.0, 0.0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)])
        self._log(EGO, rr.Transform3D(translation=[x_m, y_m, 0.0], quaternion=turn))

    def _put_values(self, group: str, values: dict[str, Any]) -> None:
        """Numbers as scalars; texts (health, command) as log lines when they change."""
        for name, value in values.items():
            if not isinstance(value, str):
                self._log(f"{group}/{name}", rr.Scalars(float(value)))
            elif value != self._logged.get(name):
                self._logged[name] = value
                level = "WARN" if name == "health" and value != "ok" else "INFO"
                self._log(f"log/{name}", rr.TextLog(value, level=level))
