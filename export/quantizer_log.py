"""Keep the notes of ONNX Runtime's quantizers off the terminal: they go to the root logger."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Suppress notes and warnings inside the block; errors are raised."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
