"""The tree is the architecture: these tests hold the two together."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("data", "compression", "networks", "export", "fsd")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def python_files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


@pytest.mark.parametrize("folder", ORDER)
def test_imports_run_one_way(folder: str) -> None:
    higher = ORDER[ORDER.index(folder) + 1 :]
    for path in python_files(folder):
        for module in imported_modules(path):
            for forbidden in higher:
                if forbidden == "fsd":
                    continue
                assert not f"{module}.".startswith(f"fsd.{forbidden}."), f"{path} imports {module}"
            # Anything directly under `fsd.` that is none of the four lower folders is the top folder's.
            parts = module.split(".")
            if folder != "fsd" and parts[0] == "fsd" and len(parts) > 1:
                assert parts[1] in ORDER[:-1] or parts[1] == "version", f"{path} imports {module} from the top folder"


def test_every_package_folder_is_installed() -> None:
    """A subpackage forgotten in pyproject.toml would silently miss the wheel."""
    found = set()
    for folder in ORDER:
        for init in (ROOT / folder).rglob("__init__.py"):
            relative = init.parent.relative_to(ROOT).parts
            found.add(".".join(relative if relative[0] == "fsd" else ("fsd", *relative)))
    assert found == set(PYPROJECT["tool"]["setuptools"]["packages"])


def test_every_python_folder_is_a_package() -> None:
    for folder in ORDER:
        for path in python_files(folder):
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_init_files_hold_a_docstring_and_little_else() -> None:
    for folder in ORDER:
        for init in (ROOT / folder).rglob("__init__.py"):
            body = ast.parse(init.read_text()).body
            assert body, f"{init} is empty"
            assert isinstance(body[0], ast.Expr), f"{init} has no docstring"
            if init != ROOT / "fsd" / "__init__.py":  # the public names, loaded when they are asked for
                assert len(body) == 1, f"{init} holds code"


def test_run_time_dependencies_are_light() -> None:
    names = {
        requirement.split(">")[0].split("<")[0].split("=")[0] for requirement in PYPROJECT["project"]["dependencies"]
    }
    assert not names & {"torch", "torchvision", "onnx", "onnxscript", "moderngl"}
