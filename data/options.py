"""Declare the options of a run once: dataclass fields that carry their help, unit, bounds and choices.

Knows no command line: `fsd/commands/arguments.py` builds one from these declarations. Values are checked here, for a
Python caller and for the command line alike.
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

from fsd.data.errors import UsageError
from fsd.data.suggestion import did_you_mean

_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What is known about a field besides its name, type and default.

    Attributes:
        help: a phrase that names its subject; the command line adds the default. For a bool whose default is True,
            the phrase describes the `--no-…` switch.
        unit: of a number, such as `ms`.
        at_least, above, at_most, below: bounds of a finite number, or of every number in a tuple or mapping.
        choices: allowed values, or allowed items of a tuple.
        may_be_empty: whether a tuple may have no items.
        flag: option string; None derives it from the field's name, "" makes a positional argument.
        metavar: placeholder of the value in the help; None derives it from unit and type.
        default_text: how the help describes the default, where the value does not read well.
        group: heading in the help; `declared_options` takes it from the class that declares the field.
        parse: text of the command line -> value, item of a tuple, or (key, value) of a mapping; raises ValueError.
        bare: value of an option that is given without one; None where it needs one.
        is_argument: whether the command line offers it; by default if there is a help text.
    """

    help: str
    unit: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: Collection[Any] | None = None
    may_be_empty: bool = False
    flag: str | None = None
    metavar: str | None = None
    default_text: str | None = None
    group: str = ""
    parse: Callable[[str], Any] | None = None
    bare: str | None = None
    is_argument: bool = True

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, as the rest of a sentence that begins with the option's name; None if nothing."""
        if value is None or isinstance(value, Mapping):
            items = () if value is None else tuple(value.values())
        elif isinstance(value, tuple):
            if not value and not self.may_be_empty:
                return "needs at least one value"
            items = value
        else:
            items = (value,)
        return next((problem for item in items if (problem := self._problem_of_item(item))), None)

    def _problem_of_item(self, item: Any) -> str | None:
        if self.choices is not None and item not in self.choices:
            near = did_you_mean(str(item), self.choices).strip()
            return f"must be one of {', '.join(map(str, self.choices))}; got {item!r}{near and f'. {near[:-1]}'}"
        bounds = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        given = [f"{relation} {bound:g}" for relation, bound in bounds.items() if bound is not None]
        if not given:
            return None
        if not math.isfinite(item):
            given.insert(0, "a finite number")
        is_inside = (
            math.isfinite(item)
            and (self.at_least is None or item >= self.at_least)
            and (self.above is None or item > self.above)
            and (self.at_most is None or item <= self.at_most)
            and (self.below is None or item < self.below)
        )
        return None if is_inside else f"must be {' and '.join(given)}{self.unit and ' '}{self.unit}, got {item}"


class OptionError(UsageError, ValueError):
    """An option has a value that it cannot have: `name` is the field, `problem` the rest of the sentence."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}.")
        self.name, self.problem = name, problem


def option(default: Any = MISSING, help: str = "", *, default_factory: Any = MISSING, **declared: Any) -> Any:
    """A dataclass field with the declaration `Option(help, **declared)`."""
    declared.setdefault("is_argument", bool(help))
    metadata = {_KEY: Option(help, **declared)}
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def results_folder(default: str) -> Any:
    """The option `out`, the folder that a command writes into."""
    return option(Path(default), "folder for the results, created if missing", metavar="DIR")


def declared_options(config: type) -> dict[str, Option]:
    """Field name -> declaration. A subclass that only changes a default keeps the declaration of its base."""
    found: dict[str, Option] = {}
    for base in filter(is_dataclass, config.__mro__):
        own, heading = inspect.get_annotations(base), base.__dict__.get("heading", "")
        for each in fields(base):
            if each.name in own and _KEY in each.metadata:
                found.setdefault(each.name, replace(each.metadata[_KEY], group=heading))
    return {each.name: found[each.name] for each in fields(config) if each.name in found}


@cache
def _path_fields(config: Any) -> tuple[str, ...]:
    """The fields that hold paths: one, several, or one per name."""

    def holds_path(hint: Any) -> bool:
        return hint is Path or any(map(holds_path, get_args(hint)))

    hints = get_type_hints(config)
    return tuple(each.name for each in fields(config) if holds_path(hints[each.name]))


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every configuration: checks its values when it is made; a text in place of a path becomes one.

    Attributes:
        heading: title of the options that this class itself declares, in the help.

    Raises:
        OptionError: a value lies outside the bounds or choices of its declaration.
    """

    heading: ClassVar[str] = ""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name in _path_fields(kind):
            value = getattr(self, name)
            given = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else (value,)
            )
            if "" in given:  # `Path("")` would be the current folder
                raise OptionError(name, "is empty: name a path")
            if isinstance(value, str):
                object.__setattr__(self, name, Path(value))
            elif isinstance(value, tuple | list):
                object.__setattr__(self, name, tuple(map(Path, value)))
            elif isinstance(value, Mapping):
                object.__setattr__(self, name, {key: Path(each) for key, each in value.items()})
        for name, declared in declared_options(type(self)).items():
            problem = declared.problem(getattr(self, name))
            if problem is not None:
                raise OptionError(name, problem)
