"""`Did you mean …?`: the known word that a mistyped one is nearest to."""

from collections.abc import Iterable

MIN_LIKENESS = 0.6
"""Of `difflib`: 1 is equal; a letter too many in a word of five is 0.9."""


def closest(word: str, known: Iterable[object]) -> str | None:
    """The known word that is most like this one, whatever its case; None if none is like it."""
    import difflib  # only where something is wrong

    by_lower = {str(each).lower(): str(each) for each in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=MIN_LIKENESS)
    if not found:  # the beginning of a long word
        found = [name for name in by_lower if len(word) > 2 and name.startswith(word.lower())]
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """`Did you mean rear? ` with the blank that separates it from the next sentence; empty if no word is like it."""
    found = closest(word, known)
    return "" if found is None else f"Did you mean {found}? "
