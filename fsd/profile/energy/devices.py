"""The table of devices of the energy model: published rates and their sources.

A number that the maker does not publish is null; a device without published dense rates is not in the table.
"""

from functools import cache
from importlib import resources
from typing import Literal

import msgspec


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of devices.json.

    Attributes:
        covers: what the watts include: module, board or card.
        int8_tops, float_tops: dense rates in 1e12 operations per second; a multiply-accumulate is two. Float is FP16.
        bandwidth_gb_s: memory, 1e9 bytes per second.
        idle_w: None where the maker does not publish it; max_w: the maker's limit.
        source: document and year; confidence: how directly it states the numbers.
        known_as: patterns of the names that drivers report, which identify a meter of this device.
    """

    name: str
    title: str
    covers: str
    int8_tops: float
    float_tops: float
    bandwidth_gb_s: float
    idle_w: float | None
    max_w: float
    source: str
    confidence: Literal["high", "medium", "low"]
    remark: str = ""
    known_as: tuple[str, ...] = ()


class _Table(msgspec.Struct):
    note: str
    devices: tuple[Device, ...]


@cache
def devices() -> dict[str, Device]:
    """Name -> device, in the order of the table."""
    text = (resources.files("fsd.profile.energy") / "devices.json").read_bytes()
    return {device.name: device for device in msgspec.json.decode(text, type=_Table).devices}
