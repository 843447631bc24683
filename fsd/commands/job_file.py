"""A job file in TOML as command lines: which recordings, what is done with them, and where the results go.

Knows no option by name: a key is an option of its command as it is typed, so the command's own parser, which is made of
its configuration, says what there is. Nothing is run here.
"""

import argparse
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsd.commands.parser import build_parser
from fsd.data.errors import UsageError
from fsd.data.suggestion import did_you_mean

SOURCES, OUT, RAY, MODEL = "sources", "out", "ray", "model"
COMMANDS = {"replay": ("replay",), "compress": ("compress",), "dataset": ("dataset", "build"), "export": ("export",)}
"""Table of a job file -> the words of its command."""

_SHARED = ("workers", "cache-gb", "cache-dir", "clip-cpus", "clip-memory-gb", "clip-gpus")
"""Keys that may also stand at the top, for all jobs that have such an option."""

_OWN_FOLDER = ("dataset", "export")
"""Whose results of two jobs may not share a folder."""

_NOT_OFFERED = ("help", "json", "debug", "quiet", "verbose", OUT, RAY, "data", "check")


@dataclass(frozen=True)
class BatchJob:
    """One command: its table in the file, its folder, and its words, which may be typed behind `fsd`."""

    table: str
    out: str
    words: tuple[str, ...]


def read_jobs(path: Path, address: str | None = None) -> list[BatchJob]:
    """The jobs of a file, in its order.

    Args:
        address: of the Ray cluster, over that of the file.

    Raises:
        UsageError: it cannot be read, or something in it is unknown, missing or of the wrong type; names it.
    """
    try:
        top = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a job file ({error}). docs/fleet.md shows one.") from error
    _refuse_unknown(str(path), top, (SOURCES, OUT, RAY, *_SHARED, *COMMANDS))
    if address is not None:
        top[RAY] = address
    tables = [(name, table) for name in top if name in COMMANDS for table in _tables(path, name, top[name])]
    if not tables:
        raise UsageError(f"{path} has no job. Add a table such as [replay]; there are {', '.join(COMMANDS)}.")
    jobs = [_job(path, name, table, top) for name, table in tables]
    taken: set[str] = set()
    for job in jobs:
        if job.table in _OWN_FOLDER and job.out in taken:
            raise UsageError(f"{path}: two jobs write into {job.out}. Give one of them another `{OUT}`.")
        taken.add(job.out)
    _refuse_idle(path, top, [name for name, _ in tables])
    return jobs


def _tables(path: Path, name: str, value: Any) -> list[Mapping[str, Any]]:
    tables = value if isinstance(value, list) else [value]
    if not all(isinstance(table, Mapping) for table in tables) or not tables:
        raise UsageError(f"{path}: {name} is a job: write a table, [{name}], with its options below.")
    return tables


def _job(path: Path, name: str, table: Mapping[str, Any], top: Mapping[str, Any]) -> BatchJob:
    where, options = f"{path} [{name}]", _options(name)
    own = (SOURCES, OUT, *([MODEL] if name == "export" else []))
    _refuse_unknown(where, table, (*own, *options))
    sources = _texts(where, SOURCES, table.get(SOURCES, top.get(SOURCES, [])))
    if not sources:
        raise UsageError(f"{where} has no {SOURCES}, and there are none at the top. Name recordings.")
    if OUT in table:
        out = _text(where, OUT, table[OUT])
    elif OUT in top:
        out = f"{_text(str(path), OUT, top[OUT]).rstrip('/')}/{name}"
    else:
        raise UsageError(f"{where} has no {OUT}, and there is none at the top. Name a folder for the results.")
    words = [*_texts(where, MODEL, table.get(MODEL, [])), "--data", *sources] if name == "export" else [*sources]
    given = {key: value for key, value in top.items() if key in _SHARED and key in options}
    given |= {key: value for key, value in table.items() if key not in own}
    # Behind the recordings: an option with several values would take them for more of these.
    for key, value in given.items():
        words += _typed(where, key, options[key], value)
    ray = top.get(RAY, True)
    words += ([f"--{RAY}"] if ray else []) if isinstance(ray, bool) else [f"--{RAY}={_text(str(path), RAY, ray)}"]
    return BatchJob(name, out, (*COMMANDS[name], *words, f"--{OUT}={out}"))


def _options(name: str) -> dict[str, argparse.Action]:
    """Key -> option of a command; of `--overlay` and `--no-overlay`, both are `overlay`."""
    parser: Any = build_parser(COMMANDS[name][0])
    for word in COMMANDS[name]:
        subparsers = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        parser = subparsers.choices[word]
    actions = {re.sub("^--(no-)?", "", word): each for each in parser._actions for word in each.option_strings}
    return {key: each for key, each in actions.items() if not key.startswith("-") and key not in _NOT_OFFERED}


def _typed(where: str, key: str, action: argparse.Action, value: Any) -> Iterator[str]:
    """The words of one option."""
    flags = [word for word in action.option_strings if word.startswith("--")]
    if action.nargs == 0:  # a switch
        if not isinstance(value, bool):
            raise UsageError(f"{where}: {key} is true or false, got {value!r}.")
        wanted = [word for word in flags if word.startswith("--no-") is not value]
        yield from wanted[:1]  # none: as it is without the option
        return
    if isinstance(value, Mapping):
        value = [f"{name}={each}" for name, each in value.items()]
    values = value if isinstance(value, list) else [value]
    if any(isinstance(each, bool | list | Mapping) for each in values):
        raise UsageError(
            f"{where}: {key} is a value{' or a list of values' if _is_many(action) else ''}, got {value!r}."
        )
    if len(values) != 1 and not _is_many(action):
        raise UsageError(f"{where}: {key} takes one value, got {len(values)}.")
    yield from (flags[0], *map(str, values)) if _is_many(action) else (f"{flags[0]}={values[0]}",)


def _is_many(action: argparse.Action) -> bool:
    return action.nargs in ("+", "*")


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            near = did_you_mean(key.replace("_", "-").removeprefix("no-"), known)
            raise UsageError(f"{where} has an unknown key, {key}. {near}docs/fleet.md shows a job file.")


def _refuse_idle(path: Path, top: Mapping[str, Any], names: list[str]) -> None:
    """Refuse a key at the top that no job has."""
    for key in top:
        if key in _SHARED and not any(key in _options(name) for name in names):
            raise UsageError(f"{path}: {key} is for none of its jobs ({', '.join(names)}). Leave it out.")


def _texts(where: str, key: str, value: Any) -> list[str]:
    return [_text(where, key, each) for each in (value if isinstance(value, list) else [value])]


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{where}: {key} is a path or URL, got {value!r}.")
    return value
