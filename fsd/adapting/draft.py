"""A first adapter with the reason for each guess. Knows no rule: `guess_*.py` have those."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import TODO

Certainty = Literal["sure", "likely", "unsure", "TODO"]


class Guess(NamedTuple):
    """One field of the file, what it is set to, how sure that is, and why; TODO is for the user to decide."""

    field: str
    value: str
    certainty: Certainty
    reason: str


class Tensors(NamedTuple):
    """Inputs and outputs of one model file."""

    file: str
    inputs: Signature
    outputs: Signature


@dataclass
class Draft:
    """The adapter as JSON types, and the guesses in it.

    Attributes:
        lists: field of the adapter that is a list -> its entries.
        outputs, shapes, compressed: as in the adapter.
    """

    name: str
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, list[Any]] = field(default_factory=dict)
    compressed: dict[str, Any] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Inputs that have a source, and outputs that have a use."""

    def add(self, section: str, entry: dict[str, Any], notes: Iterable[tuple[str, Certainty, str]]) -> None:
        """Append to a list.

        Args:
            notes: (field of the entry, or "" for its name; certainty; reason).
        """
        entries = self.lists.setdefault(section, [])
        place = f"{section}[{len(entries)}]"
        entries.append(entry)
        for key, certainty, reason in notes:
            self.note(f"{place}.{key}" if key else place, entry.get(key, _named(entry)), certainty, reason)

    def note(self, place: str, value: object, certainty: Certainty, reason: str) -> None:
        """Record a guess; a value that is or holds TODO is one that the user decides."""
        text = " ".join(map(_text, value)) if isinstance(value, list | tuple) else _text(value)
        self.guesses.append(Guess(place, text, "TODO" if TODO in text.split() else certainty, reason))

    def content(self) -> dict[str, Any]:
        """The file's content, in the order of the schema's fields."""
        order = ("images", "ego", "commands", "constants", "calibration", "state", "shift_registers", "links")
        lists = {name: self.lists[name] for name in order if name in self.lists}
        content: dict[str, Any] = {"schema_version": 2, "name": self.name, **lists}
        if self.compressed:
            content["compressed"] = self.compressed
        if self.shapes:
            content["shapes"] = self.shapes
        return content | {"outputs": self.outputs}


def _named(entry: dict[str, Any]) -> str:
    return str(entry["name"]) if "name" in entry else f"{entry['output']} -> {entry['input']}"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
