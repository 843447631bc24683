"""A number of a report with its origin: measured, modelled, or unavailable with the reason."""

from typing import Literal

import msgspec

Tag = Literal["measured", "modelled", "unavailable"]


class Quantity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number with its unit, its tag, and where it comes from.

    Attributes:
        value: None if and only if the tag is `unavailable`.
        source: the meter, the model, or why there is no number.
        low, high: range of a modelled number.
    """

    value: float | None
    unit: str
    tag: Tag
    source: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.tag == "unavailable"):
            raise ValueError(f"A quantity must have a value or be unavailable, and not both; got {self!r}.")
        if not self.source:
            raise ValueError("A quantity must name its source, or the reason why it has none.")
        if self.tag != "modelled" and (self.low is not None or self.high is not None):
            raise ValueError("Only a modelled quantity has a range.")

    def __str__(self) -> str:
        if self.value is None:
            return f"unavailable ({self.source})"
        if self.low is not None and self.high is not None:
            return f"{self.low:.3g} to {self.high:.3g} {self.unit} (modelled: {self.source})"
        return f"{self.value:.3g} {self.unit} ({self.tag}: {self.source})"


def measured(value: float, unit: str, source: str) -> Quantity:
    """A quantity that a meter measured in this run."""
    return Quantity(value, unit, "measured", source)


def modelled(low: float, high: float, unit: str, source: str) -> Quantity:
    """A quantity of the device model; its value is the high end, which budgets are compared with."""
    return Quantity(high, unit, "modelled", source, low, high)


def unavailable(unit: str, why: str) -> Quantity:
    """No value, and why."""
    return Quantity(None, unit, "unavailable", why)
