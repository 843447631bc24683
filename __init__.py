"""Finds the package where Python starts in the folder above a clone that is named `fsd`; not installed."""

import importlib.util
import sys
from pathlib import Path

if __name__ == "fsd":  # else this folder was not taken for the package
    _package = Path(__file__).parent / "fsd"
    _spec = importlib.util.spec_from_file_location(
        "fsd", _package / "__init__.py", submodule_search_locations=[str(_package)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    # `import` returns what stands here when this file has run.
    sys.modules["fsd"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["fsd"])
