"""Where units are published: each appears in one step, and is complete when `unit.json` is there."""

import os
import shutil
from pathlib import Path

from fsd.data.errors import OutputError
from fsd.data.files import write_bytes, writing_to
from fsd.data.folder_lock import LOCK_FILE
from fsd.data.result_record import RESERVE_FILE
from fsd.fleet.places import Place
from fsd.fleet.units import CLIPS, UNIT_FILE, Unit, as_json, read_unit, unit_folder

_NOT_PUBLISHED = (LOCK_FILE, RESERVE_FILE)


def is_whole(out: Place, key: str) -> Unit | None:
    """The unit of a key, if it is complete and every file of it has the size it was written with."""
    unit = read_unit(out, key)
    if unit is None:
        return None
    sizes = {str(each["name"]).rpartition("/")[2]: each["size"] for each in unit_folder(out, key).listing()}
    return unit if all(sizes.get(name) == size for name, size in unit.files.items()) else None


def files_in(folder: Path) -> dict[str, int]:
    """The results of a finished replay, name -> size in bytes."""
    return {
        path.name: path.stat().st_size
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in _NOT_PUBLISHED
    }


def publish(out: Place, unit: Unit, folder: Path) -> None:
    """Move a finished replay from its scratch folder to the destination.

    Args:
        folder: of the replay; for a local destination on the same file system, as `scratch_in` gives one.

    Raises:
        OutputError: the destination cannot be written.
    """
    target = unit_folder(out, unit.key)
    if out.is_local:
        with writing_to(out.local):
            write_bytes(folder / UNIT_FILE, as_json(unit))
            target.local.parent.mkdir(parents=True, exist_ok=True)
            if target.local.exists():  # not whole, or its claim would not have been given
                os.replace(target.local, folder.with_name(f"{folder.name}-spoiled"))
            os.replace(folder, target.local)
        return
    try:
        (target / UNIT_FILE).remove()  # of results that are not whole
        names = list(unit.files)
        out.fs.put([str(folder / name) for name in names], [(target / name).path for name in names])
        (target / UNIT_FILE).write(as_json(unit))
    except OSError as error:
        raise OutputError(f"Cannot write to {target}: {error}. Check the bucket and the rights to it.") from error


def scratch_in(out: Place, cache: Path) -> Path:
    """The folder below which replays in progress are written: beside the results, or in the cache of the machine."""
    return out.local / ".fsd-scratch" if out.is_local else cache / "scratch"


def remove(folder: Path) -> None:
    """Remove a folder and what it holds, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def check_writable(out: Place) -> None:
    """Create the folder of the units.

    Raises:
        OutputError: it cannot be created, or a file is in its place.
    """
    if out.is_local:
        with writing_to(out.local):
            (out.local / CLIPS).mkdir(parents=True, exist_ok=True)
