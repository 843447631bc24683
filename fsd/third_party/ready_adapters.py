"""Adapters that come with the program, by name. docs/adapter.md states the source of each."""

from importlib import resources
from pathlib import Path

from fsd.data.errors import ModelError


def ready_names() -> tuple[str, ...]:
    """Names of the ready adapters."""
    return tuple(sorted(path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json")))


def adapter_file(adapter: Path) -> Path:
    """The file of a ready adapter if `adapter` is a name of one and there is no such file; otherwise `adapter`.

    Raises:
        ModelError: it is neither a file nor a name.
    """
    if len(adapter.parts) != 1 or adapter.suffix or adapter.exists():
        return adapter
    if adapter.name not in ready_names():
        raise ModelError(
            f"There is no file {adapter}, and no ready adapter of that name; ready are {', '.join(ready_names())}."
        )
    return _folder() / f"{adapter.name}.json"


def _folder() -> Path:
    return Path(str(resources.files("fsd.third_party") / "ready"))
