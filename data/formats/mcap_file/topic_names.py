"""Which camera a topic belongs to."""

import re

from fsd.data.camera_names import canonical_name


def camera_of_topic(topic: str) -> str | None:
    """The canonical camera that a topic names: in one of its parts, or in several that follow each other.

    More parts together win (`/front/left/image` is a left pillar camera, not the front one), then later ones.
    """
    parts = [_plain(part) for part in topic.split("/") if part]
    parts = [part for part in parts if part]
    for count in range(len(parts), 0, -1):
        for first in range(len(parts) - count, -1, -1):
            name = canonical_name("_".join(parts[first : first + count]))
            if name is not None:
                return name
    return None


def _plain(part: str) -> str:
    """Without the words that say that it is a camera."""
    return re.sub(r"^(camera|cam)$|[_\-](camera|cam)$", "", part.lower())
