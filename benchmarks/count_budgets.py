"""Count the network's cost for each budget profile and write fsd/profile/energy/budget_costs.json.

Needs PyTorch and the exporter. It counts and does not measure; run it again when the sizes of the network change.
"""

import json
import sys
from pathlib import Path

import numpy as np

from fsd.compression.budget import ALL_BUDGETS, Budget
from fsd.data.files import write_text
from fsd.export.onnx_export import export_onnx, serialise
from fsd.networks.contract import input_shapes
from fsd.networks.model import DrivingNetwork
from fsd.networks.network_cost import CONVOLUTIONS
from fsd.networks.weights import standard_config
from fsd.profile.energy import budget_costs
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import shapes_run

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from _report import finish

LAYERS = {*CONVOLUTIONS, "Gemm", "FusedGemm"}
"""Operators with weights, which are quantized to 8 bits; matrix products of two activations stay in float."""


def count(budget: Budget) -> dict[str, int]:
    """Cost of one tick, from the float graph; 8-bit operands have a quarter of its bytes."""
    model = serialise(export_onnx(DrivingNetwork(standard_config(budget))))
    feeds = {name: np.zeros(shape, dtype) for name, (shape, dtype) in input_shapes(budget).items()}
    cost = count_cost(budget.name, shapes_run(model, feeds, pad_channels=False))
    layers = [each for each in cost.operators if each.kind in LAYERS]
    others = [each for each in cost.operators if each.kind not in LAYERS]
    return {
        "int8_macs": sum(each.macs for each in layers),
        "float_macs": sum(each.macs for each in others),
        "int8_bytes": sum(each.bytes for each in layers) // 4,
        "float_bytes": sum(each.bytes for each in others),
        "operators": len(cost.operators),
    }


def main() -> None:
    """Write the table."""
    table = {budget.name: count(budget) for budget in sorted(ALL_BUDGETS.values(), key=lambda budget: -budget.pixels)}
    write_text(Path(budget_costs.__file__).with_suffix(".json"), json.dumps(table, indent=2) + "\n")
    metrics = {f"{name}_mmacs": round((row["int8_macs"] + row["float_macs"]) / 1e6, 1) for name, row in table.items()}
    finish("count_budgets", metrics, 1, "float graphs of all budget profiles")


if __name__ == "__main__":
    main()
