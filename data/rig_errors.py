"""What is wrong with a `rig.json`, in words: the file, the field, what came, and the mend.

Rewrites the validator's messages; knows nothing of cameras.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


def explain(path: Path, document: Any, message: str, structs: Mapping[str, tuple[type[msgspec.Struct], ...]]) -> str:
    """One sentence or two for people.

    Args:
        path: the file.
        document: its JSON, decoded.
        message: of `msgspec.ValidationError`, ending in the place such as ``- at `$.cameras[0].name` ``.
        structs: field -> the structs that may stand there; the empty name is the whole document.
    """
    text, _, place = message.partition(" - at `")
    place = place.rstrip("`").removeprefix("$").removeprefix(".")
    where = f"{path}: {place}: " if place else f"{path}: "
    if unknown := re.search(r"unknown field `(.+?)`", text):
        return f"{where}unknown field `{unknown[1]}`. {_mend_unknown(unknown[1], _fields_at(place, structs))}"
    if missing := re.search(r"missing required field `(.+?)`", text):
        return f"{where}`{missing[1]}` is missing. Add it."
    if text.startswith("Invalid value") and place.endswith("model"):
        return f"{where}{_value_at(document, place)!r} is no lens model. Use 'pinhole', 'fisheye' or 'ftheta'."
    if text.startswith("`"):  # one of our own checks, which names its field, the value and the mend
        return f"{where}{text}."
    return f"{where}{text[:1].lower()}{text[1:]} (the value is {_value_at(document, place)!r}). Correct it."


def _mend_unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else f"Remove it; the fields here are {', '.join(known)}."


def _fields_at(place: str, structs: Mapping[str, tuple[type[msgspec.Struct], ...]]) -> list[str]:
    """The fields that may stand at a place such as `cameras[2].intrinsics`."""
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
