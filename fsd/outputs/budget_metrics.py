"""What a budget costs and saves, as every summary states it."""

from typing import Any

from fsd.compression.budget import Budget
from fsd.compression.ratios import compression_ratios
from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS

SLOT_BYTES = 2 * 4 * SLOT_TOKENS * KEY_SIZE
"""Keys and values of every token of a memory slot, float32."""


def budget_figures(budget: Budget) -> dict[str, Any]:
    """Name, pixels and bytes a tick, and the three ratios with what they are measured against."""
    ratios = compression_ratios(budget, SLOT_TOKENS, SLOT_BYTES)
    return {
        "budget": budget.name,
        "pixels_a_tick": budget.pixels,
        "bytes_a_tick": budget.input_bytes,
        "r_px": round(ratios.r_px, 2),
        "r_tok": round(ratios.r_tok, 2),
        "r_mem_60s": round(ratios.r_mem),
        "reference": "8 x 1280x960 YUV 4:2:0 at 36 Hz",
    }
