"""Every error that a user can cause.

    FsdError
    ├── ClipError          a recording cannot be opened, decoded or written
    │   ├── RigError       rig.json is wrong: names the field, what came, what to do
    │   └── ClockError     timestamps that cannot be used
    ├── ModelError         a model file is wrong, or does not fit the rig or the compressor
    ├── SimulatorError     the simulator cannot run here (no OpenGL, no such scenario)
    ├── OutputError        results cannot be written
    └── UsageError         an option has a value that cannot be used

The command line prints the message without a traceback and exits with `exit_code`.
"""


class FsdError(Exception):
    """Base of all errors below; the message says what was expected, what came, and the mend."""

    exit_code = 1


class ClipError(FsdError):
    """A recording cannot be opened, decoded or written."""

    exit_code = 3


class RigError(ClipError):
    """`rig.json` (or a camera mapping given by hand) is wrong."""


class ClockError(ClipError):
    """Timestamps that cannot be used: missing, not rising, or not matching the video."""


class ModelError(FsdError):
    """A model file is wrong, or does not fit the rig or the compressor."""

    exit_code = 4


class SimulatorError(FsdError):
    """The simulator cannot run on this machine, or was asked for something it does not have."""

    exit_code = 5


class OutputError(FsdError):
    """Results cannot be written where they were asked for."""

    exit_code = 6


class UsageError(FsdError):
    """An option has a value that cannot be used."""

    exit_code = 2
