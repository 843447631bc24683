"""The frame of every page: one file with its style, its script and its pictures inside; it asks no network.

Knows nothing of replays. Text from outside goes through `text`, which makes it harmless.
"""

import base64
import html
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from fsd.data.files import write_text

NO_NETWORK = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Content security policy: even a page that somebody tampered with cannot fetch anything."""


def text(value: object) -> str:
    """Any value as text that is safe inside HTML, in attributes too."""
    return html.escape(str(value), quote=True)


def page(title: str, body: str) -> str:
    """A whole HTML document around `body`, which must be HTML already."""
    folder = resources.files("fsd.html")
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{NO_NETWORK}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def write_page(path: Path, content: str) -> None:
    """Write a page in one step: a reader sees the old one or the new one, never half."""
    write_text(path, content)


def data_uri(picture: bytes, kind: str) -> str:
    """A picture as the address that holds it; `kind` is `jpeg` or `png`."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def section(heading: str, *parts: str, intro: str = "") -> str:
    """A card with a heading; empty parts are left out."""
    lead = f"<p class='intro'>{intro}</p>" if intro else ""
    return f"<section><h2>{text(heading)}</h2>{lead}{''.join(parts)}</section>"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[tuple[str, int]] = (),
    name: str = "",
) -> str:
    """A table whose cells are HTML already; all columns but the first are right-aligned.

    `groups` are headings over the head: (words, columns that it spans) each. `name` is a class of the style sheet.
    """

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}{' class=num' if column else ''}>{cell}</{tag}>" for column, cell in enumerate(row))

    over = "".join(f"<th colspan={span}>{text(words)}</th>" for words, span in groups)
    over = f"<tr class=over-head>{over}</tr>" if over else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f"<div class=scroll><table class='{name}'><thead>{over}<tr>{cells(head, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
