"""Find out what is installed, what each command lacks, and the command that installs it.

Imports only the standard library at the top, so that it runs in a broken installation too. It installs nothing and uses
no network.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from fsd.extras import EXTRAS, install_line
from fsd.version import __version__

SYSTEM_GL = "sudo apt-get install libegl1 libgl1-mesa-dri"
CODECS = ("h264", "hevc", "libdav1d", "vp9", "mjpeg")
GL_PROBE = (
    "from fsd.data.worker_process import end_with_parent; end_with_parent()\n"
    "from fsd.data.simulator.rendering.opengl import open_context\n"
    "info = open_context().info\n"
    "print(info['GL_RENDERER'], '|', info['GL_VERSION'])"
)
GL_TIMEOUT_S = 60

NEEDS = {
    "replay": ("run", "codecs", "model"),
    "demo": ("run", "codecs", "model", "demo_clip"),
    "live": ("run", "codecs", "model"),
    "profile": ("run", "codecs", "model"),
    "events": ("run", "codecs"),
    "inspect": ("run", "codecs"),
    "adapter": ("run", "codecs"),
    "dataset": ("run", "codecs"),
    "evaluate": ("run", "model"),
    "calibrate": ("run", "codecs"),
    "compress": ("run", "codecs"),
    "batch": ("run", "ray"),
    "collect": ("run", "ray"),
    "compare": ("run",),
    "doctor": (),
    "completion": ("run", "completion"),
    "record": ("run", "codecs", "sim", "gl"),
    "drive": ("run", "model", "sim", "gl"),
    "train": ("run", "train", "sim", "gl"),
    "export": ("run", "train", "export"),
    "drive.mcap of a replay": ("run", "viewer"),
    "drive.rrd of a replay (--rerun)": ("run", "rerun"),
}
"""Command, or file that a command writes -> names of the findings it needs."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: whether it is there, details, and the command that would install it."""

    name: str
    is_there: bool
    detail: str
    install: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What was found on this machine.

    Attributes:
        machine: facts about the machine, by name; packages: version of each package, None where it is missing.
        findings: by name; blocked: command that cannot run -> names of the findings it lacks.
        meters, no_meters: energy meters found, and why the others are missing.
    """

    machine: dict[str, str]
    packages: dict[str, str | None]
    findings: dict[str, Finding]
    blocked: dict[str, list[str]]
    meters: list[str]
    no_meters: list[str]


def diagnose() -> Diagnosis:
    """Check everything; takes a second or two."""
    packages = {name: _version(name) for names in EXTRAS.values() for name in names}
    findings = {finding.name: finding for finding in _packages(packages)}
    for name, probe in (
        ("codecs", _codecs),
        ("hwaccel", _hwaccel),
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


def _machine() -> dict[str, str]:
    return {
        "fsd": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
        **_processor(),
    }


def _processor() -> dict[str, str]:
    try:
        from fsd.meters.machine import describe_machine

        machine = describe_machine()
    except Exception as error:  # a broken installation; the packages below say which
        return {"processor": f"unknown ({type(error).__name__}: {error})"}
    slower = (
        "; INT8 files of `fsd export` do not need them exact, others run slower"
        if machine.integer_sums == "saturating"
        else ""
    )
    return {
        "processor": f"{machine.processor} ({machine.instructions})",
        "8-bit sums": f"{machine.integer_sums}{slower}",
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
    """Run a probe. Any error inside it is a finding: this command must work when a library is broken."""
    try:
        return probe()
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}", install_line("run"))


def _codecs() -> Finding:
    import av

    readable = [name for name in CODECS if name in av.codecs_available]
    can_write = "libx264" in av.codecs_available
    detail = f"decodes {', '.join(readable)}; {'encodes H.264' if can_write else 'cannot encode H.264 (libx264)'}"
    is_there = {"h264", "hevc"} <= set(readable) and can_write
    return Finding("codecs", is_there, detail, None if is_there else install_line("run"))


def _hwaccel() -> Finding:
    """Hardware that decodes H.264; none is needed, since every recording can be decoded in software."""
    from fsd.data.hardware_decode import offered, refusal

    refusals = {kind: refusal(kind) for kind in offered()}
    opens = [kind for kind, why_not in refusals.items() if not why_not]
    detail = f"H.264 is decoded by {', '.join(opens)}" if opens else "no hardware decodes H.264 here, software does"
    why_nots = "".join(f"; {kind}: {why_not}" for kind, why_not in refusals.items() if why_not)
    return Finding("hwaccel", True, f"{detail} (PyAV offers {', '.join(refusals) or 'none'}{why_nots})")


def _providers() -> Finding:
    import onnxruntime

    return Finding("providers", True, ", ".join(onnxruntime.get_available_providers()))


def _gl() -> Finding:
    """Probe in a separate process: a broken driver can end the process."""
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

    engine = Engine()
    metadata = engine.metadata
    state = f"trained on: {metadata.trained_on}" if metadata.trained else "UNTRAINED: its plans mean nothing"
    kernels = f"{engine.integer_kernels} 8-bit kernels"
    return Finding("model", True, f"{metadata.name} ({metadata.precision}, {metadata.budget.name}), {state}, {kernels}")


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
