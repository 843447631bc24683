"""Answer wrong usage in two lines: what is wrong, with the option as it is typed, and what was probably meant."""

import argparse
from collections.abc import Iterable
from typing import Any, NoReturn

from fsd.data.errors import UsageError
from fsd.data.suggestion import did_you_mean

MOST_CHOICES = 20
"""A longer list is left to `--help`."""


class UsageParser(argparse.ArgumentParser):
    """A parser whose errors are two lines without the usage of all options; options are typed in full."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def parse_args(  # type: ignore[override]  # the base class has overloads for other namespaces
        self, args: Iterable[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As of the base class; an option that the chosen command does not have is answered with its nearest."""
        found, unknown = self.parse_known_args(None if args is None else list(args), namespace)
        if unknown:
            word = next((word for word in unknown if word.startswith("-")), unknown[0])
            _chosen(self, found)._refuse(word.partition("=")[0] if word.startswith("-") else word)
        return found

    def error(self, message: str) -> NoReturn:
        text, _, hint = message.removeprefix("argument ").partition("\n")
        text = text.replace("the following arguments are required: ", "missing: ")
        self.exit(UsageError.exit_code, f"{self.prog}: {text}\n{hint or self._see()}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        listed = f"Choose from {', '.join(choices)}." if len(choices) <= MOST_CHOICES else self._see()
        raise argparse.ArgumentError(action, f"{value!r} is not known\n{did_you_mean(str(value), choices)}{listed}")

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            self.error(f"{word!r} is one argument too many")
        options = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        self.error(f"there is no option {word}\n{did_you_mean(word, options)}{self._see()}")

    def _see(self) -> str:
        return f"`{self.prog} --help` lists what there is."


def _chosen(parser: UsageParser, found: argparse.Namespace) -> UsageParser:
    """The parser of the command, and of its verb, that was chosen."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner = action.choices.get(str(getattr(found, action.dest, "")))
            return _chosen(inner, found) if isinstance(inner, UsageParser) else parser
    return parser
