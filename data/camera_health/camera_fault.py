"""Names of camera faults, their text for people, and when each is named, cleared and masked."""

from enum import StrEnum


class CameraFault(StrEnum):
    """A fault of one camera; its value is the flag in `health` (`frozen=rear`).

    Attributes:
        text: for people, with `{}` for the cameras.
        masks: whether a camera with this fault counts as missing.
        name_after: ticks with new evidence for the fault until it is named (and masked).
        clear_after: ticks with new evidence against it until it is cleared.
    """

    text: str
    masks: bool
    name_after: int
    clear_after: int

    def __new__(cls, flag: str, text: str, masks: bool, name_after: int, clear_after: int) -> "CameraFault":
        """A member; see the attributes of the class."""
        member = str.__new__(cls, flag)
        member._value_ = flag
        member.text, member.masks, member.name_after, member.clear_after = text, masks, name_after, clear_after
        return member

    @property
    def explains_absence(self) -> bool:
        """Whether a camera with this fault is known to have no picture, or too old a one, because of it."""
        return self in (CameraFault.LATE_START, CameraFault.LOST, CameraFault.TRUNCATED, CameraFault.CLOCK_JUMP)

    # Faults of the picture.
    BLACK = ("black", "black {}", True, 1, 1)
    FROZEN = ("frozen", "frozen {}", True, 1, 9)  # evidence looks back over nine frames
    STILL = ("still", "one picture from {}: frozen, or the car stands", False, 36, 1)
    NOISE = ("noise", "noisy {}", True, 4, 18)
    CORRUPT = ("corrupt", "damaged pictures from {}", True, 1, 9)
    RESIZED = ("resized", "pictures of another size from {}", True, 1, 1)
    OBSTRUCTED = ("obstructed", "dirt or an obstacle before {}", True, 1, 9)
    GLARE = ("glare", "glare on {}", True, 1, 9)
    EXPOSURE = ("exposure", "brightness of {} oscillates", False, 1, 1)
    # Faults of time and geometry.
    LATE_START = ("late_start", "late start of {}", False, 1, 1)
    LOST = ("lost", "lost {}", False, 1, 1)
    TRUNCATED = ("truncated", "recording cut off of {}", False, 1, 1)
    CLOCK_JUMP = ("clock_jump", "clock jump of {}", False, 1, 36)
    CLOCK_OFFSET = ("clock_offset", "clock of {} differs from the others", False, 1, 36)
    DUPLICATES = ("duplicates", "repeated pictures from {}", False, 1, 36)
    SWAPPED = ("swapped", "swapped {}", False, 1, 1)
    ROTATED = ("rotated", "rotated {}", True, 1, 1)
    UPSIDE_DOWN = ("upside_down", "upside-down {}", True, 1, 1)
