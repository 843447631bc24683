"""Open an off-screen OpenGL context; the error names the packages to install.

EGL only: no display, no window system. Works with Mesa's software driver and, faster, with a GPU.
"""

from typing import Any

from fsd.data.errors import SimulatorError

_INSTALL = (
    "Drawing needs the Python package `moderngl` (pip install 'fsd[sim]') and an EGL driver. "
    "Install it with `sudo apt-get install libegl1 libgl1-mesa-dri` (Debian, Ubuntu) or "
    "`sudo dnf install mesa-libEGL mesa-dri-drivers` (Fedora). Features that draw no images work without it."
)


def open_context() -> Any:
    """A moderngl context of OpenGL 3.3 without a window.

    Raises:
        SimulatorError: moderngl or an EGL driver is missing; names the packages.
    """
    try:
        import moderngl
    except ImportError as error:
        raise SimulatorError(f"The simulator cannot draw: moderngl is not installed. {_INSTALL}") from error
    last: Exception | None = None
    # Distributions without development packages have only the versioned names.
    choices: tuple[dict[str, str], ...] = (
        {},
        {"libgl": "libGL.so.1", "libegl": "libEGL.so.1"},
        {"libgl": "libEGL.so.1", "libegl": "libEGL.so.1"},
    )
    for libraries in choices:
        options: dict[str, Any] = {"require": 330, "backend": "egl", **libraries}
        try:
            return moderngl.create_standalone_context(**options)
        except Exception as error:  # glcontext raises bare Exception
            last = error
    raise SimulatorError(f"The simulator cannot draw: no off-screen OpenGL 3.3 ({last}). {_INSTALL}") from last
