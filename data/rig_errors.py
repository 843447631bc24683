"""Turn the messages of the JSON validator into `RigError`s that name the file, the field, the value and the fix."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fsd.data.errors import RigError


def rig_error(
    path: Path, document: Any, message: str, structs: Mapping[str, tuple[type[msgspec.Struct], ...]]
) -> RigError:
    """The error for a `rig.json` that the validator refused.

    Args:
        path: the file.
        document: its JSON, decoded.
        message: of `msgspec.ValidationError`, ending in the place such as ``- at `$.cameras[0].name` ``.
        structs: field -> the structs that are valid there; the empty name is the whole document.
    """
    text, _, place = message.partition(" - at `")
    place = place.rstrip("`").removeprefix("$").removeprefix(".")
    name = ""
    if unknown := re.search(r"unknown field `(.+?)`", text):
        name = unknown[1]
        reason = f"unknown field `{name}`. {_fix_for_unknown(name, _fields_at(place, structs))}"
    elif missing := re.search(r"missing required field `(.+?)`", text):
        name = missing[1]
        reason = f"`{name}` is missing. Add it."
    elif text.startswith("Invalid value") and place.endswith("model"):
        reason = f"{_value_at(document, place)!r} is no lens model. Use 'pinhole', 'fisheye' or 'ftheta'."
    elif own := re.match(r"`(.+?)`", text):  # a check of `rig.py`, which names the field, the value and the fix
        name = own[1]
        reason = f"{text}."
    else:
        reason = f"{text[:1].lower()}{text[1:]} (the value is {_value_at(document, place)!r}). Correct it."
    where = f"{path}: {place}: " if place else f"{path}: "
    return RigError(where + reason, field=".".join(filter(None, (place, name))))


def _fix_for_unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else f"Remove it; the fields here are {', '.join(known)}."


def _fields_at(place: str, structs: Mapping[str, tuple[type[msgspec.Struct], ...]]) -> list[str]:
    """The fields that are valid at a place such as `cameras[2].intrinsics`."""
    last = re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]
    found = structs.get(last, structs[""])
    tags = [info.tag_field for info in (struct.__struct_config__ for struct in found) if info.tag_field]
    return list(dict.fromkeys([field for struct in found for field in struct.__struct_fields__] + tags))


def _value_at(document: Any, place: str) -> Any:
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", place):
        try:
            document = document[name] if name else document[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return document
