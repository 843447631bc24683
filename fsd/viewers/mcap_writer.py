"""`drive.mcap`: one replay for Foxglove and other readers of MCAP, written while the replay runs.

Video of every camera, calibration, transforms, the plan as a scene, the driven path, gaze, keyframes, timings and
health. Memory use is constant. Needs the `viewer` extra.
"""

import dataclasses
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from google.protobuf.message import Message
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema

from fsd.data.clip import Clip
from fsd.data.files import write_text
from fsd.data.frames import CAMERAS, Frame
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata
from fsd.version import __version__
from fsd.viewers import mcap_messages as messages
from fsd.viewers.drive_writer import DriveWriter
from fsd.viewers.foxglove_layout import LAYOUT_FILE, foxglove_layout
from fsd.viewers.mcap_calibration import calibration_of
from fsd.viewers.tick_values import VALUES

CHUNK_BYTES = 1 << 20
"""Held in memory before it is written to the disk, and lost if the run is killed."""


class DriveMcap(DriveWriter):
    """Writes one MCAP file, and the layout beside it."""

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata, keep_location: bool = False) -> None:
        super().__init__(clip, metadata, keep_location)
        self._path = path
        self._file = path.open("wb")
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="", library=f"fsd {__version__}")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._sequence: dict[str, int] = {}
        self._health = ""
        self._scale: dict[int, float] = {}
        if clip.wall_clock is not None:
            values = dataclasses.asdict(clip.wall_clock)
            self._writer.add_metadata(
                "wall_clock", {name: json.dumps(value) for name, value in values.items() if value is not None}
            )

    def close(self) -> None:
        """Write the metadata, and end the file with its index."""
        with closing(self._file), closing(self._images):
            self._end()
        layout = json.dumps(foxglove_layout(self._channels), indent=1)
        write_text(self._path.with_name(LAYOUT_FILE), layout + "\n")

    def _end(self) -> None:
        self._writer.add_metadata(
            "fsd",
            {
                "fsd_version": __version__,
                "network": self._caveat or "trained",
                "clip": self._clip.name,
                "rig": "assumed" if self._clip.rig_is_assumed else self._clip.rig.name,
                **{f"video {name}": how for name, how in self.video.items()},
            },
        )
        self._writer.finish()

    def _begin(self, path: np.ndarray) -> None:
        now_ns, rig = self._now_ns, self._clip.rig
        cameras = [camera for camera in rig.cameras if camera.name in self.video]
        self._put("/tf_static", messages.mounting(cameras, now_ns))
        for index in self._images.indices:
            self._put_calibration(index, now_ns)
        if len(path):
            self._put("/driven", messages.driven_scene(path, now_ns))
        else:
            self._put("/tf", messages.ego_pose(0.0, 0.0, 0.0, now_ns))
        rig_json = msgspec.json.format(msgspec.json.encode(rig), indent=2)
        self._writer.add_attachment(now_ns, now_ns, "rig.json", "application/json", rig_json)

    def _put_calibration(self, index: int, time_ns: int) -> None:
        name, scale = CAMERAS[index], self._images.scale(index)
        self._scale[index] = scale
        camera = self._clip.rig.camera(name)
        if camera is None:
            return
        values = calibration_of(camera, scale)
        self._put(f"/camera/{name}/calibration", messages.calibration(name, values, time_ns), time_ns)
        if values.fit_error_px > 0.5:
            text = f"{name}: calibration is a fit, up to {values.fit_error_px:.1f} pixels off"
            self._put("/log", messages.log(text, True, time_ns), time_ns)

    def _put_image(self, index: int, frame: Frame) -> None:
        found = self._images.messages(index, frame)
        if self._scale[index] != self._images.scale(index):
            self._put_calibration(index, frame.timestamp_ns)
        name = CAMERAS[index]
        for message in found:
            self._put(f"/camera/{name}/video", messages.video(name, message), message.timestamp_ns)

    def _put_gaze(self, index: int, frame: Frame, boxes: np.ndarray, is_keyframe: bool) -> None:
        width, height = (round(size) for size in self._size_px(index, frame))
        annotations = messages.gaze(boxes, is_keyframe, width, height, frame.timestamp_ns)
        self._put(f"/camera/{CAMERAS[index]}/gaze", annotations)

    def _put_keyframes(self, cameras: list[str]) -> None:
        self._put("/keyframes", messages.keyframe_event(cameras, self._now_ns))

    def _put_plan(self, plan: Plan) -> None:
        self._put("/plan", messages.plan_scene(plan, self._caveat))

    def _put_pose(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        self._put("/tf", messages.ego_pose(x_m, y_m, yaw_rad, self._now_ns))

    def _put_values(self, group: str, values: dict[str, Any]) -> None:
        topic = f"/{group}"
        if topic not in self._channels:
            schema = {
                "title": f"fsd.{group}",
                "type": "object",
                "properties": {name: {"type": kind} for name, kind in VALUES[group].items()},
            }
            schema_id = self._writer.register_schema(schema["title"], "jsonschema", json.dumps(schema).encode())  # type: ignore[arg-type]
            self._channels[topic] = self._writer.register_channel(topic, "json", schema_id)
        self._write(topic, json.dumps(values).encode(), self._now_ns)
        health = values.get("health", self._health)
        if health != self._health:
            self._health = health
            self._put("/log", messages.log(f"health {health}", health != "ok", self._now_ns))

    def _put(self, topic: str, message: Message, time_ns: int | None = None) -> None:
        if topic not in self._channels:
            name = type(message).DESCRIPTOR.full_name
            if name not in self._schemas:
                self._schemas[name] = register_schema(self._writer, type(message))
            self._channels[topic] = self._writer.register_channel(topic, "protobuf", self._schemas[name])
        self._write(topic, message.SerializeToString(), self._now_ns if time_ns is None else time_ns)

    def _write(self, topic: str, data: bytes, time_ns: int) -> None:
        sequence = self._sequence[topic] = self._sequence.get(topic, 0) + 1
        self._writer.add_message(self._channels[topic], max(0, time_ns), data, max(0, time_ns), sequence)
        self._file.flush()  # the last bytes of a chunk; nothing to do between chunks
