"""Change an input: bytes, JSON values, lines and cells of text, columns of tables, and the files of a folder.

The same random state gives the same input. Nothing here knows what a target does with it.
"""

import io
import json
import re
import struct
from pathlib import PurePosixPath
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from tests.fuzz.bundle import Bundle

MAX_BYTES = 400_000
"""Larger files are cut: what is looked for does not need them."""

INTEGERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-9, 1e9, -1e9, 1e35, 1e308, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "nan",
    "inf",
    "1e999",
    "null",
    "é",
    "\0",
    "../x",
    "front_main",
    "rear",
    "a" * 300,
    "٣",
    "１",
)
VALUES: tuple[Any, ...] = (*INTEGERS, *FLOATS, *TEXTS, None, True, False, [], {}, [1, 2], {"a": 1}, 2**70)
_UNFIT = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
_UNFIT += (struct.error, pa.ArrowException)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def mutated(bundle: Bundle, random: Random, others: list[Bundle] | None = None) -> Bundle:
    """A changed copy; the original is left as it is. `others` give bytes to splice in."""
    changed = dict(bundle)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        if len(changed) > 1 and random.random() < 0.15:
            _change_files(changed, random)
        if not changed:
            return changed
        name = random.choice(sorted(changed))
        donor = random.choice(others) if others else bundle
        changed[name] = _change_content(name, changed[name], random, donor)[:MAX_BYTES]
    return changed


def _change_content(name: str, data: bytes, random: Random, donor: Bundle) -> bytes:
    """Change one file in the way of its kind, or as bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    by_kind = _KINDS.get(suffix)
    if by_kind is not None and random.random() < 0.75:
        try:
            return by_kind(data, random)
        except _UNFIT:  # the file was changed before, and is none of its kind any more
            pass
    return change_bytes(data, random, donor.get(name) or b"\0")


def _change_files(files: Bundle, random: Random) -> None:
    """Remove, empty, copy, exchange or rename files."""
    a, b = random.choice(sorted(files)), random.choice(sorted(files))
    match random.randrange(6):
        case 0:
            del files[a]
        case 1:
            files[a] = b""
        case 2:
            files[a], files[b] = files[b], files[a]
        case 3:
            files[_renamed(a, random)] = files[a]
        case 4:
            files[_renamed(a, random)] = files.pop(a)
        case 5:
            files[a] = files[b]


def _renamed(name: str, random: Random) -> str:
    """The name with another number or another letter."""
    numbers = list(_NUMBER.finditer(name))
    if numbers and random.random() < 0.7:
        match = random.choice(numbers)
        new = str(random.choice((0, 1, 99, int(float(match[0])) + 1, int(float(match[0])) - 1, 10**20)))
        return name[: match.start()] + new.rjust(len(match[0]), "0") + name[match.end() :]
    at = random.randrange(len(name))
    return name[:at] + random.choice("_aZ9 é.") + name[at + 1 :]


def change_bytes(data: bytes, random: Random, donor: bytes = b"\0") -> bytes:
    """Flip, overwrite, cut, repeat, move or insert bytes."""
    found = bytearray(data or b"\0")
    at = random.randrange(len(found))
    length = min(random.choice((1, 2, 4, 8, 16, 64, 500)), len(found) - at)
    match random.randrange(9):
        case 0:
            found[at] ^= 1 << random.randrange(8)
        case 1:
            found[at] = random.randrange(256)
        case 2 | 3:
            size, order = random.choice((1, 2, 4, 8)), random.choice(("big", "little"))
            value = random.choice(INTEGERS) % 256**size
            found[at : at + size] = value.to_bytes(size, "little" if order == "little" else "big")
        case 4:
            del found[at : at + length]
        case 5:
            found[at:at] = found[at : at + length] * random.choice((1, 1, 2, 20))
        case 6:
            del found[at:]
        case 7:
            found[at : at + length] = random.randbytes(length)
        case 8:
            start = random.randrange(len(donor))
            found[at : at + length] = donor[start : start + length]
    return bytes(found)


def change_json(data: bytes, random: Random) -> bytes:
    """Replace, remove, repeat or exchange values anywhere in a document."""
    document = json.loads(data)
    places = list(_places(document))
    if not places:
        return json.dumps(random.choice(VALUES)).encode()
    parent, key = random.choice(places)
    match random.randrange(7):
        case 0 | 1 | 2:
            parent[key] = random.choice(VALUES)
        case 3 if isinstance(parent[key], int | float):
            parent[key] *= random.choice((-1, 0.001, 1000, 1e30))
        case 4:
            del parent[key]
        case 5:
            other, other_key = random.choice(places)
            parent[key] = json.loads(json.dumps(other[other_key]))
        case _ if isinstance(parent, list):
            parent += [parent[key]] * random.choice((1, 2, 50))
        case _:
            parent[random.choice(TEXTS)] = parent[key]
    return json.dumps(document, ensure_ascii=random.random() < 0.5).encode()


def change_json_lines(data: bytes, random: Random) -> bytes:
    """Change one line as JSON, or the lines as text."""
    lines = data.splitlines(keepends=True)
    at = random.randrange(len(lines))
    if random.random() < 0.3:
        return change_text(data, random)
    return b"".join([*lines[:at], change_json(lines[at], random) + b"\n", *lines[at + 1 :]])


def _places(document: Any) -> Any:
    """Every (container, key) of a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield document, key
        yield from _places(value)


def change_text(data: bytes, random: Random) -> bytes:
    """Change numbers, cells and lines."""
    text = data.decode("utf-8", "surrogateescape")
    numbers = list(_NUMBER.finditer(text))
    lines = text.splitlines(keepends=True)
    line = random.randrange(len(lines))
    match random.randrange(8):
        case 0 | 1 | 2 if numbers:
            match = random.choice(numbers)
            value = random.choice((*INTEGERS, *FLOATS, *TEXTS, float(match[0]) / 1e6, -float(match[0]), 2**70))
            text = text[: match.start()] + str(value) + text[match.end() :]
            return text.encode("utf-8", "surrogateescape")
        case 3:
            del lines[line]
        case 4:
            lines.insert(line, random.choice(lines))
        case 5:
            other = random.randrange(len(lines))
            lines[line], lines[other] = lines[other], lines[line]
        case 6:
            lines[line] = lines[line].replace(
                ",", random.choice((";", "\t", "", ",,", '"', "\r")), random.choice((-1, 1))
            )
        case _:
            lines.insert(line, random.choice(("\n", "\ufeff", '"\n', ",,,,\n", "#\n", "é\n", "\0\n")))
    return "".join(lines).encode("utf-8", "surrogateescape")


def change_parquet(data: bytes, random: Random) -> bytes:
    """Change a Parquet table."""
    target = io.BytesIO()
    pq.write_table(_change_table(pq.read_table(io.BytesIO(data)), random), target)
    return target.getvalue()


def change_feather(data: bytes, random: Random) -> bytes:
    """Change a Feather table."""
    target = io.BytesIO()
    feather.write_feather(_change_table(feather.read_table(io.BytesIO(data)), random), target)
    return target.getvalue()


def _change_table(table: Any, random: Random) -> Any:
    """Another type, value, name or order in one column, or other rows."""
    place = random.randrange(table.num_columns)
    name, column = table.column_names[place], table.column(place)
    rows = list(range(table.num_rows))
    match random.randrange(9):
        case 0 | 1:
            kinds = (
                pa.int32(),
                pa.int64(),
                pa.uint64(),
                pa.uint8(),
                pa.float32(),
                pa.float64(),
                pa.string(),
                pa.bool_(),
            )
            column = column.cast(random.choice((*kinds, pa.timestamp("ns"), pa.decimal128(38, 2))), safe=False)
        case 2 | 3 | 4:
            values = column.to_pylist()
            for _ in range(random.choice((1, 1, 3))):
                values[random.randrange(len(values))] = random.choice(
                    (*INTEGERS, None) if pa.types.is_integer(column.type) else (*FLOATS, *INTEGERS[:8], None, "left")
                )
            column = pa.chunked_array([pa.array(values, random.choice((column.type, column.type, pa.uint64())))])
        case 5:
            return table.drop_columns([name])
        case 6:
            names = [*table.column_names]
            names[place] = random.choice((*table.column_names, *TEXTS))
            return table.rename_columns(names)
        case 7:
            random.shuffle(rows)
            return table.take(rows[: random.choice((0, 1, 2, len(rows)))])
        case 8:
            at = random.randrange(len(rows))
            return table.take([*rows[:at], *rows[at : at + 1] * random.choice((0, 2)), *rows[at + 1 :]])
    return table.set_column(place, name, column)


def change_boxes(data: bytes, random: Random) -> bytes:
    """Change a number in an MP4 file's index, which is small and easily missed by chance."""
    index = data.rfind(b"moov")
    if index < 0:
        raise ValueError("no index")
    found = bytearray(data)
    at = random.randrange(index, len(found) - 4)
    at -= at % 4 - index % 4
    old = int.from_bytes(found[at : at + 4], "big")
    new = random.choice((*INTEGERS, old + 1, old - 1, old * 2, old // 2)) % 2**32
    found[at : at + 4] = new.to_bytes(4, "big")
    return bytes(found)


def change_safetensors(data: bytes, random: Random) -> bytes:
    """Change the JSON header, or a number of a tensor."""
    (length,) = struct.unpack("<Q", data[:8])
    header, tensors = data[8 : 8 + length], bytearray(data[8 + length :])
    if random.random() < 0.7:
        document = json.loads(header)
        if random.random() < 0.5 and "__metadata__" in document:
            key = random.choice(sorted(document["__metadata__"]))
            document["__metadata__"][key] = change_json(document["__metadata__"][key].encode(), random).decode()
            header = json.dumps(document).encode()
        else:
            header = change_json(header, random)
    else:
        at = random.randrange(len(tensors) // 4) * 4
        tensors[at : at + 4] = struct.pack("<f", random.choice([each for each in FLOATS if abs(each) < 1e38]))
    return struct.pack("<Q", len(header)) + header + bytes(tensors)


_KINDS = {
    ".json": change_json,
    ".jsonl": change_json_lines,
    **dict.fromkeys((".csv", ".txt", ".nmea", ".gpx"), change_text),
    ".parquet": change_parquet,
    ".feather": change_feather,
    **dict.fromkeys((".mp4", ".mov"), change_boxes),
    ".safetensors": change_safetensors,
}
