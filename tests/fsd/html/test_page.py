from pathlib import Path

import numpy as np
from markupsafe import Markup

from fsd.html.bars import bars, strips
from fsd.html.charts import Series, line_chart
from fsd.html.page import Banner, Page, write_page
from fsd.html.parts import (
    Picture,
    bullets,
    columns,
    described,
    gallery,
    gallery_link,
    part,
    quantity_tile,
    section,
    stat_tile,
    table,
    unavailable_text,
)
from fsd.meters.quantity import unavailable
from tests.fsd._pages import checked

HOSTILE = "<script>alert('x')</script>"


def test_a_page_shows_everything_it_was_given(tmp_path: Path) -> None:
    page = Page(
        command="fsd test",
        heading="drive",
        facts=["8 cameras"],
        banners=[Banner("Stopped.", "disk full", ["first", "second"])],
        tiles=[stat_tile("latency", "5.1", "ms"), stat_tile("ratios", [("A", "1"), ("B", "2")])],
        sections=[section("Table", table(["", "a"], [["row", 7]])), Markup(), section("List", bullets(["item"]))],
        footer=["fsd 1.0"],
    )
    write_page(tmp_path / "page.html", page)
    found = checked(tmp_path / "page.html")
    assert found.headings == ["Table", "List"]
    for words in ("fsd test", "drive", "8 cameras", "disk full", "second", "5.1", "ms", "row", "7", "item", "fsd 1.0"):
        assert words in found.words or words in found.text
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_text_from_outside_stays_text_wherever_it_is_put(tmp_path: Path) -> None:
    parts = [
        part(HOSTILE, table([HOSTILE], [[HOSTILE]], groups=[(HOSTILE, 1)])),
        described([(HOSTILE, HOSTILE)]),
        bullets([HOSTILE], is_note=True),
        gallery([Picture("data:,", f'"{HOSTILE}', HOSTILE)]),
    ]
    page = Page(
        command=HOSTILE,
        heading=HOSTILE,
        facts=[HOSTILE],
        banners=[Banner(HOSTILE, HOSTILE, [HOSTILE])],
        tiles=[stat_tile(HOSTILE, [(HOSTILE, HOSTILE)], HOSTILE, HOSTILE)],
        sections=[section(HOSTILE, columns(*parts), intro=HOSTILE)],
        footer=[HOSTILE],
    )
    write_page(tmp_path / "page.html", page)
    assert checked(tmp_path / "page.html").text.count(HOSTILE) == 24
    assert "<script>alert" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_pictures_of_a_gallery_lead_to_their_neighbours_and_round() -> None:
    html = gallery([Picture("data:,", "", str(number)) for number in range(3)])
    turns = [line.split('href="')[1].split('"')[0] for line in html.splitlines() if 'class="turn"' in line]
    assert turns == [gallery_link(number) for number in (3, 2, 1, 3, 2, 1)]


def test_on_a_phone_every_cell_of_a_table_knows_its_column() -> None:
    html = table(["", "a", "b"], [["row", 1, 2]], groups=[("", 1), ("plain", 2)])
    assert 'data-head="plain: a"><span>1<' in html
    assert 'data-head="plain: b"><span>2<' in html


def test_a_chart_without_a_value_is_a_word() -> None:
    assert "<svg" not in line_chart(np.arange(3), [Series("speed", "ink", np.full(3, np.nan))], "m")
    assert 'class="bars"' not in bars([("a", 0.0, "0")], "blue")
    assert "<img" not in strips([("a", np.zeros(3))], (1, 2, 3), 1.0)


def test_an_unavailable_quantity_has_no_tile_but_a_reason() -> None:
    quantity = unavailable("J", "no meter")
    assert quantity_tile("energy", quantity, "J") == ""
    assert unavailable_text("energy", quantity) == ["No energy: no meter."]


def test_a_column_without_a_value_is_left_out() -> None:
    html = table(["", "a", "b", "c"], [["one", "", "2", "–"], ["two", "–", "", ""]])
    assert 'data-head="b"' in html
    assert 'data-head="a"' not in html
    assert 'data-head="c"' not in html


def test_what_stands_between_backticks_is_code_and_escaped() -> None:
    assert "<li>see <code>fsd &lt;x&gt;</code></li>" in bullets(["see `fsd <x>`"])
