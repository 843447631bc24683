"""What a person knows about a camera without calibration: its field of view, its height and its pitch."""

from collections.abc import Mapping
from dataclasses import dataclass

from fsd.data.camera_names import known_camera
from fsd.data.options import Options, option

FIRST = ""
"""In place of a camera's name: the first one that is recorded, in the order of `CAMERAS`."""


def camera_number(text: str) -> tuple[str, float]:
    """`NAME=NUMBER` as a pair, or `NUMBER` for the first camera.

    Raises:
        ValueError: the camera is not known, or the rest is no number.
    """
    label, separator, number = text.rpartition("=")
    name = known_camera(label) if separator else FIRST
    try:
        return name, float(number)
    except ValueError as error:
        raise ValueError(f"Write a number, or NAME=NUMBER such as rear=120; got {text!r}.") from error


@dataclass(frozen=True, kw_only=True)
class MountingOptions(Options):
    """How cameras are mounted, by camera, in place of what is assumed where a recording has no calibration."""

    heading = "cameras without calibration"

    hfov_deg: Mapping[str, float] | None = option(
        None,
        "horizontal field of view in degrees, of the front camera (the first that is recorded) or others: --hfov 90, "
        "or --hfov front_main=90 rear=120",
        unit="degrees",
        above=1,
        below=220,
        flag="--hfov",
        metavar="[NAME=]DEGREES",
        default_text="assumed",
        parse=camera_number,
    )
    height_m: Mapping[str, float] | None = option(
        None,
        "height of the lens above the road, as for --hfov",
        unit="m",
        above=0,
        at_most=20,
        flag="--height",
        metavar="[NAME=]METRES",
        default_text="assumed",
        parse=camera_number,
    )
    pitch_deg: Mapping[str, float] | None = option(
        None,
        "angle of the lens above the horizon in degrees, below it negative, as for --hfov",
        unit="degrees",
        at_least=-60,
        at_most=60,
        flag="--pitch",
        metavar="[NAME=]DEGREES",
        default_text="assumed",
        parse=camera_number,
    )

    @property
    def is_given(self) -> bool:
        """Whether there is anything to change."""
        return any(each is not None for each in (self.hfov_deg, self.height_m, self.pitch_deg))
