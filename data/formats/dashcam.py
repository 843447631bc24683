"""Dash-cams with one or two cameras, and action cameras that cut a recording into chapters: found by their file names.

Sources of the names: BlackVue `20260102_151632_NF.mp4` (github.com/johntajima/blackvue-rb, readme), Viofo
`2026_0102_151632_000012F.MP4` and `20260102_151632_000012F.MP4` in the folders Movie, RO and Parking, Nextbase
`260102_151632_001_FH.MP4` (support.nextbase.com, File Names), GoPro `GH011234.MP4`, `GX…`, `GOPR1234.MP4`,
`GP011234.MP4` (GoPro Camera File Naming Convention).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fsd.data.camera_names import canonical_name
from fsd.data.clip import Clip
from fsd.data.clip_streams import camera_streams
from fsd.data.errors import ClipError, few
from fsd.data.formats.gps_track import find_gps_track
from fsd.data.formats.make_clip import make_clip
from fsd.data.formats.recording_format import Match
from fsd.data.formats.video_folder import check_rig_fits
from fsd.data.name_stamps import stamp_in_name
from fsd.data.recording_files import RecordingFiles, not_files
from fsd.data.recording_options import CameraOptions
from fsd.data.rig import load_rig
from fsd.data.video_probe import VIDEO_SUFFIXES
from fsd.data.wall_clock import WallClock

_BLACKVUE = re.compile(r"^\d{8}_\d{6}_[A-Z](?P<camera>[FRIO])(?P<small>S?)$", re.IGNORECASE)
_VIOFO = re.compile(r"^\d{4}_?\d{4}_\d{6}_\d{3,6}P?(?P<camera>[FRIT])(?P<small>)$", re.IGNORECASE)
_NEXTBASE = re.compile(r"^\d{6}_\d{6}_\d{3}_(?P<camera>[FR])(?P<small>[HL])$", re.IGNORECASE)
_GOPRO = re.compile(r"^(?:G[HX](?P<chapter>\d\d)|GP(?P<later>\d\d)|GOPR)(?P<video>\d{4})$", re.IGNORECASE)

_FOLDERS = frozenset({"dcim", "movie", "ro", "parking", "record", "event", "normal", "front", "rear", "blackvue"})
_DEPTH = 3
"""Folders of these names are searched, this deep: Viofo's DCIM/Movie/RO, BlackVue/Record, GoPro's DCIM/100GOPRO."""
_GOPRO_FOLDER = re.compile(r"^\d{3}GOPRO$", re.IGNORECASE)

_CAMERAS = {"F": "front_main", "R": "rear"}
_OTHERS = {"I": "the interior", "O": "the optional camera", "T": "the telephoto camera"}


@dataclass(frozen=True)
class _Part:
    """A file of a dash-cam: `letter` of its camera, `stamp_ns` of its name as if it were UTC."""

    path: Path
    brand: str
    letter: str
    stamp_ns: int
    is_small: bool


class DashCam:
    """A folder of a dash-cam or an action camera, or one file of it."""

    name = "dashcam"
    description = "BlackVue, Viofo and Nextbase dash-cams (front and rear, parts with date and time), GoPro chapters"

    def detect(self, path: Path) -> Match | None:
        files = [path] if path.is_file() else list(_videos(path))
        if any(canonical_name(file.stem) for file in files):
            return None
        parts = [part for part in map(_part_of, files) if part is not None]
        if parts:
            brands = " and ".join(sorted({part.brand for part in parts}))
            cameras = " and ".join(sorted({_CAMERAS.get(part.letter, _OTHERS.get(part.letter, "")) for part in parts}))
            return Match(f"{len(parts)} files of {cameras}, named as {brands} names them", (path,))
        chapters = _gopro_videos(files)
        if not chapters:
            return None
        first = [files[0] for files in chapters.values()]
        recordings = (path,) if len(first) == 1 else tuple(first)
        return Match(f"{len(first)} GoPro video{'s' if len(first) > 1 else ''} in {len(files)} files", recordings)

    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open it: all parts in order of time, on one time line from the first part's stamp.

        Raises:
            ClipError: nothing usable is there, or a file is broken.
            RigError: a rig.json in the folder is wrong or does not match the videos.
        """
        folder = path if path.is_dir() else path.parent
        files = [path] if path.is_file() else list(_videos(path))
        parts = [part for part in map(_part_of, files) if part is not None]
        recording, origin_ns = _stamped(path, parts) if parts else (_chapters(path, folder), None)
        ignored = [file.name for file in files if _part_of(file) is None and _GOPRO.match(file.stem) is None]
        if ignored:
            recording.notes.append(f"Ignored, since they are not named as the others: {few(ignored)}.")
        if path.is_dir():
            recording.notes += not_files(path, VIDEO_SUFFIXES)
        notes = list(recording.notes)
        rig_path = folder / "rig.json"
        rig = load_rig(rig_path) if rig_path.exists() else None
        streams = camera_streams(recording, folder, rig, notes, options)
        if rig is not None:
            check_rig_fits(rig_path, rig, streams)
        first = next(iter(streams.values()))
        track = find_gps_track(folder, first, origin_ns, notes, only_named=path.is_file())
        wall_clock = None if origin_ns is None else WallClock(origin_ns, is_local=True)
        return make_clip(path, self.name, streams, notes, rig, ego=track, wall_clock=wall_clock)


def _videos(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Videos in the folder and in those folders inside that cameras make, in order."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return
    yield from (entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file())
    for entry in entries:
        is_known = entry.name.lower() in _FOLDERS or _GOPRO_FOLDER.match(entry.name)
        is_loop = entry.resolve() in (folder.resolve(), *folder.resolve().parents)
        if depth < _DEPTH and is_known and entry.is_dir() and not is_loop:
            yield from _videos(entry, depth + 1)


def _part_of(path: Path) -> _Part | None:
    for brand, pattern in (("BlackVue", _BLACKVUE), ("Viofo", _VIOFO), ("Nextbase", _NEXTBASE)):
        match = pattern.match(path.stem)
        stamp = stamp_in_name(f"20{path.stem}" if brand == "Nextbase" else path.stem)
        if match and stamp:
            return _Part(path, brand, match["camera"].upper(), stamp[0], match["small"].upper() in ("S", "L"))
    return None


def _stamped(path: Path, parts: list[_Part]) -> tuple[RecordingFiles, int]:
    """The parts of front and rear, with their times from the first one's stamp on; and that stamp."""
    recording = RecordingFiles()
    full = [part for part in parts if not part.is_small]
    if full and len(full) < len(parts):
        recording.notes.append(f"{len(parts) - len(full)} copies of low resolution are not used.")
    full = full or parts
    for letter in sorted({part.letter for part in full} - set(_CAMERAS)):
        recording.notes.append(f"Videos of {_OTHERS[letter]} ({letter}) are not used: only front and rear are read.")
    origin_ns = min((part.stamp_ns for part in full if part.letter in _CAMERAS), default=0)
    for letter, camera in _CAMERAS.items():
        own: dict[int, _Part] = {}
        for part in sorted((part for part in full if part.letter == letter), key=_by_time):
            if part.stamp_ns in own:
                recording.notes.append(f"{part.path.name} has the time of {own[part.stamp_ns].path.name}: not used.")
            else:
                own[part.stamp_ns] = part
        if own:
            recording.add(camera, letter, tuple(part.path for part in own.values()))
            recording.stamps_ns[camera] = tuple(stamp_ns - origin_ns for stamp_ns in own)
    if not recording.videos:
        raise ClipError(f"{path} has no video of the front or rear camera. Add one, or name one with `--cameras`.")
    return recording, origin_ns


def _by_time(part: _Part) -> tuple[int, str]:
    return part.stamp_ns, str(part.path)


def _chapters(path: Path, folder: Path) -> RecordingFiles:
    """The chapters of one GoPro video: all of a folder that holds one, or those that begin with the file given."""
    recording = RecordingFiles(parts_follow=True)
    own: tuple[Path, ...] = (path,)
    for chapters in _gopro_videos(list(_videos(folder))).values():
        if path.is_dir() or path == chapters[0]:
            own = chapters
    recording.add("front_main", own[0].stem, own)
    recording.notes.append(f"{own[0].name} is taken as front_main: a GoPro's file names name no camera.")
    if len(own) > 1:
        recording.notes.append(f"{len(own)} chapters of one GoPro video follow each other without a hole.")
    numbers = [_chapter(file) for file in own]
    missing = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    if missing:
        recording.notes.append(
            f"Chapters {', '.join(map(str, missing))} of this GoPro video are missing: times after them are too early."
        )
    return recording


def _gopro_videos(files: list[Path]) -> dict[tuple[Path, str, str], tuple[Path, ...]]:
    """The chapters of every GoPro video, in order; by folder, kind and number of the video."""
    videos: dict[tuple[Path, str, str], list[Path]] = {}
    for file in files:
        match = _GOPRO.match(file.stem)
        if match:
            kind = file.stem[:2].upper().replace("GO", "GP")
            videos.setdefault((file.parent, kind, match["video"]), []).append(file)
    return {key: tuple(sorted(chapters, key=_chapter)) for key, chapters in sorted(videos.items())}


def _chapter(file: Path) -> int:
    """The number of a chapter; 0 for the first of the older names, `GOPR1234`."""
    match = _GOPRO.match(file.stem)
    return int((match["chapter"] or match["later"] or 0) if match else 0)
