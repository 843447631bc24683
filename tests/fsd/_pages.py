"""What every page must be: whole HTML, self-contained, silent towards the network."""

import re
from html.parser import HTMLParser
from pathlib import Path

VIDEO = re.compile(r"videos/[-\w]+\.mp4")
"""The only files beside a page that it may show."""
VOID = {"meta", "link", "img", "br", "input"}


class Outline(HTMLParser):
    """Collects the text, the addresses and the tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.mismatches: list[str] = []

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mismatches.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {*self.open}:
            self.words.append(data)
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    return parser


def checked(path: Path) -> Outline:
    """The outline of a page, after checking what every page must be."""
    html = path.read_text(encoding="utf-8")
    found = outline(html)
    assert found.mismatches == []
    assert found.open == []
    assert "default-src &#39;none&#39;" in html
    assert all(address.startswith(("data:", "#")) or VIDEO.fullmatch(address) for address in found.addresses)
    assert not re.search(r"url\(\s*['\"]?(?!data:)|@import|https?://", html)
    assert not re.search(r"(?<![a-z])nan(?![a-z])", re.sub(r'base64,[^"]*', "", html))
    return found
