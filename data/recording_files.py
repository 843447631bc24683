"""Find the videos of every camera in a folder, by their names only; opens no file.

Videos, or the folders that they are in, are named after their camera, by its canonical name or an alias. Numbers
`_0 _1 _2 …` at the end are parts of one recording.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fsd.data.camera_names import canonical_name, known_names
from fsd.data.errors import ClipError
from fsd.data.video_probe import VIDEO_SUFFIXES

_PART = re.compile(r"^(?P<base>.*?)[_\-.]?(?P<number>\d+)$")


@dataclass
class RecordingFiles:
    """The videos of a clip: camera -> its part files in order; `labels` are the names they were found under."""

    videos: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

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
    parts, unknown = _group(files)
    for (name, label), numbered in parts.items():
        recording.add(name, label, _in_order(numbered))
    _add_folders(recording, folders)
    if not recording.videos and len(unknown) == 1:
        recording.add("front_main", unknown[0].stem, (unknown[0],))
        recording.notes.append(f"{unknown[0].name} names no camera; it is taken as front_main.")
    elif not recording.videos:
        _raise_nothing_found(folder, folders, unknown)
    elif unknown:
        recording.notes.append(f"Ignored, since they name no camera: {', '.join(path.name for path in unknown)}.")
    return recording


def mapped_videos(folder: Path, cameras: Mapping[str, Path]) -> RecordingFiles:
    """The videos that the user named; relative paths are looked up in `folder` first."""
    recording = RecordingFiles()
    for label, path in cameras.items():
        name = canonical_name(label)
        if name is None:
            raise ClipError(f"--cameras: {label!r} is not a known camera. Use one of: {known_names()}.", field=label)
        inside = folder / path
        recording.add(name, label, (inside if inside.exists() else path,))
    return recording


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise ClipError(f"{folder} cannot be read ({error.strerror}). Check the path and the permissions.") from error
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()]
    return videos, [entry for entry in entries if entry.is_dir()]


def _group(files: list[Path]) -> tuple[dict[tuple[str, str], list[tuple[int | None, Path]]], list[Path]]:
    """Videos by (camera, label), with their part numbers; and those whose names are not known."""
    known: dict[tuple[str, str], list[tuple[int | None, Path]]] = {}
    unknown = []
    for path in files:
        # The whole name comes first: `front_tele_30` is a camera, not part 30 of one.
        if name := canonical_name(path.stem):
            known.setdefault((name, path.stem), []).append((None, path))
        elif (match := _PART.match(path.stem)) and (name := canonical_name(match["base"])):
            known.setdefault((name, match["base"]), []).append((int(match["number"]), path))
        else:
            unknown.append(path)
    return known, unknown


def _add_folders(recording: RecordingFiles, folders: list[Path]) -> None:
    """Add the cameras that have a folder of their own."""
    for folder in folders:
        name = canonical_name(folder.name)
        videos = _listing(folder)[0] if name else []
        if not name or not videos:
            continue
        numbered: list[tuple[int | None, Path]] = []
        for path in videos:
            match = _PART.match(path.stem)
            numbered.append((int(match["number"]) if match and len(videos) > 1 else None, path))
        recording.add(name, folder.name, _in_order(numbered))


def _in_order(numbered: list[tuple[int | None, Path]]) -> tuple[Path, ...]:
    if len(numbered) == 1:
        return (numbered[0][1],)
    names = ", ".join(path.name for _, path in numbered)
    if any(number is None for number, _ in numbered):
        raise ClipError(
            f"{numbered[0][1].parent} has several videos of one camera that are not numbered as parts: {names}. "
            "Name them `…_0`, `…_1` …, or keep one."
        )
    ordered = sorted((number, path) for number, path in numbered if number is not None)
    numbers = [number for number, _ in ordered]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ClipError(
            f"{ordered[0][1].parent}: part files must be numbered without gaps or repeats, found {names}. "
            "Add the missing part, or keep only the parts up to it."
        )
    return tuple(path for _, path in ordered)


def _raise_nothing_found(folder: Path, folders: list[Path], unknown: list[Path]) -> None:
    if unknown:
        raise ClipError(
            f"{folder}: these files do not name their cameras: {', '.join(path.name for path in unknown)}. "
            f"Use `--cameras front_main={unknown[0].name} …`, or name the files after cameras: {known_names()}."
        )
    clips = [entry for entry in folders if _looks_like_clip(entry)]
    if clips:
        raise ClipError(
            f"{folder} holds no videos itself, but its folders do. Give one of: {', '.join(map(str, clips))}."
        )
    raise ClipError(
        f"{folder} holds no videos (looked for {' '.join(sorted(VIDEO_SUFFIXES))}, and for folders "
        "named after cameras). Check the path."
    )


def _looks_like_clip(folder: Path) -> bool:
    files, folders = _listing(folder)
    return bool(files) or any(canonical_name(entry.name) and _listing(entry)[0] for entry in folders)
