"""Sums of bytes are exact, by the processor's own instruction and without it."""

from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from numba.core.registry import cpu_target

from fsd.compression.byte_sums import instructions, make_byte_sum
from fsd.compression.residual_kernels import block_sums, residuals


def planes(seed: int) -> list[np.ndarray]:
    """Noise, and all that is brightest, 24 rows of 192 pixels with other bytes behind every row."""
    rng = np.random.default_rng(seed)
    noise, bright = rng.integers(0, 256, (24, 205), dtype=np.uint8), np.full((24, 205), 255, np.uint8)
    return [noise[:, :192], bright[:, :192]]


def cells(plane: np.ndarray) -> np.ndarray:
    """(3, 24) sums of 8 x 8 pixels, as plainly as possible."""
    return plane.astype(np.int64).reshape(3, 8, 24, 8).sum(axis=(1, 3))


WORDS = 24
INSTRUCTIONS = instructions(cpu_target.target_context, WORDS)
"""All that this processor has for it, and general ones."""


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_bytes_of_one_image_are_added_up_exactly(instruction: str) -> None:
    add = make_byte_sum(1, WORDS, instruction)

    @njit
    def sums(plane: np.ndarray, out: np.ndarray) -> None:
        for y in range(out.shape[0]):
            add(plane, np.uint64(y), out)

    for plane in planes(2):
        out = np.zeros((3, 24), np.uint16)
        sums(plane, out)
        np.testing.assert_array_equal(out, cells(plane))


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_differences_of_two_images_are_added_up_exactly(instruction: str) -> None:
    differ = make_byte_sum(2, WORDS, instruction)

    @njit
    def sums(plane: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
        for y in range(out.shape[0]):
            differ(plane, other, np.uint64(y), out)

    for one in planes(2):
        for other in (*planes(3), np.zeros((24, 192), np.uint8)):
            out = np.zeros((3, 24), np.uint16)
            sums(one, other, out)
            np.testing.assert_array_equal(out, cells(np.abs(one.astype(np.int16) - other)))


@pytest.mark.parametrize(
    ("triple", "features", "words", "expected"),
    [
        ("x86_64-unknown-linux-gnu", "+avx512bw,+avx2,+sse2", 160, ["avx512bw", "avx2", "sse2", "any"]),
        ("x86_64-unknown-linux-gnu", "+avx512bw,+avx2,+sse2", 20, ["avx2", "sse2", "any"]),
        ("x86_64-unknown-linux-gnu", "-avx512bw,-avx2", 160, ["sse2", "any"]),
        ("aarch64-unknown-linux-gnu", "", 160, ["neon", "any"]),
        ("riscv64-unknown-linux-gnu", "", 160, ["any"]),
    ],
)
def test_the_widest_instruction_that_divides_the_words_is_first(
    triple: str, features: str, words: int, expected: list[str]
) -> None:
    context = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: (triple, "", features)))
    assert instructions(context, words) == expected


def test_residuals_are_those_of_the_corrected_reference_whatever_gain_and_offset() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        image, warped = (rng.integers(0, 256, (120, 160), dtype=np.uint8) for _ in range(2))
        gain, offset = int(rng.integers(64, 1025)), int(rng.integers(-65_280, 65_281))
        corrected = np.clip((warped.astype(np.int64) * gain + offset + 128) >> 8, 0, 255)
        expected = np.abs(image - corrected).reshape(15, 8, 20, 8).sum(axis=(1, 3))
        out = np.zeros((15, 20), np.uint16)
        residuals(image, warped.copy(), gain, offset, out)
        np.testing.assert_array_equal(out, expected)
        block_sums(image, out)
        np.testing.assert_array_equal(out, image.astype(np.int64).reshape(15, 8, 20, 8).sum(axis=(1, 3)))
