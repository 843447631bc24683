"""Numbers of things, as text."""


def counted(number: int, noun: str) -> str:
    """`1 camera`, `2 cameras`, `12,000 ticks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
