"""The layout of every page: one self-contained HTML file without network requests.

Pages pass data, and `Markup` made by this package; Jinja2 escapes everything else. Knows no feature.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fsd.data.files import write_text

NO_NETWORK = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Content security policy: the browser refuses every request of the page."""
MEDIA = {"": "", "inside": "; media-src data:", "beside": "; media-src 'self'"}
"""Lets a page play videos that are part of it, or that lie beside it."""
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
        left_out: what has no tile or section, and why, one sentence each.
        footer: one line each.
        videos: where the videos are that sections play, of `MEDIA`.
        has_own_images: its server has images for it.
    """

    command: str
    heading: str
    facts: Sequence[str] = ()
    banners: Sequence[Banner] = ()
    tiles: Sequence[Markup] = ()
    sections: Sequence[Markup] = ()
    footer: Sequence[str] = ()
    left_out: Sequence[str] = ()
    videos: Literal["", "inside", "beside"] = ""
    has_own_images: bool = False

    def html(self) -> str:
        """The whole document."""
        folder = resources.files("fsd.html")
        style, script = (Markup((folder / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
        template = _environment().get_template("page.html")
        policy = NO_NETWORK + MEDIA[self.videos]
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


def data_uri(content: bytes, kind: Literal["jpeg", "png", "mp4"]) -> str:
    """A picture or a video as a data URI."""
    return f"data:{'video' if kind == 'mp4' else 'image'}/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fsd.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _with_code
    return environment


def _with_code(text: str) -> Markup:
    """A text with what stands between backticks as code; the rest is escaped."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))
