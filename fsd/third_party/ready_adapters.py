"""Adapters that come with the program, by name. docs/adapter.md states the source of each."""

from importlib import resources
from pathlib import Path


def ready_names() -> tuple[str, ...]:
    """Names of the ready adapters."""
    return tuple(sorted(path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json")))


def adapter_file(adapter: Path) -> Path:
    """The file of a ready adapter if `adapter` is a name of one and there is no such file; otherwise `adapter`."""
    is_name = len(adapter.parts) == 1 and not adapter.exists() and adapter.name in ready_names()
    return _folder() / f"{adapter.name}.json" if is_name else adapter


def _folder() -> Path:
    return Path(str(resources.files("fsd.third_party") / "ready"))
