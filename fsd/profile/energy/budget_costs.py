"""Cost per tick of the driving network for each budget profile, as a table.

With it the energy model finds the profile that fits a device without five model files. benchmarks/count_budgets.py
writes the table from the network itself; a test compares the two.
"""

from functools import cache
from importlib import resources

import msgspec

from fsd.networks.network_cost import NetworkCost, OperatorCost


class BudgetCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tick of the network, quantized to 8 bits wherever it has weights.

    Attributes:
        int8_macs, float_macs: multiply-accumulates of layers with weights, and of attention.
        int8_bytes, float_bytes: their traffic if nothing stays in a cache, all other operators among the latter.
        operators: their number.
    """

    int8_macs: int
    float_macs: int
    int8_bytes: int
    float_bytes: int
    operators: int


@cache
def budget_costs() -> dict[str, NetworkCost]:
    """Budget name -> cost, the largest budget (most pixels) first."""
    text = (resources.files("fsd.profile.energy") / "budget_costs.json").read_bytes()
    table = msgspec.json.decode(text, type=dict[str, BudgetCost])
    return {name: _as_network(name, cost) for name, cost in table.items()}


def _as_network(name: str, cost: BudgetCost) -> NetworkCost:
    """All work in two operators; the others only have a start-up cost."""
    work = (
        OperatorCost("layers", "all", cost.int8_macs, cost.int8_bytes, True),
        OperatorCost("attention and the rest", "all", cost.float_macs, cost.float_bytes, False),
    )
    idle = OperatorCost("start", "all", 0, 0, False)
    return NetworkCost(name, work + (idle,) * (cost.operators - len(work)))
