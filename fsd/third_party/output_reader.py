"""Read numbers out of a model's flattened outputs, and notice those that are not finite.

Only what is read is tested: an output may hold anything in elements that the adapter does not name.
"""

from collections.abc import Mapping

import numpy as np

from fsd.third_party.output_fields import LateralOffset, Place, Scalar, Steering, Waypoints

Number = Scalar | Steering | LateralOffset

_SAME = Place()


class OutputReader:
    """One step's outputs under one route command.

    Attributes:
        not_finite: the first output of which a number was read that is not finite; empty if there was none.
    """

    def __init__(self, outputs: Mapping[str, np.ndarray], command: str = "none") -> None:
        self._outputs, self.command = outputs, command
        self.not_finite = ""

    def part(self, name: str, start: int = 0, size: int | None = None, stride: int = 1) -> np.ndarray:
        """`size` numbers of an output from `start` on, every `stride`-th, (size,) float64; all of them if None."""
        flat = self._outputs[name].reshape(-1)
        end = len(flat) if size is None else start + (size - 1) * stride + 1
        values = flat[start:end:stride].astype(np.float64)
        if not self.not_finite and not np.isfinite(values).all():
            self.not_finite = name
        return values

    def number(self, field: Number) -> float:
        """The value of a field, after its scale and offset."""
        start = field.by_command.get(self.command, _SAME).start
        value = self.part(output_of(field, self.command), field.index if start is None else start, 1)[0]
        return float(value) * field.scale + field.offset


def output_of(field: Number | Waypoints, command: str) -> str:
    """The output that a field is read from under a route command."""
    return field.by_command.get(command, _SAME).name or field.name
