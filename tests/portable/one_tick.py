"""Compute the tick that is stored in a model file, and print what must not depend on the processor, as JSON.

    python one_tick.py MODEL [INTEGER_MODEL]

INTEGER_MODEL is the same network with outputs that only integer sums lead to; their bytes are compared by digest.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from fsd.networks import stored_tick
from fsd.networks.model_metadata import from_properties
from fsd.networks.onnx_session import integer_sums_are_exact, open_session


def main(model: Path, integer_model: Path | None) -> None:
    """Print one line."""
    session = open_session(model)
    metadata = from_properties(session.get_modelmeta().custom_metadata_map, str(model))
    feeds = stored_tick.feeds(session, metadata, str(model))
    assert feeds is not None, f"{model} has no stored tick"
    outputs = dict(zip([each.name for each in session.get_outputs()], session.run(None, feeds), strict=True))
    result = {
        "sums_are_exact": integer_sums_are_exact(),
        "trajectory": outputs["trajectory"].astype(float).round(7).tolist(),
        "memory_difference": stored_tick.difference(session, metadata, str(model)),
    }
    if integer_model is not None:
        integers = open_session(integer_model)
        read = {each.name for each in integers.get_inputs()}
        tensors = integers.run(None, {name: value for name, value in feeds.items() if name in read})
        result["integers"] = {
            each.name: hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
            for each, tensor in zip(integers.get_outputs(), tensors, strict=True)
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
