"""A file or folder on this machine or in an object store, by one interface: `fsspec` with what it lacks.

Reads of what is not there give None, small files are replaced in one step, and `create` never replaces.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsd.data.errors import UsageError
from fsd.data.files import write_bytes
from fsd.extras import install_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""Protocol -> package that adds it to fsspec."""


def is_url(text: str) -> bool:
    """Whether a text is a URL such as `s3://bucket/drives`, and no path of this machine."""
    return "://" in text


@dataclass(frozen=True)
class Place:
    """A file or a folder: `path` is absolute, as its file system writes it, without protocol.

    `Place.of` makes one of a path or URL.
    """

    fs: "AbstractFileSystem"
    protocol: str
    path: str

    @classmethod
    def of(cls, text: str | Path) -> "Place":
        """A path, or a URL of any protocol that fsspec knows.

        Raises:
            UsageError: the protocol is unknown, or its package is not installed.
        """
        import fsspec

        given = str(text)
        protocol = given.partition("://")[0] if is_url(given) else "file"
        if protocol == "file":
            given = str(Path(given.removeprefix("file://")).absolute())
        try:
            # Listings of others' writes must be seen, and memory must not grow with the number of folders.
            fs = fsspec.filesystem(protocol, use_listings_cache=False)
        except ImportError as error:
            package = _PACKAGES.get(protocol)
            how = install_line("ray") if package == "s3fs" else f"pip install {package}" if package else str(error)
            raise UsageError(f"{given} needs a package that is not installed:\n  {how}") from error
        except ValueError as error:
            raise UsageError(
                f"{given}: {protocol}:// is no protocol that fsspec knows. Use s3://, gs:// or a path."
            ) from error
        return cls(fs, protocol, fs._strip_protocol(given).rstrip("/") or "/")

    def __truediv__(self, name: str) -> "Place":
        return Place(self.fs, self.protocol, f"{self.path.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.path if self.is_local else f"{self.protocol}://{self.path.lstrip('/')}"

    @property
    def is_local(self) -> bool:
        """Whether it lies in a file system of this machine, a mounted one included."""
        return self.protocol == "file"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def local(self) -> Path:
        """As a path; only for a local one."""
        return Path(self.path)

    def listing(self) -> list[dict[str, Any]]:
        """What a folder holds, by name, each with `name` (full path), `type` (`file` or `directory`) and `size`."""
        try:
            found = self.fs.ls(self.path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        mine = self.path.rstrip("/")
        return sorted((each for each in found if each["name"].rstrip("/") != mine), key=lambda each: str(each["name"]))

    def names(self) -> list[str]:
        """The names in a folder, sorted."""
        return [str(each["name"]).rstrip("/").rpartition("/")[2] for each in self.listing()]

    def exists(self) -> bool:
        """Whether there is something."""
        return bool(self.fs.exists(self.path))

    def read_or_none(self) -> bytes | None:
        """The content of a file; None if there is none."""
        try:
            return bytes(self.fs.cat_file(self.path))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def read_many(self, places: Sequence["Place"]) -> list[bytes | None]:
        """The contents of files of this file system, read at the same time; None for one that is not there."""
        if not places:
            return []
        found = self.fs.cat([each.path for each in places], on_error="return")
        contents = found if isinstance(found, dict) else {places[0].path: found}
        read: list[bytes | None] = []
        for each in places:
            content = contents.get(each.path)
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError | NotADirectoryError):
                raise content
            read.append(content if isinstance(content, bytes) else None)
        return read

    def write(self, content: bytes) -> None:
        """Replace a small file in one step; folders above it are made."""
        if self.is_local:
            self.local.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.local, content)
        else:
            self.fs.pipe_file(self.path, content)

    def create(self, content: bytes) -> bool:
        """Write a small file unless there is one; returns whether it was written. Of many at once, one succeeds."""
        try:
            if self.is_local:
                self.local.parent.mkdir(parents=True, exist_ok=True)
                with self.local.open("xb") as file:
                    file.write(content)
            else:
                self.fs.pipe_file(self.path, content, mode="create")
        except FileExistsError:
            return False
        return True

    def remove(self) -> None:
        """Remove a file, if there is one."""
        try:
            self.fs.rm_file(self.path)
        except FileNotFoundError:
            return


def require_extra() -> None:
    """Check that the extra `ray` is installed.

    Raises:
        UsageError: it is not; names the command that installs it.
    """
    try:
        for package in ("fsspec", "ray"):
            importlib.import_module(package)
    except ImportError as error:
        raise UsageError(f"`--ray` needs packages that are not installed:\n  {install_line('ray')}") from error
