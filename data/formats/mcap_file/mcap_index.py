"""Where the messages of each topic lie in an MCAP file, and reading them one by one in the order of the file.

Takes the index at the end of the file. A file without one (cut off, or written without chunks) is read through once,
record by record. Knows nothing of the content of messages. Needs the package `mcap`.

Source: the MCAP specification (mcap.dev/spec): records are one byte of opcode, eight bytes of length and the content.
"""

import heapq
import io
import struct
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import IO, Any

from fsd.data.errors import ClipError

MAGIC = b"\x89MCAP0\r\n"
INSTALL = "Install them with: pip install 'fsd[mcap]'"

_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _ATTACHMENT, _METADATA, _DATA_END = (
    *range(1, 7),
    0x09,
    0x0C,
    0x0F,
)
_RECORD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
"""Channel, sequence number, log time and publish time; the data follow."""


def _nothing() -> None:
    """Faults are not counted."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its topic, and how its messages are encoded; `schema` is the record of the library `mcap`."""

    id: int
    topic: str
    encoding: str
    schema_name: str
    schema: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawMessage:
    """An encoded message."""

    channel: Channel
    log_time_ns: int
    data: bytes


@dataclass(frozen=True)
class McapIndex:
    """One file.

    Attributes:
        channels: by number.
        library: the program that wrote the file, as it names itself.
        chunks: (offset of the record, numbers of the channels in it), in the order of the file.
        loose: channel -> offsets of messages that lie outside of chunks.
        attachments: name -> offset; metadata: name -> entries.
        lost: what could not be read, as a phrase; empty if nothing is missing.
    """

    path: Path
    channels: dict[int, Channel] = field(default_factory=dict)
    library: str = ""
    chunks: tuple[tuple[int, frozenset[int]], ...] = ()
    loose: dict[int, "array[int]"] = field(default_factory=dict)
    attachments: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: str = ""

    def channels_of(self, topic: str) -> frozenset[int]:
        """The numbers of a topic's channels."""
        return frozenset(channel.id for channel in self.channels.values() if channel.topic == topic)

    def messages(self, topic: str, damaged: Callable[[], None] = _nothing) -> Iterator[RawMessage]:
        """The messages of one topic in the order of the file; holds one chunk at a time.

        Args:
            damaged: called for every chunk that cannot be uncompressed, which is left out.

        Raises:
            ClipError: the file has become unreadable.
        """
        wanted = self.channels_of(topic)
        chunks = [(offset, True) for offset, inside in self.chunks if inside & wanted]
        loose = [zip(self.loose[number], repeat(False)) for number in wanted if number in self.loose]
        with self._opened() as file:
            for offset, is_chunk in heapq.merge(chunks, *loose):
                if is_chunk:
                    data = _chunk_data(file, offset)
                    if data is None:
                        damaged()
                    else:
                        yield from self._in_chunk(data, wanted)
                else:
                    yield self._message(_record_at(file, offset), 0)

    def last_message(self, topic: str) -> RawMessage | None:
        """The last message of one topic in the order of the file."""
        wanted = self.channels_of(topic)
        last_chunk = max((offset for offset, inside in self.chunks if inside & wanted), default=-1)
        last_loose = max((self.loose[number][-1] for number in wanted if number in self.loose), default=-1)
        if max(last_chunk, last_loose) < 0:
            return None
        with self._opened() as file:
            if last_loose > last_chunk:
                return self._message(_record_at(file, last_loose), 0)
            found = deque(self._in_chunk(_chunk_data(file, last_chunk) or b"", wanted), maxlen=1)
            return found[0] if found else None

    def attachment(self, name: str) -> bytes | None:
        """The content of an attachment; None where there is none of this name."""
        from mcap.data_stream import ReadDataStream
        from mcap.records import Attachment

        if name not in self.attachments:
            return None
        with self._opened() as file:
            file.seek(self.attachments[name] + _RECORD.size)
            return bytes(Attachment.read(ReadDataStream(file)).data)

    def _opened(self) -> IO[bytes]:
        try:
            return _opened(self.path)
        except OSError as error:
            raise ClipError(f"{self.path} cannot be read ({error.strerror}). Check the path.") from error

    def _in_chunk(self, data: bytes, wanted: frozenset[int]) -> Iterator[RawMessage]:
        for opcode, start, end in _records(data):
            if opcode == _MESSAGE and int.from_bytes(data[start : start + 2], "little") in wanted:
                yield self._message(data[start:end], 0)

    def _message(self, data: bytes, start: int) -> RawMessage:
        number, _, log_time_ns, _ = _MESSAGE_HEAD.unpack_from(data, start)
        return RawMessage(self.channels[number], log_time_ns, data[start + _MESSAGE_HEAD.size :])


class _Bounded(io.BufferedReader):
    """A file of which no more is asked than it has: a damaged length would be a demand for that much memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return super().read()
        here = self.tell()
        left = self.seek(0, io.SEEK_END) - here if size > io.DEFAULT_BUFFER_SIZE else size
        self.seek(here)
        return super().read(min(size, max(left, 0)))


def _opened(path: Path) -> IO[bytes]:
    return _Bounded(io.FileIO(path))


def load_index(path: Path) -> McapIndex:
    """Index of a file: from its end, or, if that is missing, by reading it through.

    Raises:
        ClipError: the packages are not installed, it is no MCAP file, or nothing in it can be read.
    """
    try:
        import mcap  # noqa: F401
    except ImportError as error:
        raise ClipError(f"{path}: MCAP files need the Python packages of the extra `mcap`. {INSTALL}") from error
    try:
        with _opened(path) as file:
            size = path.stat().st_size
            if file.read(len(MAGIC)) != MAGIC:
                raise ClipError(f"{path} is no MCAP file: its first bytes are others. Copy it again.")
            file.seek(max(0, size - len(MAGIC)))
            is_whole = file.read() == MAGIC
            return (_from_summary(path, file) if is_whole else None) or _by_reading_through(path, file, size, is_whole)
    except OSError as error:
        raise ClipError(f"{path} cannot be read ({error.strerror}). Check the path and the permissions.") from error


def _from_summary(path: Path, file: IO[bytes]) -> McapIndex | None:
    """None where the file has no index, or one that does not lead to its messages."""
    from mcap.exceptions import McapError
    from mcap.reader import SeekingReader

    file.seek(0)
    try:
        reader = SeekingReader(file)
        summary = reader.get_summary()
        if summary is None or not summary.channels or not summary.chunk_indexes:
            return None
        if any(channel.schema_id and channel.schema_id not in summary.schemas for channel in summary.channels.values()):
            return None
        every = frozenset(summary.channels)
        return McapIndex(
            path,
            channels={number: _channel(each, summary.schemas) for number, each in summary.channels.items()},
            library=reader.get_header().library,
            chunks=tuple(
                sorted(
                    (each.chunk_start_offset, frozenset(each.message_index_offsets) & every or every)
                    for each in summary.chunk_indexes
                )
            ),
            attachments={each.name: each.offset for each in summary.attachment_indexes},
            metadata={each.name: each.metadata for each in reader.iter_metadata()},
        )
    except (McapError, ValueError, LookupError, OverflowError, EOFError, struct.error):
        return None


def _by_reading_through(path: Path, file: IO[bytes], size: int, is_whole: bool) -> McapIndex:
    """Index every record up to the first that does not fit into the file."""
    from mcap.exceptions import McapError

    found = _Found()
    position = len(MAGIC)
    while position + _RECORD.size <= size:
        file.seek(position)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        end = position + _RECORD.size + length
        if end > size or opcode in (_FOOTER, _DATA_END) or opcode == 0:
            break
        try:
            found.add(file, opcode, position, length)
        except (McapError, ValueError, LookupError, OverflowError, EOFError, struct.error):
            found.broken_records += 1
        position = end
    lost = [] if is_whole else ["its end is missing, so it was cut off"]
    if found.broken_chunks:
        lost.append(f"{found.broken_chunks} of {found.broken_chunks + len(found.chunks)} chunks are damaged")
    if found.broken_records:
        lost.append(f"{found.broken_records} records are damaged")
    if not found.channels:
        why = f": {' and '.join(lost)}" if lost else ""
        raise ClipError(f"{path} holds no message that can be read{why}. Copy it again.")
    return McapIndex(
        path,
        channels={number: _channel(each, found.schemas) for number, each in found.channels.items()},
        library=found.library,
        chunks=tuple(found.chunks),
        loose=found.loose,
        attachments=found.attachments,
        metadata=found.metadata,
        lost=" and ".join(lost),
    )


class _Found:
    """What reading through a file has found so far."""

    def __init__(self) -> None:
        self.schemas: dict[int, Any] = {}
        self.channels: dict[int, Any] = {}
        self.chunks: list[tuple[int, frozenset[int]]] = []
        self.loose: dict[int, array[int]] = {}
        self.attachments: dict[str, int] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.library = ""
        self.broken_chunks = self.broken_records = 0

    def add(self, file: IO[bytes], opcode: int, position: int, length: int) -> None:
        """Take the record whose content lies where the file stands."""
        from mcap import records
        from mcap.data_stream import ReadDataStream

        if opcode == _MESSAGE:
            number = int.from_bytes(file.read(2), "little")
            self.loose.setdefault(number, array("Q")).append(position)
        elif opcode == _CHUNK:
            data = _chunk_data(file, position)
            if data is None:
                self.broken_chunks += 1
            else:
                self._add_chunk(data, position)
        elif opcode in (_SCHEMA, _CHANNEL):
            self._declare(opcode, file.read(length))
        elif opcode == _HEADER:
            self.library = records.Header.read(ReadDataStream(file)).library
        elif opcode == _ATTACHMENT:
            self.attachments[records.Attachment.read(ReadDataStream(file)).name] = position
        elif opcode == _METADATA:
            record = records.Metadata.read(ReadDataStream(file))
            self.metadata[record.name] = record.metadata

    def _add_chunk(self, data: bytes, position: int) -> None:
        inside = set()
        for opcode, start, end in _records(data):
            if opcode == _MESSAGE:
                inside.add(int.from_bytes(data[start : start + 2], "little"))
            elif opcode in (_SCHEMA, _CHANNEL):
                self._declare(opcode, data[start:end])
        self.chunks.append((position, frozenset(inside)))

    def _declare(self, opcode: int, content: bytes) -> None:
        from io import BytesIO

        from mcap import records
        from mcap.data_stream import ReadDataStream

        if opcode == _SCHEMA:
            schema = records.Schema.read(ReadDataStream(BytesIO(content)))
            self.schemas[schema.id] = schema
        else:
            channel = records.Channel.read(ReadDataStream(BytesIO(content)))
            self.channels[channel.id] = channel


def _channel(record: Any, schemas: dict[int, Any]) -> Channel:
    schema = schemas.get(record.schema_id)
    return Channel(record.id, record.topic, record.message_encoding, "" if schema is None else schema.name, schema)


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Opcode, start and end of the content of every record in a chunk."""
    position = 0
    while position + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, position)
        start = position + _RECORD.size
        position = start + length
        if position <= len(data):
            yield opcode, start, position


def _record_at(file: IO[bytes], offset: int) -> bytes:
    """The content of the record at this offset."""
    file.seek(offset)
    _, length = _RECORD.unpack(file.read(_RECORD.size))
    return file.read(length)


def _chunk_data(file: IO[bytes], offset: int) -> bytes | None:
    """The records of the chunk at this offset, uncompressed; None where it is damaged.

    Raises:
        ClipError: its compression is not known.
    """
    from mcap.data_stream import ReadDataStream
    from mcap.records import Chunk

    file.seek(offset + _RECORD.size)
    try:
        chunk = Chunk.read(ReadDataStream(file))
        if chunk.compression == "zstd":
            import zstandard

            data = bytes(zstandard.decompress(chunk.data, chunk.uncompressed_size))
        elif chunk.compression == "lz4":
            import lz4.frame

            data = bytes(lz4.frame.decompress(chunk.data))
        else:
            data = bytes(chunk.data)
    except Exception:  # each decompressor has errors of its own
        return None
    if chunk.compression not in ("", "zstd", "lz4"):
        raise ClipError(f"MCAP chunks compressed with {chunk.compression} cannot be read. Use zstd or lz4.")
    is_whole = chunk.uncompressed_crc in (0, zlib.crc32(data))  # 0: the writer stated none
    return data if is_whole else None
