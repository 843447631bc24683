"""A Python of 64-bit ARM with the packages of the project, unpacked beside this machine's own and never installed.

The interpreter and its libraries are those of this system's package archive, the packages are wheels.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("numpy", "av", "numba", "llvmlite", "pyarrow", "msgspec", "pillow", "tqdm", "jinja2", "markupsafe")
"""What replays need besides ONNX Runtime."""

SYSTEM_PACKAGES = ("python3:arm64", "libstdc++6:arm64")
"""The interpreter, and what wheels take from the system; with all that they depend on."""

ONNXRUNTIME = "1.27.0"
"""Later versions (tried: 1.28 to 1.31) crash in QEMU 7.2."""

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
INSTALL_S = 1800


class MissingError(Exception):
    """Something that cannot be installed here; the text says how to."""


@dataclass(frozen=True)
class Arm64Python:
    """An unpacked interpreter: `folder` has `os`, `site` and `package`; `version` is as in `3.11`."""

    folder: Path
    version: str

    @property
    def command(self) -> list[str]:
        """To be given to the emulator."""
        system = self.folder / "os"
        return ["-L", str(system), str(system / "usr" / "bin" / f"python{self.version}")]

    @property
    def python_path(self) -> str:
        return os.pathsep.join(str(self.folder / name) for name in ("site", "package"))


def prepare(folder: Path, root: Path) -> Arm64Python:
    """Unpack the interpreter and the packages once, about 0.7 GB; the project's code is linked from `root`.

    Raises:
        MissingError: this system has no such packages, or may not fetch them.
    """
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        version = _unpack_interpreter(folder)
        _install_wheels(folder / "site", version, root)
        _link_code(folder / "package" / "fsd", root)
        ready.write_text(version)
    return Arm64Python(folder, ready.read_text())


def _unpack_interpreter(folder: Path) -> str:
    """Fetch python3 and what it depends on; returns its version."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise MissingError("ARM processors need a system with apt-get and dpkg (Debian, Ubuntu).")
    if os.getuid() == 0:
        _run("dpkg", "--add-architecture", "arm64")
        _run("apt-get", "update", "-q")
    elif "arm64" not in _run("dpkg", "--print-foreign-architectures").split():
        raise MissingError("Run as root: dpkg --add-architecture arm64 && apt-get update")
    needed = set(_dependencies(SYSTEM_PACKAGES))
    if not needed.issuperset(SYSTEM_PACKAGES):
        raise MissingError("This system's package archive has no python3 for arm64.")
    debs = folder / "debs"
    debs.mkdir()
    _run("apt-get", "download", "-q", *sorted(needed), cwd=debs)
    for deb in debs.glob("*.deb"):
        _run("dpkg", "-x", str(deb), str(folder / "os"))
    shutil.rmtree(debs)
    return (folder / "os" / "usr" / "bin" / "python3").readlink().name.removeprefix("python")


def _dependencies(packages: Iterable[str]) -> Iterator[str]:
    """Names of packages and of all that they depend on."""
    left_out = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    options = [f"--no-{kind}" for kind in left_out]
    for line in _run("apt-cache", "depends", "--recurse", *options, *packages).splitlines():
        # Others are indented, virtual packages in angle brackets.
        if line.endswith(":arm64") and line[0] not in " <":
            yield line


def _install_wheels(site: Path, version: str, root: Path) -> None:
    pinned = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in pinned if line.partition("==")[0].lower() in PACKAGES]
    platforms = [part for platform in PLATFORMS for part in ("--platform", platform)]
    chosen = ["--only-binary=:all:", "--implementation", "cp", "--python-version", version, *platforms]
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(site))
    _run(*pip, *chosen, *wanted, f"onnxruntime=={ONNXRUNTIME}")


def _link_code(package: Path, root: Path) -> None:
    package.mkdir(parents=True)
    for path in (root / "fsd").iterdir():
        (package / path.name).symlink_to(path)
    for name in ("compression", "networks", "export", "data"):
        (package / name).symlink_to(root / name)


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise MissingError(f"`{' '.join(command[:4])} …` failed: {last}")
    return done.stdout
