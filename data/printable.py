"""Text out of files (names, tags, metadata) made fit to be shown: it must not control a terminal, nor break a file."""

import re

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab, line feed and carriage return; marks that turn the direction; bytes of a file name that
are no text."""


def printable(text: str) -> str:
    """The text with every control character written as its escape, such as `\\x1b`."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
