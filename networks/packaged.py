"""Files of the network that come with the installation; `MODEL_CARD.md` beside them says how they were made."""

from importlib import resources
from pathlib import Path

from fsd.data.errors import ModelError


def packaged_file(name: str, what: str, otherwise: str) -> Path:
    """Where a packaged file is.

    Args:
        what: it is, and otherwise: what to do without it, both for the error.

    Raises:
        ModelError: this installation has none.
    """
    path = Path(str(resources.files("fsd.networks").joinpath(name)))
    if not path.is_file():
        raise ModelError(f"This installation has no packaged {what} ({name}). Install fsd again, or {otherwise}.")
    return path
