"""What a recording format is: a name, a test whether a path is of it, and a way to open it in place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fsd.data.clip import Clip
from fsd.data.recording_options import CameraOptions


@dataclass(frozen=True)
class Match:
    """A path is of a format.

    Attributes:
        reason: what shows it, as a phrase for people, such as `3 minutes of 4 cameras, named as TeslaCam names them`.
        recordings: the single recordings inside, in order, each a path that the format opens; the path itself where it
            is one. Where several recordings lie in one set of files, such as the scenes of nuScenes, each is named by a
            fragment (see `fragment.py`).
    """

    reason: str
    recordings: tuple[Path, ...]


class RecordingFormat(Protocol):
    """One recording format. Third parties add theirs through the entry point `fsd.recording_formats`.

    Attributes:
        name: short, lower case, such as `teslacam`; `Clip.format` of what it opens.
        description: one phrase for `docs/formats.md` and messages.
    """

    name: str
    description: str

    def detect(self, path: Path) -> Match | None:
        """Whether an existing path is of this format, by names and headers alone, in milliseconds.

        Must not raise for a path of another format. A path that is recognised, but cannot be opened, is a match.
        """

    def open(self, path: Path, options: CameraOptions) -> Clip:
        """Open one recording, as `Match.recordings` names it, without copying or decoding video.

        Raises:
            ClipError: nothing usable is there; the message says what it is and what to do.
        """
