"""A folder of image files, or one such folder per camera, with a time table beside them.

The layout is this program's own: `FOLDER/*.jpg`, or `FOLDER/<camera>/*.png` with canonical names or aliases. Times come
from `timestamps.csv`, `timestamps.txt` or `<camera>.csv`, from names that are times, or from `--rate-hz`. A `rig.json`,
`ego.parquet` and `command.parquet` in the folder are read as in a clip folder. There are no labels.
"""

from pathlib import Path

import numpy as np

from fsd.data.camera_names import canonical_name, fov_deg_in_name, known_names
from fsd.data.clip import Clip
from fsd.data.clock import check_rising
from fsd.data.ego import load_commands, load_ego
from fsd.data.errors import ClipError, ClockError, RigError
from fsd.data.formats.image_times import TimeTable, read_time_table, times_at_rate, times_in_names
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match
from fsd.data.image_stream import ImageStream, image_stream, images_in
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import Rig, load_rig
from fsd.data.video_probe import VIDEO_SUFFIXES

MIN_IMAGES = 2
"""One image is a preview or a logo, no recording."""


class ImageFolder:
    """Images of one camera, or a folder of images per camera."""

    name = "images"
    description = "a folder of JPEG or PNG images, or one per camera, with a time table, times as names, or --rate-hz"

    def detect(self, path: Path) -> Match | None:
        if not path.is_dir() or _has_videos(path):
            return None
        count = len(images_in(path))
        if count >= MIN_IMAGES:
            return Match(f"a folder of {count} images", (path,))
        cameras = _camera_folders(path)
        if not cameras:
            return None
        return Match(f"folders of images named after cameras: {', '.join(sorted(cameras))}", (path,))

    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open it.

        Raises:
            ClipError: there are no images, or they have no times.
            ClockError: a time table is wrong.
            RigError: rig.json is wrong, or does not match the images.
        """
        notes: list[str] = []
        folders = self._folders(path, notes)
        streams = {}
        untimed = []
        for name, folder in folders.items():
            timed = _timed_images(name, folder, path, notes)
            if timed is None:
                untimed.append(name)
            else:
                streams[name] = image_stream(name, *timed)
        if untimed:
            streams |= _at_constant_rate(untimed, folders, streams, options, notes)
        rig = _rig(path / "rig.json", streams)
        ego_path, command_path = path / "ego.parquet", path / "command.parquet"
        ego = load_ego(ego_path, notes) if ego_path.exists() else None
        return make_clip(
            path,
            self.name,
            streams,
            notes,
            rig,
            {name: fov for name, folder in folders.items() if (fov := fov_deg_in_name(folder.name))},
            ego=ego,
            commands=load_commands(command_path) if command_path.exists() else None,
        )

    def _folders(self, path: Path, notes: list[str]) -> dict[str, Path]:
        """Canonical camera -> folder of its images."""
        if len(images_in(path)) >= MIN_IMAGES:
            name = canonical_name(path.resolve().name)
            if name is None:
                notes.append(f"{path.resolve().name} names no camera; its images are taken as front_main.")
            return {name or "front_main": path}
        folders = _camera_folders(path)
        if not folders:
            raise ClipError(
                f"{path} holds no images (.jpg, .jpeg, .png). Give a folder of images, or one with a folder per "
                f"camera, named {known_names()}."
            )
        others = sorted(
            each.name for each in path.iterdir() if each.is_dir() and each not in folders.values() and images_in(each)
        )
        if others:
            notes.append(f"{', '.join(others)}: names of no camera, or of one that is there already; not read.")
        return folders


def _has_videos(path: Path) -> bool:
    return any(each.suffix.lower() in VIDEO_SUFFIXES for each in path.iterdir())


def _camera_folders(path: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in sorted(each for each in path.iterdir() if each.is_dir()):
        name = canonical_name(folder.name)
        if name is not None and name not in found and len(images_in(folder)) >= MIN_IMAGES:
            found[name] = folder
    return found


def _timed_images(name: str, folder: Path, clip: Path, notes: list[str]) -> tuple[list[Path], np.ndarray] | None:
    """The images of a camera and their times; None where neither a table nor their names say them."""
    images = images_in(folder)
    for candidate in (
        folder / "timestamps.csv",
        folder / "timestamps.txt",
        clip / f"{folder.name}.csv",
        folder / f"{name}.csv",
        clip / f"{name}.csv",
        clip / "timestamps.csv",
        clip / "timestamps.txt",
    ):
        if candidate.exists():
            table = read_time_table(candidate)
            if table.note and table.note not in notes:
                notes.append(table.note)
            return _by_table(table, name, folder, images, notes)
    named = times_in_names(images)
    if named is None:
        return None
    ordered, timestamp_ns, note = named
    notes.append(note)
    return ordered, timestamp_ns


def _by_table(
    table: TimeTable, name: str, folder: Path, images: list[Path], notes: list[str]
) -> tuple[list[Path], np.ndarray]:
    if table.names is None:
        if len(table.timestamp_ns) != len(images):
            raise ClockError(
                f"{table.path} has {len(table.timestamp_ns)} rows, but {folder} holds {len(images)} images, so it "
                "cannot be told which row belongs to which. Add a column `filename`, or correct the rows.",
                camera=name,
                field="filename",
            )
        check_rising(table.path, "timestamp_ns", table.timestamp_ns)
        return images, table.timestamp_ns
    by_name = {key: image for image in images for key in (image.name, image.stem)}
    listed = [_find(row, table.path.parent, folder, by_name) for row in table.names]
    rows = [row for row, image in enumerate(listed) if image is not None]
    found = [image for image in listed if image is not None]
    if not any(image.name in by_name for image in found):
        raise ClipError(
            f"{table.path} names no image in {folder} (its first row is {table.names[0]!r}). Correct the file names.",
            camera=name,
            field="filename",
        )
    unlisted = len(set(images) - set(found))
    if unlisted:
        notes.append(f"{name}: {unlisted} images are not listed in {table.path.name} and not shown.")
    absent = sum(image.name not in by_name for image in found)
    if absent:
        notes.append(f"{name}: {absent} images listed in {table.path.name} are missing.")
    repeated = len(found) - len(set(found))
    if repeated:
        notes.append(f"{name}: {repeated} rows of {table.path.name} name an image that another row names too.")
    timestamp_ns = table.timestamp_ns[rows]
    check_rising(table.path, "timestamp_ns", timestamp_ns)
    return found, timestamp_ns


def _find(row: str, base: Path, folder: Path, by_name: dict[str, Path]) -> Path | None:
    """The image that a row names, whether it exists or not; None where it lies in the folder of another camera."""
    named = Path(row.replace("\\", "/"))
    if len(named.parts) > 1 and base != folder and named.parts[-2] != folder.name:
        return None
    return by_name.get(named.name) or folder / named.name


def _at_constant_rate(
    names: list[str], folders: dict[str, Path], timed: dict[str, ImageStream], options: CameraOptions, notes: list[str]
) -> dict[str, ImageStream]:
    if options.rate_hz is None:
        folder = folders[names[0]]
        raise ClipError(
            f"{folder} holds images without times: there is no timestamps.csv (timestamp_ns, optionally filename), "
            f"and names such as {images_in(folder)[0].name} are no times. Add the table, or give the frames per "
            "second with --rate-hz.",
            camera=names[0],
            field="rate_hz",
        )
    start_ns = min((stream.start_ns or 0 for stream in timed.values()), default=0)
    start = "; they are taken to start with the other cameras" if timed else ""
    notes.append(f"No times for the images of {', '.join(names)}: {options.rate_hz:g} Hz, as given{start}.")
    streams = {}
    for name in names:
        images = images_in(folders[name])
        streams[name] = image_stream(name, images, start_ns + times_at_rate(len(images), options.rate_hz))
    return streams


def _rig(path: Path, streams: dict[str, ImageStream]) -> Rig | None:
    if not path.exists():
        return None
    rig = load_rig(path)
    for name, stream in streams.items():
        camera = rig.camera(name)
        size_px = None if camera is None else (camera.width_px, camera.height_px)
        if size_px != (stream.width_px, stream.height_px):
            described = "not described" if size_px is None else f"described with {size_px[0]}x{size_px[1]} pixels"
            raise RigError(
                f"{path}: {name} is {described}, but {stream.path} has {stream.width_px}x{stream.height_px}. "
                "Correct the entry, or use the images that the calibration belongs to.",
                camera=name,
            )
    return rig
