import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fsd


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys; import fsd; print([m for m in ('numpy', 'av', 'onnxruntime', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(fsd._MODULES))
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(fsd, name) is not None
    assert name in dir(fsd)


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse(Path(str(fsd.__file__)).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    told = {
        alias.asname: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    told["replay_clip"], told["score_plans"] = told.pop("_replay"), told.pop("_score_run")
    assert told == {name: (module, fsd._OWN_NAMES.get(name, name)) for name, module in fsd._MODULES.items()}


def test_no_public_name_is_hidden_by_a_module() -> None:
    """Importing a submodule sets it as an attribute of the package, in place of any function of that name."""
    folder = Path(str(fsd.__file__)).parent
    assert not {path.stem for path in folder.glob("*.py")} & set(fsd._MODULES)


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(ImportError):
        from fsd import Pipelines  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(AttributeError, match="NetworkPlanner"):
        _ = fsd.Pipelines  # type: ignore[attr-defined]
