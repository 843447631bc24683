"""Python that starts in a clone, or in the folder above one named `fsd`, finds the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("data", "compression", "networks", "export")
CODE = """
import fsd.cli, fsd.data.errors, fsd.compression, fsd.networks, fsd.export
from importlib import resources
from fsd import FsdError
assert FsdError is fsd.data.errors.FsdError
assert (resources.files("fsd") / "demo_clip" / "rig.json").is_file()
"""
EDITABLE = f"""
import importlib.util, sys

class Finder:  # as setuptools installs it for an editable package: after the folders of sys.path
    @staticmethod
    def find_spec(name, path=None, target=None):
        top, _, rest = name.partition(".")
        folder = rest.partition(".")[0]
        if top != "fsd" or folder not in ("", *{FOLDERS!r}):
            return None
        place = {str(ROOT)!r} + "/" + (rest.replace(".", "/") or "fsd")
        return importlib.util.spec_from_file_location(name, place + "/__init__.py") if folder == rest else None

sys.meta_path.append(Finder)
"""


@pytest.fixture(scope="module")
def above(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clone, named `fsd`."""
    folder = tmp_path_factory.mktemp("above")
    (folder / "fsd").symlink_to(ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it stands in `site-packages`."""
    package = tmp_path_factory.mktemp("site-packages") / "fsd"
    package.mkdir()
    for path in (*(ROOT / "fsd").iterdir(), *(ROOT / name for name in FOLDERS)):
        (package / path.name).symlink_to(path)
    return package.parent


@pytest.mark.parametrize("how", ["not at all", "plainly", "editable"])
@pytest.mark.parametrize("where", ["clone", "above"])
def test_the_package_is_found(how: str, where: str, above: Path, installed: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if how == "plainly":
        environment["PYTHONPATH"] = str(installed)
    done = subprocess.run(
        [sys.executable, "-S", "-c", (EDITABLE if how == "editable" else "") + CODE],
        cwd=above / "fsd" if where == "clone" else above,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
