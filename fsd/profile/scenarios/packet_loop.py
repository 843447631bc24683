"""An endless camera: the packets of a recording, kept in memory and decoded repeatedly.

A profile needs minutes of video, a clip lasts seconds, and opening its files again would stall the run. The decoder is
that of replay, with one thread; every repetition starts at an I-frame, as recordings do.
"""

from collections.abc import Iterator
from typing import cast

import av

from fsd.data.camera_stream import CameraStream
from fsd.data.errors import ClipError
from fsd.data.hardware_decode import accelerator, refused


class PacketLoop:
    """Iterates over decoded pictures without end.

    Args:
        stream: camera of an opened clip.
        max_pictures: most pictures to keep in memory.

    Raises:
        ClipError: the recording has no packets.
    """

    def __init__(self, stream: CameraStream, max_pictures: int) -> None:
        self._packets: list[av.Packet] = []
        with av.open(str(stream.path)) as container:
            video = container.streams.video[0]
            name = video.codec_context.codec.name
            codec = av.CodecContext.create(name, "r", hwaccel=accelerator(stream.hwaccel))
            if stream.hwaccel and not codec.is_hwaccel:
                raise refused(stream.path, stream.hwaccel, f"the decoder {name} cannot use it")
            self._codec = cast(av.VideoCodecContext, codec)
            self._codec.extradata = video.codec_context.extradata
            for packet in container.demux(video):
                if packet.size:
                    self._packets.append(packet)
                if len(self._packets) == max_pictures:
                    break
        if not self._packets:
            raise ClipError(f"{stream.path} contains no pictures. Use a recording that does.")
        # One worker serves several cameras: threads inside the codec would compete with it.
        self._codec.thread_count = 1
        self._next = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        while True:
            packet = self._packets[self._next]
            self._next = (self._next + 1) % len(self._packets)
            yield from self._codec.decode(packet)

    def skip(self, at_least: int) -> int:
        """Drop packets, at least that many and on to the next I-frame; returns how many."""
        dropped = 0
        while dropped < at_least or not self._packets[self._next].is_keyframe:
            self._next = (self._next + 1) % len(self._packets)
            dropped += 1
        self._codec.flush_buffers()
        return dropped
