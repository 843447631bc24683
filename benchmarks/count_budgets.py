"""Count what the driving network costs for each budget profile, and write fsd/profile/budget_costs.json.

Needs PyTorch and the exporter. Counts, measures nothing: run it again whenever the network's sizes change.
"""

import json
from pathlib import Path

import numpy as np

import fsd.profile
from fsd.compression.budget import BUDGETS, Budget
from fsd.data.files import write_text
from fsd.export.onnx_export import export_onnx, serialise
from fsd.networks.config import NetworkConfig
from fsd.networks.contract import input_shapes
from fsd.networks.model import DrivingNetwork
from fsd.networks.network_cost import CONVOLUTIONS
from fsd.profile.operators.operator_times import count_cost
from fsd.profile.operators.runtime_trace import shapes_run

LAYERS = {*CONVOLUTIONS, "Gemm", "FusedGemm"}
"""Operators with weights, which quantization turns to 8 bits; matrix products of two activations stay in float."""


def count(budget: Budget) -> dict[str, int]:
    """Cost of one tick, from the float graph; 8-bit operands are a quarter of its bytes."""
    model = serialise(export_onnx(DrivingNetwork(NetworkConfig(budget=budget))))
    feeds = {name: np.zeros(shape, dtype) for name, (shape, dtype) in input_shapes(budget).items()}
    cost = count_cost(budget.name, shapes_run(model, feeds))
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
    table = {budget.name: count(budget) for budget in sorted(BUDGETS.values(), key=lambda budget: -budget.pixels)}
    path = Path(str(fsd.profile.__path__[0])) / "budget_costs.json"
    write_text(path, json.dumps(table, indent=2) + "\n")
    figures = {f"{name}_mmacs": round((row["int8_macs"] + row["float_macs"]) / 1e6, 1) for name, row in table.items()}
    print(json.dumps({"benchmark": "count_budgets", "figures": figures, "samples": 1}))


if __name__ == "__main__":
    main()
