"""The three compression ratios: pixels, tokens, memory."""

from collections.abc import Mapping
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
    """How much less data the network reads than the cameras of the reference rig deliver.

    Attributes:
        r_px: raw luma pixels of a tick over luma pixels into the network.
        r_tok: dense 32-pixel tokens of a tick over tokens attended to (retina, patches, memory).
        r_mem: raw YUV 4:2:0 bytes of the last 60 s over bytes of memory.
    """

    r_px: float
    r_tok: float
    r_mem: float


def recording_r_px(budget: Budget, sizes_px: Mapping[str, tuple[int, int]]) -> float:
    """R_px of one recording: the luma pixels of its own cameras over luma pixels into the network.

    A budget is the same for every recording: base images of absent cameras are part of it.

    Args:
        budget: of the compressor.
        sizes_px: camera -> width and height of its pictures; absent cameras are left out.
    """
    return sum(width * height for width, height in sizes_px.values()) / budget.pixels


def compression_ratios(budget: Budget, slot_tokens: int, slot_bytes: int) -> CompressionRatios:
    """The ratios of a budget for the reference rig.

    Args:
        budget: of the compressor.
        slot_tokens: tokens per memory slot.
        slot_bytes: bytes per memory slot, keys and values together.
    """
    tokens = len(CAMERAS) * RETINA_TOKENS + budget.patch_count + MEMORY_SLOTS * slot_tokens
    raw_bytes = Fraction(REFERENCE_PIXELS * 3, 2) * RATE_HZ * MEMORY_SPAN_S
    return CompressionRatios(
        r_px=budget.r_px,
        r_tok=REFERENCE_PIXELS / DENSE_TOKEN_PX**2 / tokens,
        r_mem=float(raw_bytes / (MEMORY_SLOTS * slot_bytes)),
    )
