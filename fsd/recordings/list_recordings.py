"""The recordings below a folder, one line each: what each is, and the command to use next.

Reads headers and tables only.
"""

import shlex
from pathlib import Path

import msgspec

from fsd.data.clock import SECOND_NS
from fsd.data.counted import counted
from fsd.data.errors import FsdError
from fsd.data.formats.fragment import split_fragment
from fsd.data.formats.video_folder import VideoFolder
from fsd.data.open_clip import detect, open_clip
from fsd.data.recording_files import clips_below
from fsd.data.stretches import stretches_ns
from fsd.outputs.progress import progress_bar


class RecordingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One recording.

    Attributes:
        cameras: names of those with a video; length_s: None where the files do not state it.
        problem: why it cannot be opened; None if it can. next: the command to use next.
    """

    path: str
    format: str
    cameras: tuple[str, ...] = ()
    length_s: float | None = None
    problem: str | None = None
    next: str


class RecordingsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The recordings of a folder that is no recording itself."""

    path: str
    recordings: tuple[RecordingFacts, ...]


def recordings_below(folder: Path) -> list[Path]:
    """The recordings in a folder, and those of any format in its subfolders; the folder itself if it holds videos.

    Raises:
        ClipError: as `detect`.
    """
    found, match = detect(folder)
    is_any = isinstance(found, VideoFolder)
    own = list(match.recordings)
    if is_any:
        own = [folder] if clips_below(folder) == [folder] else []
    places = [split_fragment(path)[0] for path in own]
    if not folder.is_dir() or (not is_any and folder in places):
        return own
    for inner in _folders(folder):
        if any(path.is_relative_to(inner) for path in places):
            continue
        kind, inside = detect(inner)
        if not isinstance(kind, VideoFolder) or clips_below(inner):
            own += inside.recordings
    return own


def list_recordings(paths: list[Path]) -> tuple[RecordingFacts, ...]:
    """Describe recordings; one that cannot be opened says why.

    Raises:
        ClipError: a path does not exist.
    """
    facts = []
    with progress_bar(len(paths), "recording", "open", len(paths) > 1) as bar:
        for path in paths:
            facts.append(_facts(path))
            bar.update()
    return tuple(facts)


def _facts(path: Path) -> RecordingFacts:
    name = detect(path)[0].name
    try:
        clip = open_clip(path)
    except FsdError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return RecordingFacts(path=str(path), format=name, problem=problem, next=_command("inspect", path))
    stretches = stretches_ns(stream for stream in clip.streams if stream is not None)
    return RecordingFacts(
        path=str(path),
        format=clip.format,
        cameras=tuple(stream.name for stream in clip.streams if stream is not None),
        length_s=round((stretches[-1][1] - stretches[0][0]) / SECOND_NS, 3) if stretches else None,
        next=_command("replay", path),
    )


def _command(name: str, path: Path) -> str:
    return shlex.join(["fsd", name, str(path)])


def format_recordings(recordings: tuple[RecordingFacts, ...]) -> list[str]:
    """One line per recording: the command to use next, and what it is; of a problem, its first sentence."""
    width = max(len(each.next) for each in recordings)
    return [f"{each.next:{width}}  {_describe(each)}" for each in recordings]


def _describe(facts: RecordingFacts) -> str:
    if facts.problem is not None:
        return f"! {facts.problem.partition('. ')[0].partition('? ')[0]}{'?' * ('? ' in facts.problem)}"
    length = [] if facts.length_s is None else [f"{facts.length_s:.1f} s"]
    return ", ".join([facts.format, counted(len(facts.cameras), "camera"), *length])


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones and links to those above."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # not readable: opening it says so
        return []
    above = (folder.resolve(), *folder.resolve().parents)
    return [entry for entry in entries if entry.is_dir() and entry.resolve() not in above]
