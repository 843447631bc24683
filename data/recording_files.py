"""Find the videos of every camera in a folder, by their names only; opens no file.

Videos, or the folders that they are in, are named after their camera, by its canonical name or an alias. Numbers
`_0 _1 _2 …` at the end are parts of one recording.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from glob import escape, glob
from itertools import pairwise
from pathlib import Path

from fsd.data.camera_names import canonical_name, known_names, meant_camera
from fsd.data.errors import ClipError, UsageError, few
from fsd.data.name_stamps import stamp_in_name
from fsd.data.result_record import results_in
from fsd.data.video_probe import VIDEO_SUFFIXES, kind_of_file

_PART = re.compile(r"^(?P<base>.*?)[_\-.]?(?P<number>\d+)$")


@dataclass
class RecordingFiles:
    """The videos of a clip.

    Attributes:
        videos: camera -> its part files in order; labels: camera -> the name it was found under.
        stamps_ns: camera -> the time at which each part began, as its name states it; empty where names state none.
        parts_follow: the parts are known to follow each other without a hole, whatever dates they carry.
    """

    videos: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stamps_ns: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parts_follow: bool = False

    def add(self, name: str, label: str, parts: tuple[Path, ...]) -> None:
        if name in self.videos:
            raise ClipError(
                f"Two videos for {name}: {self.videos[name][0]} and {parts[0]}. "
                f"Remove one, or choose with `--cameras {name}=FILE`.",
                camera=name,
            )
        self.videos[name] = parts
        self.labels[name] = label


def find_videos(folder: Path) -> RecordingFiles:
    """The videos in a clip folder.

    Raises:
        ClipError: there are none, their names are not known, two are for one camera, or a part is missing.
    """
    recording = RecordingFiles()
    files, folders = _listing(folder)
    recording.notes += not_files(folder, VIDEO_SUFFIXES)
    plain = _plain_names(files, folders, recording.notes)
    parts, unknown = _group(files, plain)
    for (name, label), numbered in parts.items():
        recording.add(name, label, _in_order(numbered))
    _add_folders(recording, folders, plain)
    _add_stamps(recording)
    if not recording.videos and len(unknown) == 1:
        recording.add("front_main", unknown[0].stem, (unknown[0],))
        recording.notes.append(f"{unknown[0].name} names no camera; it is taken as front_main.")
    elif not recording.videos:
        _raise_nothing_found(folder, unknown, recording.notes)
    elif unknown:
        recording.notes.append(f"Ignored, since they name no camera: {few([path.name for path in unknown])}.")
    _note_other_folders(recording, folder, [path for path in folders if canonical_name(plain[path]) is None])
    return recording


def _note_other_folders(recording: RecordingFiles, folder: Path, others: list[Path]) -> None:
    """Note folders beside the videos that hold videos as well; with a rig.json, the clip is what that describes."""
    if not (folder / "rig.json").exists() and (names := [path.name for path in others if _holds_videos(path)]):
        recording.notes.append(f"Not read, since their names name no camera: the videos in the folders {few(names)}.")


def _holds_videos(folder: Path) -> bool:
    try:
        return bool(_recorded(folder, _listing(folder)[0]))
    except ClipError:
        return False


def _recorded(folder: Path, videos: list[Path]) -> list[Path]:
    """The videos that are no results of fsd, such as an overlay."""
    results = results_in(folder)
    return [path for path in videos if path.name not in results]


def mapped_videos(folder: Path, cameras: Mapping[str, Path]) -> RecordingFiles:
    """The videos that the user named, as `files_named` reads each value.

    Raises:
        UsageError: a camera is not known, or is named twice.
        ClipError: a folder or a pattern holds no videos.
    """
    recording = RecordingFiles()
    for label, path in cameras.items():
        name = canonical_name(label)
        if name is None:
            raise UsageError(
                f"--cameras: {label!r} is not a known camera. {meant_camera(label)}The cameras are {known_names()}.",
                field=label,
            )
        if name in recording.videos:
            raise UsageError(
                f"--cameras names {name} twice, as {recording.labels[name]!r} and {label!r}. Name every camera once; "
                "several files of one camera are separated by commas.",
                camera=name,
            )
        recording.add(name, label, files_named(folder, path))
    _add_stamps(recording)
    return recording


def files_named(folder: Path, text: Path) -> tuple[Path, ...]:
    """The files that a value of `--cameras` means: a video, a folder of parts, a pattern, or several, with commas.

    Relative ones are looked up in `folder` first. Parts found by a folder or a pattern are in natural order of their
    names (`part_9` before `part_10`); those listed stay as listed. A single file need not exist.

    Raises:
        ClipError: a folder or a pattern holds no videos.
        UsageError: no file is named, or the parts are listed from the newest to the oldest.
    """
    inside = folder / text
    path = inside if inside.exists() else text
    if path.is_dir():
        found = sorted(_listing(path)[0], key=_natural_order)
        if not found:
            raise ClipError(f"{path} holds no videos. Give a video, or a folder or a pattern of its parts.")
        return tuple(found)
    if path.exists():
        return (path,)
    if "," in str(text):
        pieces = [Path(piece.strip()) for piece in str(text).split(",") if piece.strip()]
        if not pieces:
            raise UsageError(f"--cameras: {str(text)!r} names no file. Write NAME=FILE, or NAME=FILE,FILE for parts.")
        listed = tuple(file for piece in pieces for file in files_named(folder, piece))
        _check_order(listed)
        return listed
    if any(sign in str(text) for sign in "*?["):
        for pattern in (os.path.join(escape(str(folder)), text), str(text)):
            found = [path for each in glob(pattern) if (path := Path(each)).is_file()]
            if found:
                return tuple(sorted(found, key=_natural_order))
        raise ClipError(f"No file matches {text} in {folder}. Check the pattern; it must stand in quotes.")
    return (path,)


def _check_order(parts: tuple[Path, ...]) -> None:
    """Refuse parts whose names say that they are listed from the newest to the oldest, or out of order.

    Raises:
        UsageError: names the first two that are.
    """
    for before, after in pairwise(parts):
        stamps = stamp_in_name(before.stem), stamp_in_name(after.stem)
        numbers = _PART.match(before.stem), _PART.match(after.stem)
        if stamps[0] and stamps[1]:
            is_wrong = stamps[0][0] > stamps[1][0]
        else:
            same = numbers[0] and numbers[1] and numbers[0]["base"] == numbers[1]["base"]
            is_wrong = bool(same) and _natural_order(before) > _natural_order(after)
        if is_wrong:
            raise UsageError(
                f"--cameras: {before.name} stands before {after.name}, which is older by its name. List the parts from "
                "the oldest to the newest, or give their folder or a pattern."
            )


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sorts numbers in a name by their value."""
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece.lower()) for piece in re.split(r"(\d+)", path.name)
    ]


def not_files(folder: Path, suffixes: Collection[str]) -> list[str]:
    """A sentence for what has the name of a file in this folder, by its suffix, but is none: at most one."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
    found = [entry for entry in entries if entry.suffix.lower() in suffixes and not entry.is_file()]
    named = few([f"{entry.name} is {kind_of_file(entry)}" for entry in found])
    return [f"Not used: {named}."] if found else []


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise ClipError(f"{folder} cannot be read ({error.strerror}). Check the path and the permissions.") from error
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()]
    return videos, [entry for entry in entries if entry.is_dir()]


def _plain_names(files: list[Path], folders: list[Path], notes: list[str]) -> dict[Path, str]:
    """The name of each file and folder, without a start that all share where that tells more cameras."""
    names = {path: path.stem for path in files} | {path: path.name for path in folders}
    plain = dict(names)
    for group in (files, folders):
        shared = _shared_pieces([names[path] for path in group])
        candidates = [{path: _without_pieces(names[path], count) for path in group} for count in range(shared + 1)]
        best = max(candidates, key=lambda each: sum(_camera_and_part(name) is not None for name in each.values()))
        if best is not candidates[0]:
            notes.append("The names of all videos begin in the same way; that start is left out to find the cameras.")
            plain |= best
    return plain


def _shared_pieces(names: list[str]) -> int:
    """How many pieces between separators all names begin with; none where there is one name."""
    pieces = [re.split(r"[_\-. ]", name) for name in names]
    shared = 0
    while len(names) > 1 and len({tuple(each[: shared + 1]) for each in pieces}) == 1:
        shared += 1
    return shared


def _without_pieces(name: str, count: int) -> str:
    return re.sub(rf"^([^_\-. ]*[_\-. ]){{{count}}}", "", name)


def _camera_and_part(text: str) -> tuple[str, str, int | None] | None:
    """Camera, label and number of the part that a name tells; a date and time counts as the number."""
    # The whole name comes first: `front_tele_30` is a camera, not part 30 of one.
    if name := canonical_name(text):
        return name, text, None
    if (stamp := stamp_in_name(text)) and (name := canonical_name(stamp[1])):
        return name, stamp[1], stamp[0]
    if (match := _PART.match(text)) and (name := canonical_name(match["base"])):
        return name, match["base"], int(match["number"])
    return None


def _add_stamps(recording: RecordingFiles) -> None:
    """Note when every part began, where there are parts, and the names of all tell it, in rising order."""
    stamps = {name: [stamp_in_name(part.stem) for part in parts] for name, parts in recording.videos.items()}
    known = {name: [stamp[0] for stamp in own if stamp] for name, own in stamps.items()}
    if all(len(own) == 1 for own in stamps.values()) or any(
        len(own) < len(stamps[name]) for name, own in known.items()
    ):
        return
    if all(all(a < b for a, b in pairwise(own)) for own in known.values()):
        origin_ns = min(own[0] for own in known.values())
        recording.stamps_ns = {name: tuple(stamp - origin_ns for stamp in own) for name, own in known.items()}


def _group(
    files: list[Path], plain: Mapping[Path, str]
) -> tuple[dict[tuple[str, str], list[tuple[int | None, Path]]], list[Path]]:
    """Videos by (camera, label), with their part numbers; and those whose names are not known."""
    known: dict[tuple[str, str], list[tuple[int | None, Path]]] = {}
    unknown = []
    for path in files:
        told = _camera_and_part(plain[path])
        if told is None:
            unknown.append(path)
        else:
            name, label, number = told
            known.setdefault((name, label), []).append((number, path))
    return known, unknown


def _add_folders(recording: RecordingFiles, folders: list[Path], plain: Mapping[Path, str]) -> None:
    """Add the cameras that have a folder of their own."""
    for folder in folders:
        name = canonical_name(plain[folder])
        videos = _listing(folder)[0] if name else []
        if not name or not videos:
            continue
        numbered: list[tuple[int | None, Path]] = []
        for path in videos:
            match, stamp = _PART.match(path.stem), stamp_in_name(path.stem)
            number = stamp[0] if stamp else int(match["number"]) if match else None
            numbered.append((number if len(videos) > 1 else None, path))
        recording.add(name, plain[folder], _in_order(numbered))


def _in_order(numbered: list[tuple[int | None, Path]]) -> tuple[Path, ...]:
    if len(numbered) == 1:
        return (numbered[0][1],)
    names = few([path.name for _, path in numbered])
    if any(number is None for number, _ in numbered):
        raise ClipError(
            f"{numbered[0][1].parent} has several videos of one camera that are not numbered as parts: {names}. "
            "Name them `…_0`, `…_1` …, or keep one."
        )
    ordered = sorted((number, path) for number, path in numbered if number is not None)
    numbers = [number for number, _ in ordered]
    if all(stamp_in_name(path.stem) for _, path in ordered) and len(set(numbers)) == len(numbers):
        return tuple(path for _, path in ordered)  # dates may leave holes
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ClipError(
            f"{ordered[0][1].parent}: part files must be numbered without gaps or repeats, found {names}. "
            "Add the missing part, or keep only the parts up to it."
        )
    return tuple(path for _, path in ordered)


def _raise_nothing_found(folder: Path, unknown: list[Path], notes: list[str]) -> None:
    if unknown:
        names = [path.name for path in unknown]
        raise ClipError(
            f"{folder}: are these {len(names)} videos cameras of one drive, or drives of their own? Their names do not "
            f"tell: {few(names)}. Of one drive: `fsd replay {folder} --cameras front_main={names[0]} …` (names: "
            f"docs/clip_format.md). Of their own: `fsd replay {folder}/*{unknown[0].suffix}`."
        )
    raise ClipError(
        f"{folder} holds no videos (looked for {' '.join(sorted(VIDEO_SUFFIXES))}, and for folders "
        f"named after cameras). {' '.join([*notes, 'Check the path.'])}"
    )


def clips_below(folder: Path, depth: int = 2) -> list[Path]:
    """The folder itself if it holds videos, or folders named after cameras that do; else those below it that do.

    Videos that fsd wrote as results, such as an overlay, are no recordings.
    """
    try:
        files, folders = _listing(folder)
    except ClipError:  # not readable: opening it says so
        return []
    if _recorded(folder, files) or any(canonical_name(entry.name) and _listing(entry)[0] for entry in folders):
        return [folder]
    if not depth:
        return []
    inside = [entry for entry in folders if entry.resolve() not in (folder.resolve(), *folder.resolve().parents)]
    found = [clip for entry in inside for clip in clips_below(entry, depth - 1)]
    return list({clip.resolve(): clip for clip in reversed(found)}.values())[::-1]  # links may name one twice
