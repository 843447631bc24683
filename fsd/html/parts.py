"""The parts of a page: sections, tiles, tables, lists, pictures. Data in, `Markup` out.

Every text may be `str`, which is escaped, or `Markup` made by this package.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from fsd.html.page import Tone, render
from fsd.meters.quantity import Quantity

EMPTY = ("", "–")
"""Cells of a table without a value."""


class Zoom(NamedTuple):
    """A part of a picture as shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


class Picture(NamedTuple):
    """One picture of a gallery; `source` is a URI, see `page.data_uri`. The thumbnail shows `zoom` of it."""

    source: str
    alt: str
    caption: str
    zoom: Zoom | None = None


class Figure(NamedTuple):
    """A drawing and the text below it."""

    drawing: Markup
    caption: str


class LinkedPicture(NamedTuple):
    """A picture that leads elsewhere; `source` as of `Picture`, `link` relative to the page."""

    source: str
    alt: str
    caption: str
    link: str


class HeatCell(NamedTuple):
    """A heat picture `source`, laid over the picture `under` if there is one."""

    name: str
    source: str
    caption: str
    under: str = ""


def section(heading: str, *parts: Markup, intro: str = "") -> Markup:
    """A card with a heading."""
    return render("section", heading=heading, parts=joined(*parts), intro=intro)


def part(heading: str, *parts: Markup) -> Markup:
    """A titled part of a section."""
    return render("part", heading=heading, parts=joined(*parts))


def columns(*parts: Markup) -> Markup:
    """Parts side by side, below one another on a phone."""
    return render("columns", parts=joined(*parts))


def joined(*parts: Markup) -> Markup:
    """Parts below one another."""
    return Markup("\n").join(parts)


def caption(text: str) -> Markup:
    """A line of small text."""
    return render("caption", text=text)


def stat_tile(
    name: str, value: str | Sequence[tuple[str, str]], unit: str = "", note: str = "", tone: Tone = ""
) -> Markup:
    """One value on a card, or several (label, value) pairs."""
    values = [("", value)] if isinstance(value, str) else value
    return render("stat_tile", name=name, values=values, unit=unit, note=note, tone=tone)


def quantity_tile(name: str, quantity: Quantity, unit: str) -> Markup:
    """A quantity with its tag and source; nothing where it is unavailable, see `unavailable_text`."""
    value, note = quantity.value, f"{quantity.tag}: {quantity.source}"
    return Markup() if value is None else stat_tile(name, f"{value:.3g}", unit, note)


def unavailable_text(name: str, quantity: Quantity) -> list[str]:
    """Why a quantity has no tile; empty where it has one."""
    return [] if quantity.value is not None else [f"No {name}: {quantity.source}."]


def table(head: Sequence[str], rows: Sequence[Sequence[object]], groups: Sequence[tuple[str, int]] = ()) -> Markup:
    """A table; the first column names the row, all others are right-aligned. On a phone each row becomes a list.

    Columns without any value are left out.

    Args:
        groups: headings above the head, (name, columns that it spans) each; the first column of each is emphasised.
            With them, all columns stay.
    """
    if rows and not groups:
        kept = [place for place in range(len(head)) if not place or any(row[place] not in EMPTY for row in rows)]
        head, rows = [head[place] for place in kept], [[row[place] for place in kept] for row in rows]
    starts = [sum(span for _, span in groups[:index]) for index in range(1, len(groups))]
    group_of = [name for name, span in groups for _ in range(span)]
    labels = [f"{group}: {text}" if group and text else text for group, text in zip(group_of, head, strict=False)]
    return render("table", head=head, rows=rows, groups=groups, leads=starts, labels=labels or head)


def described(rows: Sequence[tuple[str, object]]) -> Markup:
    """A list of (term, description)."""
    return render("described", rows=rows)


def bullets(items: Sequence[str], is_note: bool = False) -> Markup:
    """A list, in small print if `is_note`; nothing without items."""
    return render("bullets", items=items, css="notes" if is_note else "") if items else Markup()


def fold(heading: str, *parts: Markup) -> Markup:
    """Parts that show when the heading is selected."""
    return render("fold", heading=heading, parts=joined(*parts))


def with_unit(value: str, unit: str) -> Markup:
    """A value and, in small print, its unit."""
    return Markup("{} <small>{}</small>").format(value, unit)


def toned(text: str, tone: Tone, tip: str = "") -> Markup:
    """A short coloured text; `tip` shows under the pointer."""
    return render("span", text=text, css=f"tone {tone}", tip=tip)


def prose(text: str) -> Markup:
    """A table cell of text, which may wrap."""
    return Markup('<span class="prose">{}</span>').format(text)


def picture(source: str, alt: str) -> Markup:
    """A picture as wide as its section."""
    return render("picture", source=source, alt=alt)


def gallery(pictures: Sequence[Picture]) -> Markup:
    """Numbered pictures that open to full size without any script; one gallery per page."""
    return render("gallery", pictures=pictures)


def linked_pictures(pictures: Sequence[LinkedPicture]) -> Markup:
    """Small numbered pictures, each of which leads to another page."""
    return render("linked_pictures", pictures=pictures)


def gallery_link(number: int) -> str:
    """Address of a picture of the gallery, counted from 1."""
    return f"#gallery-{number}"


def heats(cells: Sequence[HeatCell]) -> Markup:
    """Heat pictures in a grid."""
    return render("heats", cells=cells)


def figures(shown: Sequence[Figure]) -> Markup:
    """Small drawings in a grid."""
    return render("figures", figures=shown)


def video_figures(videos: Sequence[tuple[str, str]]) -> Markup:
    """Videos that lie beside the page: (file, text) each."""
    return render("video_figures", videos=videos)
