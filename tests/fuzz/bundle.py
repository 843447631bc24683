"""An input of a fuzzing target: a few small files by their relative names; as a zip file, a folder, or bytes."""

import io
import zipfile
from pathlib import Path, PurePosixPath

import msgspec

CORPUS = Path(__file__).resolve().parent / "corpus"

Bundle = dict[str, bytes]
"""Relative path with `/` -> content."""


def seeds(target: str) -> list[Bundle]:
    """The good inputs of a target, then those that were once read wrongly, in a fixed order."""
    places = (CORPUS / target, CORPUS / target / "found")
    return [unpacked(path) for place in places for path in sorted(place.glob("*.zip"))]


def unpacked(path: Path) -> Bundle:
    """The files in a zip file."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(bundle: Bundle, path: Path) -> None:
    """Write a zip file that depends on the content alone."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(bundle):
            archive.writestr(zipfile.ZipInfo(name), bundle[name], zipfile.ZIP_DEFLATED, 9)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(memory.getvalue())


def of_folder(folder: Path) -> Bundle:
    """The files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_files(bundle: Bundle, folder: Path) -> None:
    """Write the files below an empty folder; names that would leave it or cannot exist are left out."""
    for name, content in bundle.items():
        parts = [part for part in PurePosixPath(name).parts if part.strip("/") and part != ".."]
        if not parts or "\0" in name:
            continue
        path = folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:  # a file where a folder is needed, or a name that is too long
            continue


def to_bytes(bundle: Bundle) -> bytes:
    """One string of bytes, as coverage-guided fuzzing keeps its inputs."""
    return msgspec.msgpack.encode(bundle)


def from_bytes(data: bytes) -> Bundle | None:
    """The inverse of `to_bytes`; None where the bytes are no bundle."""
    try:
        return msgspec.msgpack.decode(data, type=dict[str, bytes])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
