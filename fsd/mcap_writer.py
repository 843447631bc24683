"""`drive.mcap`: one replay for Foxglove and everything else that reads MCAP, written while the replay runs.

Video of every camera, calibration, transforms, the plan as a scene, the driven path, gaze, keyframes, timings and
health. Memory stays bounded: a message leaves with the tick it belongs to. Needs the `viewer` extra.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from google.protobuf.message import Message
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import register_schema

from fsd import mcap_messages as messages
from fsd.data.clip import Clip
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError
from fsd.data.frames import CAMERAS
from fsd.mcap_calibration import calibration_of
from fsd.mcap_video import EncodedVideo, PassedVideo, why_not_passed_through
from fsd.networks.contract import ModelMetadata
from fsd.pipeline import TickResult
from fsd.version import __version__

MAX_PATH_POINTS = 2000
CHUNK_BYTES = 1 << 20
"""What is held in memory before it goes to the disk."""
CONTROL = (
    "curvature_per_m",
    "curvature_scale_per_m",
    "acceleration_mps2",
    "acceleration_scale_mps2",
    "lead_distance_m",
    "lead_probability",
)
NUMBERS: dict[str, dict[str, Any]] = {
    "/timings": {f"{stage}_ms": "number" for stage in ("wait", "compress", "infer", "post", "plan")},
    "/control": dict.fromkeys(CONTROL, "number"),
    "/ego": {"speed_mps": "number", "yaw_rate_rps": "number", "command": "string"},
    "/health": {
        "health": "string",
        "is_ok": "boolean",
        "valid_cameras": "integer",
        "memory_slots": "integer",
        "commits": "integer",
        **{f"{name}_age_ms": "number" for name in CAMERAS},
        **{f"{name}_patches": "integer" for name in CAMERAS},
    },
}
"""Topics of plain values to plot -> field -> JSON type."""


class DriveMcap:
    """Writes one MCAP file.

    Args:
        path: to write; clip: that is replayed; metadata: of the model.

    Attributes:
        video: camera -> how its pictures got in: `passed through`, or `encoded anew: <why>`.
    """

    def __init__(self, path: Path, clip: Clip, metadata: ModelMetadata) -> None:
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
        self.video: dict[str, str] = {}
        self._videos: dict[int, PassedVideo | EncodedVideo] = {}
        for index, stream in enumerate(clip.streams):
            if stream is not None:
                why = why_not_passed_through(stream)
                self.video[stream.name] = "passed through" if why is None else f"encoded anew: {why}"
                self._videos[index] = PassedVideo(stream) if why is None else EncodedVideo(stream)

    def add(self, result: TickResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        """Write everything of one tick."""
        now_ns = result.plan.timestamp_ns
        if not self._has_begun:
            self._begin(now_ns)
        self._add_pictures(result)
        self._add_gaze(result)
        self._put("/plan", messages.plan_scene(result.plan, self._is_trained), now_ns)
        self._add_pose(now_ns)
        self._add_numbers(result, ego, command, wait_ms)
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
        for video in self._videos.values():
            video.close()
        self._writer.finish()
        self._file.close()

    def _begin(self, now_ns: int) -> None:
        """What holds for the whole drive: mounting, calibration, the driven path."""
        self._has_begun = True
        rig = self._clip.rig
        cameras = [camera for camera in rig.cameras if camera.name in self.video]
        self._put("/tf_static", messages.mounting(cameras, now_ns), now_ns)
        for index in self._videos:
            self._put_calibration(index, now_ns)
        path = self._driven_path()
        if len(path):
            self._put("/driven", messages.driven_scene(path, now_ns), now_ns)
        else:
            self._put("/tf", messages.ego_pose(0.0, 0.0, 0.0, now_ns), now_ns)
        rig_json = msgspec.json.format(msgspec.json.encode(rig), indent=2)
        self._writer.add_attachment(now_ns, now_ns, "rig.json", "application/json", rig_json)

    def _put_calibration(self, index: int, now_ns: int) -> None:
        name = CAMERAS[index]
        camera = self._clip.rig.camera(name)
        if camera is None:
            return
        values = calibration_of(camera, self._videos[index].scale)
        self._put(f"/camera/{name}/calibration", messages.calibration(name, values, now_ns), now_ns)
        if values.fit_error_px > 0.5:
            words = f"{name}: calibration is a fit, up to {values.fit_error_px:.1f} pixels off"
            self._put("/log", messages.log(words, True, now_ns), now_ns)

    def _driven_path(self) -> np.ndarray:
        ego = self._clip.ego
        if ego is None:
            return np.empty((0, 2))
        path = np.stack([ego.x_m, ego.y_m], axis=1)
        path = path[np.isfinite(path).all(axis=1)]
        return path[:: max(1, len(path) // MAX_PATH_POINTS)]

    def _add_pictures(self, result: TickResult) -> None:
        frame_set = result.frame_set
        for index, video in list(self._videos.items()):
            frame, name = frame_set.frames[index], CAMERAS[index]
            if frame is None or not frame_set.is_new[index]:
                continue
            try:
                found = video.messages(frame)
            except ClipError as error:
                # The decoder gave a picture that the packets do not have: go on with pictures of our own.
                stream = self._clip.streams[index]
                assert stream is not None
                video.close()
                self._videos[index] = EncodedVideo(stream)
                self.video[name] = f"passed through, then encoded anew: {error}"
                found = self._videos[index].messages(frame)
                self._put_calibration(index, frame.timestamp_ns)
            for message in found:
                self._put(f"/camera/{name}/video", messages.video(name, message), message.timestamp_ns)

    def _add_gaze(self, result: TickResult) -> None:
        compressed = result.compressed
        for index, video in self._videos.items():
            frame = result.frame_set.frames[index]
            if frame is None:
                continue
            height_px, width_px = frame.y_plane.shape
            annotations = messages.gaze(
                compressed.patch_block[compressed.patch_camera == index],
                bool(compressed.is_keyframe[index]),
                round(width_px * video.scale),
                round(height_px * video.scale),
                frame.timestamp_ns,
            )
            self._put(f"/camera/{CAMERAS[index]}/gaze", annotations, result.plan.timestamp_ns)

    def _add_pose(self, now_ns: int) -> None:
        if self._clip.ego is not None:
            x_m, y_m, yaw_rad, _ = self._clip.ego.poses_at(np.array([now_ns]))[0].tolist()
            if np.isfinite([x_m, y_m, yaw_rad]).all():
                self._put("/tf", messages.ego_pose(x_m, y_m, yaw_rad, now_ns), now_ns)

    def _add_numbers(self, result: TickResult, ego: EgoSample | None, command: str, wait_ms: float) -> None:
        plan, compressed, frame_set = result.plan, result.compressed, result.frame_set
        now_ns = plan.timestamp_ns
        stages = {"compress_ms": result.compress_ms, "infer_ms": result.infer_ms, "post_ms": result.post_ms}
        self._put_values("/timings", {"wait_ms": wait_ms, **stages, "plan_ms": sum(stages.values())}, now_ns)
        self._put_values("/control", {name: getattr(plan, name) for name in CONTROL}, now_ns)
        motion = {} if ego is None else {"speed_mps": ego.speed_mps, "yaw_rate_rps": ego.yaw_rate_rps}
        self._put_values("/ego", {**motion, "command": command}, now_ns)
        ages = {
            f"{CAMERAS[index]}_age_ms": int(frame_set.age_ns[index]) / 1e6
            for index in self._videos
            if frame_set.age_ns[index] >= 0
        }
        patches = {f"{CAMERAS[index]}_patches": int((compressed.patch_camera == index).sum()) for index in self._videos}
        health = {
            "health": plan.health,
            "is_ok": plan.health == "ok",
            "valid_cameras": int(frame_set.is_valid.sum()),
            "memory_slots": int(compressed.memory_valid.sum()),
            "commits": int((compressed.commit_slots >= 0).sum()),
        }
        self._put_values("/health", {**health, **ages, **patches}, now_ns)

    def _add_events(self, result: TickResult) -> None:
        now_ns, health = result.plan.timestamp_ns, result.plan.health
        committed = [name for name, is_key in zip(CAMERAS, result.compressed.is_keyframe, strict=True) if is_key]
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

    def _put_values(self, topic: str, values: dict[str, Any], log_time_ns: int) -> None:
        if topic not in self._channels:
            schema = {
                "title": f"fsd{topic.replace('/', '.')}",
                "type": "object",
                "properties": {name: {"type": kind} for name, kind in NUMBERS[topic].items()},
            }
            schema_id = self._writer.register_schema(schema["title"], "jsonschema", json.dumps(schema).encode())  # type: ignore[arg-type]
            self._channels[topic] = self._writer.register_channel(topic, "json", schema_id)
        self._write(topic, json.dumps(values).encode(), log_time_ns)

    def _write(self, topic: str, data: bytes, log_time_ns: int) -> None:
        sequence = self._sequence[topic] = self._sequence.get(topic, 0) + 1
        self._writer.add_message(self._channels[topic], max(0, log_time_ns), data, max(0, log_time_ns), sequence)
