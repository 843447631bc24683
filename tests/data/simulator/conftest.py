"""One renderer for all tests that draw; they skip, saying why, where EGL does not work."""

from typing import Any

import pytest

from fsd.data.errors import SimulatorError
from fsd.data.standard_rigs import canonical_rig


@pytest.fixture(scope="session")
def renderer() -> Any:
    """A small, fast renderer of 160x120."""
    from fsd.data.simulator.rendering.renderer import Renderer

    try:
        return Renderer(canonical_rig(160, 120))
    except SimulatorError as error:
        pytest.skip(f"no off-screen OpenGL: {error}")
