"""Choose bit rate and size of a video so that its file stays under a limit. Numbers only; encodes nothing."""

from dataclasses import dataclass

from fsd.data.frames import RATE_HZ

MEGABYTE = 1_000_000
HEIGHTS_PX = (1440, 1080, 720, 540, 360, 270, 180)
GOOD_BITS_PER_PIXEL = 0.03
"""With fewer bits per pixel, an overlay encoded smaller looks better than one of full size."""
LEAST_BYTES_PER_IMAGE = 150
"""At 320x180; x264 at its coarsest took 60 to 100 on recorded and simulated drives, and the index takes up to 48."""
INDEX_BYTES, INDEX_BYTES_PER_IMAGE = 4096, 48


@dataclass(frozen=True)
class Encoding:
    """Size of the encoded images; bits per second, and the decoder's buffer in bits, None without a limit."""

    width_px: int
    height_px: int
    bit_rate: int | None = None
    buffer_bits: int | None = None


def least_megabytes(images: int) -> float:
    """The smallest limit that a video of so many images can keep, whatever it shows; rounded up to 0.01 MB."""
    return -(-(INDEX_BYTES + images * LEAST_BYTES_PER_IMAGE) // 10_000) / 100


def encoding_for(max_bytes: float, images: int, width_px: int, height_px: int) -> Encoding:
    """The encoding of `images` images of a size that keeps the limit; smaller where the limit leaves few bits."""
    duration_s = float(max(images, 1) / RATE_HZ)
    buffer_s = min(1.0, duration_s / 4)
    bits = 8 * max(max_bytes - INDEX_BYTES - images * INDEX_BYTES_PER_IMAGE, images)
    bit_rate = bits / (duration_s + buffer_s)
    width, height = width_px, height_px
    for smaller in (height_px, *(each for each in HEIGHTS_PX if each < height_px)):
        width, height = 2 * round(width_px * smaller / height_px / 2), smaller
        if bit_rate >= GOOD_BITS_PER_PIXEL * width * height * float(RATE_HZ):
            break
    return Encoding(width, height, max(1000, round(bit_rate)), max(1000, round(bit_rate * buffer_s)))
