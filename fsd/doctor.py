"""What this machine has, what is missing for which command, and the line that installs it.

Only the standard library is imported at the top: it must answer on a broken installation too. It looks, it never
installs, and it asks no network.
"""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fsd.version import __version__

SYSTEM_GL = "sudo apt-get install libegl1 libgl1-mesa-dri"
CODECS = ("h264", "hevc", "libdav1d", "vp9", "mjpeg")
GL_PROBE = (
    "from fsd.data.simulator.rendering.opengl import open_context\n"
    "info = open_context().info\n"
    "print(info['GL_RENDERER'], '|', info['GL_VERSION'])"
)
GL_TIMEOUT_S = 60

EXTRAS = {
    "run": ("numpy", "av", "onnxruntime", "numba", "pyarrow", "msgspec", "pillow", "tqdm", "shtab"),
    "viewer": ("mcap", "mcap-protobuf-support", "foxglove-schemas-protobuf"),
    "rerun": ("rerun-sdk",),
    "sim": ("moderngl",),
    "train": ("torch", "safetensors"),
    "export": ("onnx", "onnxscript"),
}
"""Packages by the extra that brings them; `run` comes with the plain installation."""

NEEDS = {
    "replay": ("run", "codecs", "model"),
    "demo": ("run", "codecs", "model", "demo_clip"),
    "profile": ("run", "codecs", "model"),
    "compress": ("run", "codecs"),
    "compare": ("run",),
    "doctor": (),
    "completion": ("run",),
    "record": ("run", "codecs", "sim", "gl"),
    "drive": ("run", "model", "sim", "gl"),
    "train": ("run", "train", "sim", "gl"),
    "export": ("run", "train", "export"),
    "drive.mcap of a replay": ("run", "viewer"),
    "drive.rrd of a replay (--rerun)": ("run", "rerun"),
}
"""Command (or part of one) -> what it needs, by name of `Finding`."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `is_there`, what was found, and the line that would install it."""

    name: str
    is_there: bool
    detail: str
    install: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The whole answer.

    Attributes:
        machine: what runs this, by name; packages: version of each, None where absent.
        findings: by name; blocked: command -> names of what it lacks, for commands that cannot run.
        meters, no_meters: energy meters found, and why the others were not.
    """

    machine: dict[str, str]
    packages: dict[str, str | None]
    findings: dict[str, Finding]
    blocked: dict[str, list[str]]
    meters: list[str]
    no_meters: list[str]


def diagnose() -> Diagnosis:
    """Look at everything; takes a second or two."""
    packages = {name: _version(name) for names in EXTRAS.values() for name in names}
    findings = {finding.name: finding for finding in _packages(packages)}
    for name, probe in (
        ("codecs", _codecs),
        ("providers", _providers),
        ("gl", _gl),
        ("model", _model),
        ("demo_clip", _demo_clip),
    ):
        findings[name] = _probed(name, probe)
    blocked = {
        command: [need for need in needs if not findings[need].is_there]
        for command, needs in NEEDS.items()
        if any(not findings[need].is_there for need in needs)
    }
    meters, no_meters = _meters()
    return Diagnosis(_machine(), packages, findings, blocked, meters, no_meters)


def install_line(extra: str) -> str:
    """The exact command that brings an extra to this very installation, from where it was installed."""
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


def _machine() -> dict[str, str]:
    return {
        "fsd": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages(packages: dict[str, str | None]) -> list[Finding]:
    findings = []
    for extra, names in EXTRAS.items():
        missing = [name for name in names if packages[name] is None]
        found = ", ".join(f"{name} {packages[name]}" for name in names if packages[name])
        detail = f"missing: {', '.join(missing)}" if missing else found
        findings.append(Finding(extra, not missing, detail, install_line(extra) if missing else None))
    return findings


def _probed(name: str, probe: Callable[[], Finding]) -> Finding:
    """Whatever breaks inside a probe is a finding, not a crash: a broken library is what people run this for."""
    try:
        return probe()
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}", install_line("run"))


def _codecs() -> Finding:
    import av

    readable = [name for name in CODECS if name in av.codecs_available]
    can_write = "libx264" in av.codecs_available
    words = f"decodes {', '.join(readable)}; {'encodes H.264' if can_write else 'cannot encode H.264 (libx264)'}"
    is_there = {"h264", "hevc"} <= set(readable) and can_write
    return Finding("codecs", is_there, words, None if is_there else install_line("run"))


def _providers() -> Finding:
    import onnxruntime

    return Finding("providers", True, ", ".join(onnxruntime.get_available_providers()))


def _gl() -> Finding:
    """In a process of its own: a broken driver takes the process down with it."""
    done = subprocess.run(
        [sys.executable, "-c", GL_PROBE], capture_output=True, text=True, timeout=GL_TIMEOUT_S, check=False
    )
    if done.returncode == 0:
        return Finding("gl", True, done.stdout.strip().splitlines()[-1])
    why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    lacks_package = _version("moderngl") is None
    why = why.partition(": ")[2] or why  # without the name of the exception
    return Finding("gl", False, why.partition(". ")[0], install_line("sim") if lacks_package else SYSTEM_GL)


def _model() -> Finding:
    from fsd.runtime.engine import Engine

    metadata = Engine().metadata
    state = "trained" if metadata.trained else "UNTRAINED: its plans mean nothing"
    return Finding("model", True, f"{metadata.name} ({metadata.precision}, {metadata.budget.name}), {state}")


def _demo_clip() -> Finding:
    rig = resources.files("fsd") / "demo_clip" / "rig.json"
    there = rig.is_file()
    return Finding("demo_clip", there, "packaged" if there else "not in this installation; replay a clip of your own")


def _meters() -> tuple[list[str], list[str]]:
    try:
        from fsd.meters.power import find_meters

        meters, reasons = find_meters()
    except Exception as error:
        return [], [f"{type(error).__name__}: {error}"]
    return [f"{meter.name} ({meter.covers})" for meter in meters], reasons
