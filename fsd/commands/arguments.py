"""Arguments made from the options of a configuration, and a configuration made from parsed arguments.

Every argument is left out of the namespace unless it was given, so that defaults live in the configuration only.
"""

import argparse
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, Union

from fsd.data.errors import UsageError
from fsd.data.options import Option, OptionError, Options, declared_options

Config = TypeVar("Config", bound=Options)
_UNITS = {"ms": "MS", "s": "SECONDS", "m": "METRES", "px": "PIXELS", "MB": "MB"}
"""Unit -> placeholder of a value."""

Container = argparse.ArgumentParser | argparse._ArgumentGroup


def add_options(
    parser: argparse.ArgumentParser,
    config: type[Options],
    skip: Collection[str] = (),
    defaults: Mapping[str, str] = types.MappingProxyType({}),
    prefix: str = "",
) -> None:
    """Declare an argument for every option of a configuration and of the configurations inside it.

    Args:
        skip: fields that this command does not offer.
        defaults: field -> text of its default in the help, where another than the configuration's applies.
        prefix: of the names in the namespace; for a configuration inside another.
    """
    hints, declared = typing.get_type_hints(config), declared_options(config)
    for field in fields(config):
        if field.name in skip:
            continue
        option = declared.get(field.name)
        if option is None:
            if _is_options(hints[field.name]):
                add_options(parser, hints[field.name], prefix=f"{field.name}.")
        elif option.is_argument:
            text = defaults.get(field.name, _default_text(option, field))
            container = option_group(parser, "" if option.flag == "" else option.group)
            _add(container, prefix + field.name, option, hints[field.name], field.default, text)


def config_from(config: type[Config], namespace: argparse.Namespace, prefix: str = "", **values: Any) -> Config:
    """The configuration of parsed arguments; `values` go over them.

    Raises:
        UsageError: an option has a value that it cannot have; names the option as it is typed.
    """
    hints, declared = typing.get_type_hints(config), declared_options(config)
    given: dict[str, Any] = {}
    for field in fields(config):
        if field.name in values:
            continue
        value = getattr(namespace, prefix + field.name, None)
        if value is not None:
            given[field.name] = _value(declared[field.name], field.name, hints[field.name], value)
        elif _is_options(hints[field.name]):
            given[field.name] = config_from(hints[field.name], namespace, f"{field.name}.")
    try:
        return config(**given, **values)
    except OptionError as error:
        name = typed_name(declared[error.name], error.name, hints[error.name], getattr(config, error.name, None))
        raise UsageError(f"{name} {error.problem}.") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def add_common(parser: argparse.ArgumentParser, **default: Any) -> None:
    """The arguments of every command.

    Args:
        default: `default=argparse.SUPPRESS` for a verb, so that they may also stand before it.
    """
    helps = {
        "--json": "print the result as one line of JSON, the last line of the output",
        "--debug": "show the traceback of an error",
    }
    for flag, text in helps.items():
        parser.add_argument(flag, action="store_true", help=text, **default)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-q", "--quiet", action="store_true", help="print errors only", **default)
    amount.add_argument("-v", "--verbose", action="store_true", help="print every step with its time", **default)


def typed_name(option: Option, name: str, hint: Any = None, default: Any = None) -> str:
    """The option as it is typed: `--max-ticks`, `--no-overlay`, or the placeholder of a positional argument."""
    if option.flag == "":
        return option.metavar or name
    negation = "no-" if hint is bool and default is True else ""
    return option.flag or f"--{negation}{name.replace('_', '-')}"


def path_argument(text: str) -> Path:
    """The path of a word on the command line; `Path("")` would be the current folder.

    Raises:
        ArgumentTypeError: the word is empty, or a URL.
    """
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URL; only commands with `--ray` read from URLs")
    return Path(place_argument(text))


def place_argument(text: str) -> str:
    """A path or URL.

    Raises:
        ArgumentTypeError: the word is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("is empty: name a path")
    return text


def option_group(parser: argparse.ArgumentParser, title: str) -> Container:
    """The part of the help with this heading; without one, the parser itself."""
    if not title:
        return parser
    found = next((group for group in parser._action_groups if group.title == title), None)
    return found or parser.add_argument_group(title)


def _add(container: Container, destination: str, option: Option, hint: Any, default: Any, default_text: str) -> None:
    item, is_many = _item_type(hint)
    name = destination.rpartition(".")[2]
    flag = typed_name(option, name, hint, default)
    choices = f"; choose from {', '.join(map(str, option.choices))}" if option.choices and option.metavar else ""
    text = (option.help + choices + default_text).replace("%", "%%")
    keywords: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS}
    if item is bool and default is True and not flag.startswith("--no-"):
        container.add_argument(flag, dest=destination, action=argparse.BooleanOptionalAction, **keywords)
        return
    if item is bool:
        container.add_argument(flag, dest=destination, action=f"store_{str(default is not True).lower()}", **keywords)
        return
    keywords["metavar"] = option.metavar or _metavar(option, item)
    if option.parse is None:
        keywords["type"] = path_argument if item is Path else item
        keywords["choices"] = None if option.choices is None else tuple(option.choices)
    if is_many:
        keywords["nargs"] = "*" if option.may_be_empty else "+"
        if option.flag != "":
            keywords["action"] = "extend"  # given twice, the values of both count
    if option.bare is not None:
        keywords |= {"nargs": "?", "const": option.bare}
    if option.flag == "":
        if default is not MISSING and not is_many:
            keywords |= {"nargs": "?", "default": None}  # argparse would convert SUPPRESS like a given text
        container.add_argument(destination, **keywords)
    else:
        container.add_argument(flag, dest=destination, **keywords)


def _is_options(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Options)


def _metavar(option: Option, item: Any) -> str | None:
    if option.choices is not None:
        return None
    return _UNITS.get(option.unit) or {int: "N", float: "X", Path: "FILE"}.get(item, "NAME")


def _default_text(option: Option, field: Any) -> str:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if option.default_text is None and (default is None or default is MISSING or isinstance(default, bool)):
        return ""
    if option.default_text is not None:
        shown = option.default_text
    elif isinstance(default, tuple):
        shown = " ".join(map(str, default))
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f" (default: {shown})"


def _item_type(hint: Any) -> tuple[Any, bool]:
    """The type of one word on the command line, and whether there may be many."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        given = [each for each in typing.get_args(hint) if each is not type(None)]
        # One or several: on the command line, several.
        hint = next((each for each in given if typing.get_origin(each) is tuple), given[0])
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return inside[0], True
    if origin is Mapping:
        return inside[1], True
    return hint, False


def _value(option: Option, name: str, hint: Any, given: Any) -> Any:
    """What was given on the command line, as the configuration wants it."""
    is_mapping = Mapping in (typing.get_origin(each) for each in (hint, *typing.get_args(hint)))
    if option.parse is not None and isinstance(given, str | list):
        try:
            given = [*map(option.parse, given)] if isinstance(given, list) else option.parse(given)
        except ValueError as error:
            raise UsageError(f"{typed_name(option, name)}: {error}") from error
    if is_mapping:
        pairs = [*given.items()] if isinstance(given, Mapping) else list(given)
        twice = next((key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place])), None)
        if twice is not None:
            raise UsageError(f"{typed_name(option, name)} gives {twice} twice. Give it once.")
        return dict(pairs)
    return tuple(given) if isinstance(given, list) else given
