"""`drive.mcap`: one replay for Foxglove and everything else that reads MCAP, written while the replay runs.

Video of every camera, calibration, transforms, the plan as a scene, the driven path, gaze, keyframes, timings and
health. Memory stays bounded: a message leaves with the tick it belongs to. Needs the `viewer` extra.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.message import Message
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema

from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.version import __version__
from fsd.viewers import mcap_messages as messages
from fsd.viewers.foxglove_layout import LAYOUT_FILE, write_layout
from fsd.viewers.mcap_calibration import calibration_of
from fsd.viewers.viewer_values import VALUES, driven_path, driven_pose, keyframe_cameras, values_of
from fsd.viewers.viewer_video import ClipVideo

CHUNK_BYTES = 1 << 20
"""What is held in memory before it goes to the disk."""


class DriveMcap:
    """Writes one MCAP file.

    Args:
        path: to write; clip: that is replayed; metadata: of the model.

    Attributes:
        video: camera -> how its pictures got in: `passed through`, or `encoded anew: <why>`.
    """

    def __init__(self, path: Path, clip: Clip, metadata: PlannerMetadata) -> None:
        self._path = path
        self._clip = clip
        self._is_trained = metadata.trained
        self._file = path.open("wb")
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="", library=f"fsd {__version__}")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._sequence: dict[str, int] = {}
        self._health = ""
        self._has_begun = False
        self._scale: dict[int, float] = {}
        self._pictures = ClipVideo(clip)
        self.video = self._pictures.how

    def add(self, result: StepResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        """Write everything of one tick."""
        now_ns = result.plan.timestamp_ns
        if not self._has_begun:
            self._begin(now_ns)
        self._add_pictures(result)
        self._add_gaze(result)
        self._put("/plan", messages.plan_scene(result.plan, self._is_trained), now_ns)
        self._add_pose(now_ns)
        self._add_values(result, ego, command, wait_ms)
        self._add_events(result)

    def close(self) -> None:
        """Say what was written, and end the file with its index."""
        self._writer.add_metadata(
            "fsd",
            {
                "fsd_version": __version__,
                "network": "trained" if self._is_trained else "untrained: the plan means nothing",
                "clip": self._clip.name,
                "rig": "assumed" if self._clip.rig_is_assumed else self._clip.rig.name,
                **{f"video {name}": how for name, how in self.video.items()},
            },
        )
        self._pictures.close()
        self._writer.finish()
        self._file.close()
        write_layout(self._path.with_name(LAYOUT_FILE), self._channels)

    def _begin(self, now_ns: int) -> None:
        """What holds for the whole drive: mounting, calibration, the driven path."""
        self._has_begun = True
        rig = self._clip.rig
        cameras = [camera for camera in rig.cameras if camera.name in self.video]
        self._put("/tf_static", messages.mounting(cameras, now_ns), now_ns)
        for index in self._pictures.indices:
            self._put_calibration(index, now_ns)
        path = driven_path(self._clip.ego)
        if len(path):
            self._put("/driven", messages.driven_scene(path, now_ns), now_ns)
        else:
            self._put("/tf", messages.ego_pose(0.0, 0.0, 0.0, now_ns), now_ns)
        rig_json = msgspec.json.format(msgspec.json.encode(rig), indent=2)
        self._writer.add_attachment(now_ns, now_ns, "rig.json", "application/json", rig_json)

    def _put_calibration(self, index: int, now_ns: int) -> None:
        name, scale = CAMERAS[index], self._pictures.scale(index)
        self._scale[index] = scale
        camera = self._clip.rig.camera(name)
        if camera is None:
            return
        values = calibration_of(camera, scale)
        self._put(f"/camera/{name}/calibration", messages.calibration(name, values, now_ns), now_ns)
        if values.fit_error_px > 0.5:
            words = f"{name}: calibration is a fit, up to {values.fit_error_px:.1f} pixels off"
            self._put("/log", messages.log(words, True, now_ns), now_ns)

    def _add_pictures(self, result: StepResult) -> None:
        frame_set = result.frame_set
        for index in self._pictures.indices:
            frame, name = frame_set.frames[index], CAMERAS[index]
            if frame is None or not frame_set.is_new[index]:
                continue
            found = self._pictures.messages(index, frame)
            if self._scale[index] != self._pictures.scale(index):
                self._put_calibration(index, frame.timestamp_ns)
            for message in found:
                self._put(f"/camera/{name}/video", messages.video(name, message), message.timestamp_ns)

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
            annotations = messages.gaze(
                compressed.patch_block[compressed.patch_camera == index],
                bool(compressed.is_keyframe[index]),
                round(width_px * scale),
                round(height_px * scale),
                frame.timestamp_ns,
            )
            self._put(f"/camera/{CAMERAS[index]}/gaze", annotations, result.plan.timestamp_ns)

    def _add_pose(self, now_ns: int) -> None:
        pose = driven_pose(self._clip.ego, now_ns)
        if pose is not None:
            self._put("/tf", messages.ego_pose(*pose, now_ns), now_ns)

    def _add_values(self, result: StepResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        for group, values in values_of(result, ego, command, wait_ms, self._pictures.indices).items():
            self._put_values(group, values, result.plan.timestamp_ns)

    def _add_events(self, result: StepResult) -> None:
        now_ns, health = result.plan.timestamp_ns, result.plan.health
        committed = keyframe_cameras(result)
        if committed:
            self._put("/keyframes", messages.keyframe_event(committed, now_ns), now_ns)
        if health != self._health:
            self._put("/log", messages.log(f"health {health}", health != "ok", now_ns), now_ns)
            self._health = health

    def _put(self, topic: str, message: Message, log_time_ns: int) -> None:
        if topic not in self._channels:
            name = type(message).DESCRIPTOR.full_name
            if name not in self._schemas:
                self._schemas[name] = register_schema(self._writer, type(message))
            self._channels[topic] = self._writer.register_channel(topic, "protobuf", self._schemas[name])
        self._write(topic, message.SerializeToString(), log_time_ns)

    def _put_values(self, group: str, values: dict[str, Any], log_time_ns: int) -> None:
        topic = f"/{group}"
        if topic not in self._channels:
            schema = {
                "title": f"fsd.{group}",
                "type": "object",
                "properties": {name: {"type": kind} for name, kind in VALUES[group].items()},
            }
            schema_id = self._writer.register_schema(schema["title"], "jsonschema", json.dumps(schema).encode())  # type: ignore[arg-type]
            self._channels[topic] = self._writer.register_channel(topic, "json", schema_id)
        self._write(topic, json.dumps(values).encode(), log_time_ns)

    def _write(self, topic: str, data: bytes, log_time_ns: int) -> None:
        sequence = self._sequence[topic] = self._sequence.get(topic, 0) + 1
        self._writer.add_message(self._channels[topic], max(0, log_time_ns), data, max(0, log_time_ns), sequence)
