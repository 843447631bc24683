"""Size of a budget and its compression ratios, the same in every summary."""

from collections.abc import Mapping

import msgspec

from fsd.compression.budget import Budget
from fsd.compression.ratios import compression_ratios, recording_r_px
from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS

SLOT_BYTES = 2 * 4 * SLOT_TOKENS * KEY_SIZE
"""Keys and values of every token of a memory slot, float32."""


class BudgetMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """A budget.

    Attributes:
        pixels_per_tick, bytes_per_tick: into the network.
        r_px, r_tok, r_mem_60s: compression ratios, see docs/metrics.md; reference: what they are measured against.
        r_px_of_this_recording: R_px against the recording's own cameras and sizes; None without a recording.
    """

    budget: str
    pixels_per_tick: int
    bytes_per_tick: int
    r_px: float
    r_tok: float
    r_mem_60s: int
    reference: str
    r_px_of_this_recording: float | None = None


def budget_metrics(budget: Budget, sizes_px: Mapping[str, tuple[int, int]] | None = None) -> BudgetMetrics:
    """Work them out; `sizes_px` (camera -> width and height) are the recording's."""
    ratios = compression_ratios(budget, SLOT_TOKENS, SLOT_BYTES)
    return BudgetMetrics(
        budget=budget.name,
        pixels_per_tick=budget.pixels,
        bytes_per_tick=budget.input_bytes,
        r_px=round(ratios.r_px, 2),
        r_tok=round(ratios.r_tok, 2),
        r_mem_60s=round(ratios.r_mem),
        reference="8 x 1280x960 YUV 4:2:0 at 36 Hz",
        r_px_of_this_recording=None if sizes_px is None else round(recording_r_px(budget, sizes_px), 2),
    )
