"""One figure of a report together with how it is known: measured, modelled, or unavailable.

A modelled figure carries the word wherever it is printed; an unavailable one carries the reason. There is no
fourth way.
"""

from dataclasses import dataclass
from typing import Any, Literal

Tag = Literal["measured", "modelled", "unavailable"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit, its tag, and where it comes from.

    Attributes:
        value: None if and only if the tag is `unavailable`.
        source: the meter, the model and its assumptions, or why there is no figure.
        low, high: of a modelled figure, the range that its assumptions leave open.
    """

    value: float | None
    unit: str
    tag: Tag
    source: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.tag == "unavailable"):
            raise ValueError(f"A figure without a value is unavailable and the other way round, got {self}.")
        if not self.source:
            raise ValueError("A figure names its source, or why there is none.")
        if self.tag != "modelled" and (self.low is not None or self.high is not None):
            raise ValueError("Only a modelled figure has a range of assumptions.")

    def __str__(self) -> str:
        if self.value is None:
            return f"unavailable ({self.source})"
        if self.low is not None and self.high is not None:
            return f"{self.low:.3g} to {self.high:.3g} {self.unit} (modelled: {self.source})"
        return f"{self.value:.3g} {self.unit} ({self.tag}: {self.source})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the range only where there is one."""
        fields: dict[str, Any] = {"value": self.value, "unit": self.unit, "tag": self.tag, "source": self.source}
        if self.low is not None:
            fields |= {"low": self.low, "high": self.high}
        return fields


def measured(value: float, unit: str, source: str) -> Figure:
    """A figure that a meter of this run gave."""
    return Figure(value, unit, "measured", source)


def modelled(low: float, high: float, unit: str, source: str) -> Figure:
    """A figure from the device model; its value is the high end, which is what a budget is held against."""
    return Figure(high, unit, "modelled", source, low, high)


def unavailable(unit: str, why: str) -> Figure:
    """No figure, and why."""
    return Figure(None, unit, "unavailable", why)
