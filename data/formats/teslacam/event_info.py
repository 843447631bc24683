"""What `event.json` says about a saved event. City and coordinates in it are never read."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fsd.data.errors import FsdError
from fsd.data.printable import printable
from fsd.data.text_files import read_json

_REASONS = {
    "user_interaction_honk": "saved with the horn",
    "user_interaction_dashcam_icon_tapped": "saved by hand",
    "user_interaction_dashcam_launcher_action_tapped": "saved by hand",
    "user_interaction_dashcam_multifunction_selected": "saved by hand",
    "sentry_aware_object_detection": "Sentry Mode: something came near",
}


@dataclass(frozen=True)
class EventInfo:
    """Why an event was saved, and when, in the car's local time; None where it is not said."""

    saved_at: datetime | None
    reason: str | None


def load_event_info(folder: Path) -> EventInfo | None:
    """`event.json` of an event folder; None where there is none that can be read (an encrypted one cannot)."""
    try:
        content = read_json(folder / "event.json")
    except FsdError:
        return None
    if not isinstance(content, dict):
        return None
    reason = content.get("reason")
    return EventInfo(_local_time(content.get("timestamp")), _reason_text(reason) if isinstance(reason, str) else None)


def _local_time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=None)
    except ValueError:
        return None


def _reason_text(reason: str) -> str:
    if reason in _REASONS:
        return _REASONS[reason]
    if reason.startswith("sentry_aware_accel"):
        return "Sentry Mode: the car was moved"
    return printable(" ".join(reason.replace("_", " ").split()))[:80]
