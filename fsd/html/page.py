"""The layout of every page: one self-contained HTML file without network requests.

Pages pass data, and `Markup` made by this package; Jinja2 escapes everything else. Knows no feature.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fsd.data.files import write_text

NO_NETWORK = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Content security policy: the browser refuses every request of the page."""
VIDEO_BESIDE = "; media-src 'self'"
"""Lets a page play a video that lies beside it."""
OWN_IMAGES = "img-src 'self' data:"
"""In place of `img-src data:` for a page that is served, with its images."""

Tone = Literal["", "good", "bad"]


class Banner(NamedTuple):
    """A message at the top: `lead` in bold, `text` after it, `items` as a list under it."""

    lead: str
    text: str = ""
    items: Sequence[str] = ()
    tone: Tone = "bad"


@dataclass(frozen=True)
class Page:
    """The content of a page, from top to bottom.

    Attributes:
        command: that wrote the page, above the heading; facts: short texts below it.
        tiles: made by `parts.stat_tile`; sections: made by `parts.section`, empty ones are left out.
        footer: one line each.
        has_video: one of the sections plays a video beside the page.
        has_own_images: its server has images for it.
    """

    command: str
    heading: str
    facts: Sequence[str] = ()
    banners: Sequence[Banner] = ()
    tiles: Sequence[Markup] = ()
    sections: Sequence[Markup] = ()
    footer: Sequence[str] = ()
    has_video: bool = False
    has_own_images: bool = False

    def html(self) -> str:
        """The whole document."""
        folder = resources.files("fsd.html")
        style, script = (Markup((folder / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
        template = _environment().get_template("page.html")
        policy = NO_NETWORK + VIDEO_BESIDE * self.has_video
        if self.has_own_images:
            policy = policy.replace("img-src data:", OWN_IMAGES)
        return template.render(page=self, policy=policy, style=style, script=script)


def write_page(path: Path, page: Page) -> None:
    """Write a page in one step: a reader sees the old file or the new one, never a part."""
    write_text(path, page.html())


def is_page_of(command: str, path: Path) -> bool:
    """Whether a file is a page that this command has written."""
    try:
        with path.open("rb") as file:
            return f'<meta name="generator" content="{command}">'.encode() in file.read(2000)
    except OSError:
        return False


def render(macro: str, **values: object) -> Markup:
    """Call a macro of `templates/parts.html`."""
    return Markup(getattr(_environment().get_template("parts.html").module, macro)(**values))


def data_uri(picture: bytes, kind: Literal["jpeg", "png"]) -> str:
    """A picture as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fsd.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
