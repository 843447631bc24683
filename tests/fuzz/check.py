"""Independent readings of tables, JSON, messages and tracks, and a comparison with what the program understood.

Each check opens the files again with a plain library (csv, json, pyarrow, safetensors' format by hand, protobuf) and
raises `AssertionError` where the program accepted something else than the file says.
"""

import csv
import io
import json
import math
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq


def expect(is_right: object, what: str) -> None:
    """Raise `AssertionError` with a sentence."""
    if not is_right:
        raise AssertionError(what)


def same(found: Any, stated: Any, what: str) -> None:
    """Compare two lists of numbers; NaN and None are the same."""
    expect(len(found) == len(stated), f"{what}: {len(found)} values, the file has {len(stated)}")
    for row, (a, b) in enumerate(zip(found, stated, strict=True)):
        unknown = [each is None or (isinstance(each, float) and math.isnan(each)) for each in (a, b)]
        expect(unknown[0] == unknown[1], f"{what} row {row}: {a!r}, the file has {b!r}")
        if not unknown[0]:
            expect(a == b or abs(a - b) <= 1e-9 * abs(b), f"{what} row {row}: {a!r}, the file has {b!r}")


def rises(values: Any, what: str) -> None:
    """Whole numbers of any size, strictly rising."""
    expect(all(a < b for a, b in pairwise(values)), f"{what} do not rise")


def plain_table(path: Path) -> Any:
    """A Parquet file as a pyarrow table."""
    try:
        return pq.ParquetFile(path).read()
    except UnicodeDecodeError:  # a name in the file's own schema; Arrow's copy of the schema has it right
        return pq.read_table(path)


def within(document: Any, understood: Any, path: str = "") -> None:
    """Whatever a struct holds is what the JSON document says, except for fields that it does not state."""
    if isinstance(understood, dict):
        expect(isinstance(document, dict), f"{path} is {document!r}")
        for key, value in understood.items():
            if key in document:
                within(document[key], value, f"{path}.{key}")
    elif isinstance(understood, list | tuple):
        expect(isinstance(document, list) and len(document) == len(understood), f"{path} has another length")
        for index, value in enumerate(understood):
            within(document[index], value, f"{path}[{index}]")
    elif isinstance(understood, float):
        expect(math.isfinite(understood), f"{path} is {understood}")
        expect(
            type(document) in (int, float) and float(document) == understood, f"{path}: {understood!r}, {document!r}"
        )
    else:
        expect(document == understood and type(document) is type(understood), f"{path}: {understood!r}, {document!r}")


def rig(folder: Path, found: Any) -> None:
    document = json.loads((folder / "rig.json").read_bytes())
    stated = [camera["name"] for camera in document["cameras"]]
    expect(len(found.cameras) == len(set(stated)), f"{len(found.cameras)} cameras of {stated}")
    understood = msgspec.to_builtins(found)
    for camera in understood["cameras"]:
        del camera["name"]  # may be an alias
    within(document, understood)
    for camera in found.cameras:
        expect(np.isfinite(camera.ego_from_camera.matrix()).all(), "the pose is not finite")


def timestamps(folder: Path, found: Any) -> None:
    table = plain_table(folder / "front_main.timestamps.parquet")
    same(found.timestamp_ns.tolist(), table["t_ns"].to_pylist(), "t_ns")
    same(found.frame_index.tolist(), table["frame_index"].to_pylist(), "frame_index")
    rises(table["t_ns"].to_pylist(), "t_ns")
    rises(table["frame_index"].to_pylist(), "frame_index")


def csv_file(folder: Path, found: Any) -> None:
    times, steering = found
    data = (folder / "front_main.csv").read_bytes()
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    if any(text.partition("\n")[0].count(other) for other in ";\t|"):
        return  # another separator: the plain reader below does not guess
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in rows[0]]
    stated = [int(row[header.index("timestamp_ns")]) for row in rows[1:]]
    same(times.timestamp_ns.tolist(), stated, "timestamp_ns")
    rises(stated, "timestamp_ns")
    if steering is not None:
        column = header.index("steering_angle_rad")
        angles = [row[column].strip() if column < len(row) else "" for row in rows[1:]]
        same(
            steering.angle_rad.tolist(),
            [float(text) if text and abs(float(text)) <= 60 else math.nan for text in angles],
            "steering_angle_rad",
        )
        expect(not np.isinf(steering.angle_rad).any(), "an infinite angle was accepted")


def ego(folder: Path, found: Any) -> None:
    """Kept rows hold what the file says, and only rows with a value that is none may be left out."""
    track, commands = found
    table = plain_table(folder / "ego.parquet")
    times = table["t_ns"].to_pylist()
    rises(times, "t_ns")
    rises(track.timestamp_ns.tolist(), "times of the track")
    place = {time_ns: row for row, time_ns in enumerate(times)}
    rows = [place.get(time_ns) for time_ns in track.timestamp_ns.tolist()]
    expect(None not in rows, "a row has a time that the file does not state")
    stated = {name: table[name].to_pylist() for name in table.column_names if name in EGO_LIMITS}
    for name, column in (("v_mps", track.speed_mps), ("yaw_rate_rps", track.yaw_rate_rps), ("x", track.x_m)):
        for row, value in zip(rows, column.tolist(), strict=True):
            if not math.isnan(value):
                number = float(stated[name][row])
                expect(math.isclose(value, number, rel_tol=1e-9), f"{name} row {row}: {value}, in the file {number}")
    for row in set(range(len(times))) - set(rows):
        values = {name: column[row] for name, column in stated.items()}
        is_good = all(value is None or abs(float(value)) < EGO_LIMITS[name] for name, value in values.items())
        turn = [values.get(f"q{axis}") for axis in "wxyz"]
        if is_good and None not in turn:
            is_good &= abs(sum(float(each) ** 2 for each in turn) - 1) < 1e-3
        expect(not is_good, f"row {row} is left out: {values}")
    if commands is not None:
        table = plain_table(folder / "command.parquet")
        expect(list(commands.commands) == table["command"].to_pylist(), "commands differ")


EGO_LIMITS = {
    "x": 1e5,
    "y": 1e5,
    "z": 1e3,
    **dict.fromkeys(("qw", "qx", "qy", "qz"), 1.1),
    "v_mps": 40,
    "yaw_rate_rps": 2,
}
"""A row whose values are all below these is one that a car can have."""


_FIELD_KINDS = (13, 14, 13, 2, 2, 2, 8, 8, 8, 14, 1, 1, 1, 1, 1, 1)  # protobuf types: uint32, enum, float, bool, double


def message(folder: Path, found: Any) -> None:
    """Decode the same bytes by protobuf with the published schema."""
    stated = _protobuf_class()()
    stated.ParseFromString((folder / "message.bin").read_bytes())
    for number, name in enumerate(_FIELD_NAMES, 1):
        value, expected = getattr(found, name), getattr(stated, f"f{number}")
        if name == "version" or (isinstance(value, float) and math.isnan(value) and not expected):
            continue
        if isinstance(value, float) and math.isnan(value):
            expect(math.isnan(expected) or "heading" in name, f"{name} is NaN, protobuf says {expected!r}")
        elif _FIELD_KINDS[number - 1] in (13, 14):
            expect(value & 0xFFFF_FFFF == expected & 0xFFFF_FFFF, f"{name} is {value!r}, protobuf says {expected!r}")
        else:
            expect(value == expected, f"{name} is {value!r}, protobuf says {expected!r}")


_FIELD_NAMES = (
    "version", "gear", "frame_sequence_number", "speed_mps", "accelerator_pedal_position", "steering_wheel_angle_deg",
    "blinker_left", "blinker_right", "brake_applied", "autopilot_state", "latitude_deg", "longitude_deg",
    "heading_deg", "acceleration_x_mps2", "acceleration_y_mps2", "acceleration_z_mps2",
)  # fmt: skip


@cache
def _protobuf_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="fuzz.proto", package="fuzz", syntax="proto3")
    kind = file.message_type.add(name="Telemetry")
    for number, code in enumerate(_FIELD_KINDS, 1):
        code = 5 if code == 14 else code  # an open enum reads as int32
        kind.field.add(name=f"f{number}", number=number, type=code, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fuzz.Telemetry"))


def gps(folder: Path, found: Any) -> None:
    """Every position is one that a plain search of the file finds, and times rise."""
    fixes, track = found
    path = next(path for path in sorted(folder.iterdir()) if path.is_file())
    text = path.read_bytes().decode("utf-8", "replace")
    rises(fixes.unix_ns.tolist(), "fix times")
    expect(np.isfinite([fixes.latitude_deg, fixes.longitude_deg]).all(), "a position is not finite")
    if path.suffix == ".gpx":
        stated = {
            round(float(value), 6)
            for value in re.findall(r"""lat\s*=\s*["']\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)""", text)
        }
    else:
        pairs = re.findall(r",(\d\d)(\d\d(?:\.\d*)?),([NS]),", text)
        stated = {round((int(d) + float(m) / 60) * (-1 if s == "S" else 1), 6) for d, m, s in pairs}
    strange = {round(value, 6) for value in fixes.latitude_deg.tolist()} - stated
    expect(not strange, f"latitudes {sorted(strange)[:3]} are not in the file")
    entries = text.count("<trkpt") if path.suffix == ".gpx" else text.count("RMC,") + text.count("GGA,")
    expect(len(fixes) + fixes.skipped <= max(entries, text.count("trkpt")), "more positions than the file has")
    if track is not None:
        rises(track.timestamp_ns.tolist(), "ego times")
        known = track.speed_mps[np.isfinite(track.speed_mps)]
        expect(
            not len(known) or 0 <= known.min() <= known.max() <= 150, f"speeds of {known.min():g} to {known.max():g}"
        )
        expect(np.isfinite([track.x_m, track.y_m, track.yaw_rad]).all(), "the path is not finite")
