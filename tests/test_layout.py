"""The tree is the architecture: these tests hold the two together."""

import ast
import graphlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("data", "compression", "networks", "export", "fsd")
FSD_ORDER = (
    "version",
    "extras",
    "meters",
    "html",
    "runtime",
    "third_party",
    "outputs",
    "scoring",
    "overlay",
    "viewers",
    "replay",
    "live",
    "dataset",
    "evaluate",
    "compress",
    "calibrate",
    "compare",
    "fleet",
    "drive",
    "profile",
    "exporting",
    "adapting",
    "training",
    "recordings",
    "doctor",
    "commands",
    "cli",
)
"""What stands inside `fsd/`, lowest first: each may import only what stands before it."""
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def python_files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, at its top or late inside a function."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def our_modules() -> dict[str, Path]:
    """Import name -> file, of everything that is installed."""
    found = {}
    for folder in ORDER:
        for path in python_files(folder):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts if parts[0] == "fsd" else ("fsd", *parts))] = path
    return found


def import_graph() -> dict[str, set[str]]:
    """Module -> modules of ours that it imports; `fsd/__init__.py`, whose names load when asked for, is left out."""
    modules = our_modules()
    graph = {name: (imported_modules(path) & modules.keys()) - {name, "fsd"} for name, path in modules.items()}
    del graph["fsd"]
    return graph


def test_packages_inside_fsd_import_only_what_stands_below_them() -> None:
    for module, imported in import_graph().items():
        part = module.split(".")[1]
        if part in ORDER:
            continue
        assert part in FSD_ORDER, f"{module} has no place in FSD_ORDER"
        for other in imported:
            below = other.split(".")[1]
            if below not in ORDER:
                assert FSD_ORDER.index(below) <= FSD_ORDER.index(part), f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    order = graphlib.TopologicalSorter(import_graph())
    order.prepare()  # raises CycleError, which names the circle


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
