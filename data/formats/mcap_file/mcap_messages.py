"""Messages of an MCAP file decoded: protobuf, JSON and ROS 2 CDR, with one way to ask for fields, times and bytes.

Source: foxglove schemas (docs.foxglove.dev/docs/visualization/message-schemas), ROS 2 `sensor_msgs`, `nav_msgs`,
`geometry_msgs`, `tf2_msgs`. All messages are decoded by the schemas inside the file.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fsd.data.clock import SECOND_NS
from fsd.data.errors import ClipError
from fsd.data.formats.mcap_file.mcap_index import INSTALL, Channel, McapIndex

VIDEO, COMPRESSED_IMAGE, RAW_IMAGE = "video", "compressed image", "raw image"
CALIBRATION, TRANSFORM, TRANSFORMS, ODOMETRY, TWIST, FSD_EGO = (
    "calibration",
    "transform",
    "transforms",
    "odometry",
    "twist",
    "fsd ego",
)

KINDS = {
    "foxglove/CompressedVideo": VIDEO,
    "foxglove/CompressedImage": COMPRESSED_IMAGE,
    "foxglove/RawImage": RAW_IMAGE,
    "foxglove/CameraCalibration": CALIBRATION,
    "foxglove/FrameTransform": TRANSFORM,
    "foxglove/FrameTransforms": TRANSFORMS,
    "sensor_msgs/CompressedImage": COMPRESSED_IMAGE,
    "sensor_msgs/Image": RAW_IMAGE,
    "sensor_msgs/CameraInfo": CALIBRATION,
    "tf2_msgs/TFMessage": TRANSFORMS,
    "nav_msgs/Odometry": ODOMETRY,
    "foxglove/Odometry": ODOMETRY,
    "geometry_msgs/TwistStamped": TWIST,
    "fsd/ego": FSD_EGO,
}
"""Message type -> what it is to a recording."""

IMAGE_KINDS = (VIDEO, COMPRESSED_IMAGE, RAW_IMAGE)
"""The best comes first, where a camera has several."""


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message: its content, and the time at which it was logged."""

    content: Any
    log_time_ns: int

    @property
    def stamp_ns(self) -> int | None:
        """The message's own time; None where it has none."""
        stamp = find(self.content, "header.stamp")
        if stamp is None:
            stamp = find(self.content, "timestamp")
        seconds = find(stamp, "sec", "seconds")
        nanoseconds = find(stamp, "nanosec", "nsec", "nanos")
        if seconds is None:
            return None
        return int(seconds) * SECOND_NS + int(nanoseconds or 0)

    @property
    def frame_id(self) -> str:
        """The coordinate frame that the message names."""
        return str(find(self.content, "header.frame_id", "frame_id") or "").lstrip("/")

    @property
    def data(self) -> bytes:
        """The bytes of an image."""
        data = find(self.content, "data")
        return base64.b64decode(data) if isinstance(data, str) else bytes(data or b"")


def _nothing() -> None:
    """Faults are not counted."""


def kind_of(channel: Channel) -> str | None:
    """What a channel is to a recording, by the name of its schema."""
    name = channel.schema_name.replace("/msg/", "/").replace("foxglove_msgs/", "foxglove/")
    return KINDS.get(name.replace(".", "/", 1))


def find(content: Any, *paths: str) -> Any:
    """The first of these fields that a message has, such as `header.stamp`, whatever decoded it; None without."""
    for path in paths:
        value = content
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
            if value is None:
                break
        else:
            return value
    return None


def numbers(content: Any, *paths: str) -> tuple[float, ...]:
    """The first of these fields that a message has, as numbers; empty without."""
    return tuple(float(value) for value in find(content, *paths) or ())


def decoded(index: McapIndex, topic: str, damaged: Callable[[], None] = _nothing) -> Iterator[Message]:
    """The messages of one topic, in the order of the file; `damaged` is called for every chunk or message left out.

    Raises:
        ClipError: their encoding is not known, or a package is missing.
    """
    decoders: dict[int, Callable[[bytes], Any]] = {}
    for raw in index.messages(topic, damaged):
        decode = decoders.get(raw.channel.id)
        if decode is None:
            decode = decoders[raw.channel.id] = decoder_of(raw.channel)
        try:
            content = decode(raw.data)
        except Exception:  # each decoder has errors of its own
            damaged()
            continue
        yield Message(content, raw.log_time_ns)


def decoded_in(indexes: Iterable[McapIndex], topic: str) -> Iterator[Message]:
    """The messages of one topic in several files, one after the other; what cannot be read is left out.

    Raises:
        ClipError: as `decoded`.
    """
    for index in indexes:
        yield from decoded(index, topic)


def last_decoded(index: McapIndex, topic: str) -> Message | None:
    """The last message of one topic; None where it cannot be read."""
    raw = index.last_message(topic)
    if raw is None:
        return None
    decode = decoder_of(raw.channel)
    try:
        return Message(decode(raw.data), raw.log_time_ns)
    except Exception:  # each decoder has errors of its own
        return None


def decoder_of(channel: Channel) -> Callable[[bytes], Any]:
    """Bytes -> message.

    Raises:
        ClipError: the encoding is not known, or a package is missing.
    """
    if channel.encoding == "json":
        return json.loads
    factory: Any
    try:
        if channel.encoding == "protobuf":
            from mcap_protobuf.decoder import DecoderFactory as ProtobufFactory

            factory = ProtobufFactory()
        else:
            from mcap_ros2.decoder import DecoderFactory as RosFactory

            factory = RosFactory()
    except ImportError as error:
        raise ClipError(f"{channel.topic}: reading {channel.encoding} needs another package. {INSTALL}") from error
    try:
        decode = factory.decoder_for(channel.encoding, channel.schema)
    except Exception as error:  # whatever the parser says of the schema
        raise ClipError(f"{channel.topic}: its schema {channel.schema_name} cannot be read ({error}).") from error
    if decode is None:
        schema = "none" if channel.schema is None else channel.schema.encoding
        raise ClipError(
            f"{channel.topic} is encoded as {channel.encoding} with a schema in {schema}. "
            "Protobuf, JSON, and CDR with ros2msg can be read; convert the file."
        )
    return decode
