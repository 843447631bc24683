"""Run a model once and save its outputs: `python one_tick.py MODEL INPUTS.npz RESULT.npz`. Prints one line of JSON."""

import json
import sys
from pathlib import Path

import numpy as np

from fsd.meters.machine import describe_machine
from fsd.networks.onnx_session import open_session


def main(model: Path, inputs: Path, result: Path) -> None:
    """Save every output by name."""
    session = open_session(model)
    names = [each.name for each in session.get_outputs()]
    np.savez(result, **dict(zip(names, session.run(None, dict(np.load(inputs))), strict=True)))
    print(json.dumps({"integer_sums": describe_machine().integer_sums}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
