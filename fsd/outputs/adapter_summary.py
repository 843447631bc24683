"""What `fsd adapter init --json` and `fsd adapter check --json` print; a check also writes it as `summary.json`."""

from typing import Literal

import msgspec

from fsd.outputs.run_info import ClipInfo, ModelInfo
from fsd.outputs.summary_file import Summary


class AdapterGuess(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a first adapter: what it is set to, how sure that is, and why. TODO is for the user to decide."""

    field: str
    value: str
    certainty: Literal["sure", "likely", "unsure", "TODO"]
    reason: str


class AdapterInitSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="adapter init"):
    """A first adapter.

    Attributes:
        adapter: the file that was written; models: what it is for.
        ready: names of the ready adapters that fit as well.
        undecided: fields that hold TODO; the adapter is refused until they have a value.
    """

    schema_version: int = 1
    adapter: str
    models: tuple[str, ...]
    guesses: tuple[AdapterGuess, ...]
    ready: tuple[str, ...]
    undecided: tuple[str, ...]


class TensorRange(msgspec.Struct, frozen=True, kw_only=True):
    """Values of an input or output over all steps of the model.

    Attributes:
        kind: `image`, `state`, `output`, or `other` for an input that is none of the first two.
        lowest, highest: of the finite values; None if there are none.
        changes: whether any number differs between two steps; not_finite: steps with a NaN or infinite number.
    """

    name: str
    kind: Literal["image", "state", "other", "output"]
    shape: tuple[int, ...]
    dtype: str
    lowest: float | None
    highest: float | None
    mean: float | None
    changes: bool
    not_finite: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something suspicious: `code` for programs, `place` the tensor or field, `text` what it is and what to try."""

    code: str
    place: str
    text: str


class AdapterCheckSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="adapter check"):
    """One check of an adapter on one recording.

    Attributes:
        ticks: that were run; picture_tick: of these, the one that the pictures show.
        warnings: of the inputs, such as an assumed calibration.
        suspicious: everything that was found; empty if nothing was.
        yaw_rate_correlation: of curvature times speed of the plans with the recorded yaw rate; None where the recording
            has none, or no turn.
        speed_ratio: median speed of the plans over the recorded one; None where the recording has none, or stands.
    """

    schema_version: int = 1
    clip: ClipInfo
    model: ModelInfo
    adapter: str
    ticks: int
    picture_tick: int
    warnings: tuple[str, ...]
    suspicious: tuple[Finding, ...]
    tensors: tuple[TensorRange, ...]
    yaw_rate_correlation: float | None
    speed_ratio: float | None
