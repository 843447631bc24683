"""The version of this installation, and the command that adds an extra to it. Imports the standard library only."""

import json
import shlex
import sys
from pathlib import Path

__version__ = "0.1.0"


def install_line(extra: str) -> str:
    """The command that installs an extra ("run": the dependencies themselves), from where fsd was installed."""
    import importlib.metadata  # a third of the time of `fsd --help`, where nothing needs it

    pip = Path(sys.executable).with_name("pip")
    call = str(pip) if pip.exists() else f"{sys.executable} -m pip"
    wanted = "" if extra == "run" else f"[{extra}]"
    try:
        origin = json.loads(importlib.metadata.distribution("fsd").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        origin = {}
    url = str(origin.get("url", ""))
    if url.startswith("file://"):  # from a folder: the index may know another package of this name
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        return f"{call} install {editable}{shlex.quote(url.removeprefix('file://') + wanted)}"
    return f"{call} install {shlex.quote('fsd' + wanted)}"
