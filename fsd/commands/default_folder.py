"""Where results go without `--out`: a folder of their own below `out/`, so that no run replaces another unasked.

Commands that continue a run in its folder do not number it: train, drive, dataset build, a replay of several, and all
with `--ray`.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path


def choose_folder(options: argparse.Namespace, first: Path) -> None:
    """Set `options.out` where `--out` was not given: to `first`, or the first free of `first-2`, `first-3` …"""
    if getattr(options, "out", None) is None:
        options.out = next(path for path in _numbered(first) if _is_free(path))


def numbered_text(first: Path) -> str:
    """How the help describes a default of `choose_folder`."""
    return f" (default: {first}, or {first}-2 … where that is taken)"


def clip_folder(clip: Path) -> Path:
    """`out/CLIP` of a recording."""
    path = clip.resolve()
    return Path("out") / ((path.stem if path.is_file() else path.name) or "clip")


def _numbered(first: Path) -> Iterator[Path]:
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}-{number}")


def _is_free(path: Path) -> bool:
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))
