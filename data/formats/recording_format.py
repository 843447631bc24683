"""What a recording format is: a name, a test whether a path is of it, and a way to open it in place."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Protocol

from fsd.data.clip import Clip
from fsd.data.errors import ClipError, FsdError
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


OpenFormat = Callable[[Any, Path, CameraOptions], Clip]


def refusing_wrong_values(open_format: OpenFormat) -> OpenFormat:
    """Decorate `RecordingFormat.open` of a format whose tables other programs write: no value ends in a traceback.

    Common mistakes have messages of their own; this one is for the values that nobody thought of.
    """

    @wraps(open_format)
    def opened(self: Any, path: Path, options: CameraOptions) -> Clip:
        try:
            return open_format(self, path, options)
        except FsdError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ClipError(
                f"{path}: a value in the files of this recording (format {self.name}) is one that it cannot have "
                f"({error!r}). They are damaged, or were written by a program that fills them in another way; copy, "
                "download or convert the recording again."
            ) from error

    return opened
