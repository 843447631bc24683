"""What the driving network costs a tick for each budget profile, counted once and kept as a table.

Lets the energy model say which profile a device could carry without five model files at hand. The table is made by
benchmarks/count_budgets.py from the network itself; a test compares the two.
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
        operators: how many there are.
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
    """Two operators carry all the work; the others stand for what starting them costs."""
    work = (
        OperatorCost("layers", "all", cost.int8_macs, cost.int8_bytes, True),
        OperatorCost("attention and the rest", "all", cost.float_macs, cost.float_bytes, False),
    )
    idle = OperatorCost("start", "all", 0, 0, False)
    return NetworkCost(name, work + (idle,) * (cost.operators - len(work)))
