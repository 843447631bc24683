"""The optional parts of an installation, and the command that adds one. Imports the standard library only."""

import importlib.metadata
import json
import shlex
import sys
from pathlib import Path

EXTRAS = {
    "run": ("numpy", "av", "onnxruntime", "numba", "pyarrow", "msgspec", "pillow", "tqdm"),
    "viewer": ("mcap", "mcap-protobuf-support", "foxglove-schemas-protobuf"),
    "mcap": ("mcap", "mcap-protobuf-support", "mcap-ros2-support"),
    "rerun": ("rerun-sdk",),
    "sim": ("moderngl",),
    "train": ("torch", "safetensors"),
    "export": ("onnx", "onnxscript"),
    "ray": ("ray", "fsspec", "s3fs"),
    "completion": ("shtab",),
}
"""Packages by the extra that brings them; `run` comes with the plain installation."""


def install_line(extra: str) -> str:
    """The command that installs an extra ("run": the dependencies themselves), from where fsd was installed."""
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
