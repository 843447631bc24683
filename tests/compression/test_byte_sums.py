"""Sums of bytes are exact, by the processor's own instruction and without it."""

import numpy as np
import pytest
from numba import njit

from fsd.compression.byte_sums import LINE_WORDS, make_byte_sum
from fsd.compression.residual_kernels import block_sums, residuals


def planes(seed: int) -> list[np.ndarray]:
    """Noise, and all that is brightest, 24 rows of 192 pixels with other bytes behind every row."""
    rng = np.random.default_rng(seed)
    noise, bright = rng.integers(0, 256, (24, 205), dtype=np.uint8), np.full((24, 205), 255, np.uint8)
    return [noise[:, :192], bright[:, :192]]


def cells(plane: np.ndarray) -> np.ndarray:
    """(3, 24) sums of 8 x 8 pixels, as plainly as possible."""
    return plane.astype(np.int64).reshape(3, 8, 24, 8).sum(axis=(1, 3))


@pytest.mark.parametrize("is_portable", [False, True])
def test_bytes_of_one_image_are_added_up_exactly(is_portable: bool) -> None:
    add = make_byte_sum(1, is_portable)

    @njit
    def sums(words: np.ndarray, out: np.ndarray) -> None:
        for y in range(out.shape[0]):
            for x in range(0, out.shape[1], LINE_WORDS):
                add(words, np.uint64(8 * y), np.uint64(x), out, np.uint64(y))

    for plane in planes(2):
        out = np.zeros((3, 24), np.uint16)
        sums(plane.view(np.uint64), out)
        np.testing.assert_array_equal(out, cells(plane))


@pytest.mark.parametrize("is_portable", [False, True])
def test_differences_of_two_images_are_added_up_exactly(is_portable: bool) -> None:
    differ = make_byte_sum(2, is_portable)

    @njit
    def sums(words: np.ndarray, others: np.ndarray, out: np.ndarray) -> None:
        for y in range(out.shape[0]):
            for x in range(0, out.shape[1], LINE_WORDS):
                differ(words, others, np.uint64(8 * y), np.uint64(x), out, np.uint64(y))

    for one in planes(2):
        for other in (*planes(3), np.zeros((24, 192), np.uint8)):
            out = np.zeros((3, 24), np.uint16)
            sums(one.view(np.uint64), other.view(np.uint64), out)
            np.testing.assert_array_equal(out, cells(np.abs(one.astype(np.int16) - other)))


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
