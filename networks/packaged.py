"""Locate the network files of the installation; `MODEL_CARD.md` beside them describes how they were made."""

from importlib import resources
from pathlib import Path

from fsd.data.errors import ModelError

PACKAGED_WEIGHTS, PACKAGED_MODEL = "f100.safetensors", "f100_int8.onnx"


def packaged_file(name: str, what: str, otherwise: str) -> Path:
    """Path of a packaged file.

    Args:
        what: kind of file, and otherwise: alternative action, both for the error text.

    Raises:
        ModelError: the file is missing.
    """
    path = Path(str(resources.files("fsd.networks").joinpath(name)))
    if not path.is_file():
        raise ModelError(f"This installation has no packaged {what} ({name}). Install fsd again, or {otherwise}.")
    return path
