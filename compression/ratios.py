"""The three compression ratios: pixels, tokens, memory."""

from dataclasses import dataclass
from fractions import Fraction

from fsd.compression.budget import REFERENCE_PIXELS, Budget
from fsd.compression.tick import MEMORY_SLOTS, RETINA_TOKENS
from fsd.data.frames import CAMERAS, RATE_HZ

DENSE_TOKEN_PX = 32
"""Edge of a token of a dense network on the raw pictures: one token per 32 x 32 pixels."""

MEMORY_SPAN_S = 60
"""R_mem compares the memory with the raw bytes of the last minute."""


@dataclass(frozen=True)
class CompressionRatios:
    """How much less data the network reads than the cameras deliver.

    Attributes:
        r_px: raw luma pixels of a tick over luma pixels into the network.
        r_tok: dense 32-pixel tokens of a tick over tokens attended to (retina, patches, memory).
        r_mem: raw YUV 4:2:0 bytes of the last 60 s over bytes of memory.
    """

    r_px: float
    r_tok: float
    r_mem: float


def compression_ratios(
    budget: Budget, slot_tokens: int, slot_bytes: int, raw_pixels: int = REFERENCE_PIXELS
) -> CompressionRatios:
    """The ratios of a budget.

    Args:
        budget: of the compressor.
        slot_tokens: tokens per memory slot.
        slot_bytes: bytes per memory slot, keys and values together.
        raw_pixels: luma pixels of all cameras in one tick; the reference rig's if not given.
    """
    tokens = len(CAMERAS) * RETINA_TOKENS + budget.patch_count + MEMORY_SLOTS * slot_tokens
    raw_bytes = Fraction(raw_pixels * 3, 2) * RATE_HZ * MEMORY_SPAN_S
    return CompressionRatios(
        r_px=raw_pixels / budget.pixels,
        r_tok=raw_pixels / DENSE_TOKEN_PX**2 / tokens,
        r_mem=float(raw_bytes / (MEMORY_SLOTS * slot_bytes)),
    )
