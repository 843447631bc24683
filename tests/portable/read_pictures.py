"""Read pictures by the compressor's kernels, and print digests that must not depend on the processor, as JSON."""

import hashlib
import json

import numpy as np
from numba.core.registry import cpu_target

from fsd.compression.budget import BUDGETS
from fsd.compression.byte_sums import instructions
from fsd.compression.picture_reader import PictureReader
from fsd.compression.residual_kernels import block_sums, residuals
from fsd.compression.sampling import ANALYSIS_COLUMNS, ANALYSIS_ROWS
from fsd.data.frames import Frame

WIDTH_PX, HEIGHT_PX = 1280, 960


def noise(rng: np.random.Generator, index: int) -> Frame:
    """White noise in planes whose rows are padded."""
    sizes = (HEIGHT_PX, WIDTH_PX), (HEIGHT_PX // 2, WIDTH_PX // 2), (HEIGHT_PX // 2, WIDTH_PX // 2)
    y, u, v = (rng.integers(0, 256, (height, width + 64), dtype=np.uint8)[:, :width] for height, width in sizes)
    return Frame(y, u, v, timestamp_ns=index, index=index)


def main() -> None:
    """Print one line."""
    rng, budget = np.random.default_rng(0), BUDGETS["B100"]
    reader = PictureReader(budget)
    analysis = np.zeros((8, ANALYSIS_ROWS, ANALYSIS_COLUMNS), np.uint8)
    retina = np.zeros((8, 6, budget.base_height_px // 2, budget.base_width_px // 2), np.uint8)
    patches = np.zeros((24, 6, 16, 16), np.uint8)
    reader.read([noise(rng, index) for index in range(8)], np.ones(8, bool), analysis, analysis.copy(), retina)
    reader.read_blocks(np.tile(np.array([7, 150, 299], np.int16), 8), np.arange(3, 25, 3), patches)
    sums, differences = (np.zeros((15, 20), np.uint16) for _ in range(2))
    block_sums(analysis[0], sums)
    residuals(analysis[0], analysis[1].copy(), 300, -500, differences)
    found = {"analysis": analysis, "retina": retina, "patches": patches, "sums": sums, "differences": differences}
    digests = {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in found.items()}
    print(json.dumps({"digests": digests, "instruction": instructions(cpu_target.target_context)[0]}))


if __name__ == "__main__":
    main()
