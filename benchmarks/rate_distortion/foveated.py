"""What is compared with the weights of a foveated network: all budgets and policies with one set of weights.

The network reads any number of patches, so nothing is fine-tuned: only the budget in the weights' header changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fsd.compression.budget import FOVEATED_BUDGETS, Budget
from fsd.networks.config import NetworkConfig
from rate_distortion.variants import RATES, Variant

BY_BYTES = tuple(sorted(FOVEATED_BUDGETS.values(), key=lambda budget: budget.patch_count))
"""F200, F100 and F50."""

MAIN, MAIN_FIXED = "F100", "fixed/F100"
EARLIER_RATES = (RATES[0], RATES[2], RATES[3])
"""Eight base images of 80x60 and about the bytes of `BY_BYTES`."""

EARLIER = "earlier"
"""Name of the weights of a network without a fovea, with which `earlier` and `earlier-fixed` plan."""


def _of_patches(name: str, patch_count: int) -> Budget:
    base = FOVEATED_BUDGETS[MAIN]
    assert base.fovea is not None
    # At 640x480 no patch can be fine: a sample of an ordinary one is one pixel.
    return replace(base, name=name, patch_count=patch_count, fovea=replace(base.fovea, fine_patches=0))


DENSE_FOVEATED = _of_patches("dense", 900)
"""As many patches as the three front cameras have blocks, of all cameras, chosen by the gaze: R_px 10."""

RETINA_ONLY = _of_patches("retina", 1)
"""The one patch that a budget must have stays grey."""


def foveated_variants() -> tuple[Variant, ...]:
    """Everything that is evaluated with foveated weights (`given`), and the network without a fovea beside it."""
    return (
        *(Variant(budget.name, "adaptive", "adaptive", budget, "given", True) for budget in BY_BYTES),
        *(Variant(f"fixed/{budget.name}", "fixed", "fixed", budget, "given") for budget in BY_BYTES),
        Variant("retina", "retina", "downscale", RETINA_ONLY, "given"),
        Variant("more", "more", "adaptive", _of_patches("more", 330), "given", True),
        *(Variant(f"{EARLIER}/{rate.name}", EARLIER, "adaptive", rate, EARLIER, True) for rate in EARLIER_RATES),
        *(
            Variant(f"{EARLIER}-fixed/{rate.name}", f"{EARLIER}-fixed", "fixed", rate, EARLIER)
            for rate in EARLIER_RATES
        ),
        Variant("dense", "dense", "adaptive", DENSE_FOVEATED, "given", True),
    )


def foveated_hazard_variants(has_network: bool) -> list[Variant]:
    """Ours and fixed foveation at every foveated budget; ours with the network's saliency, if there is a network."""
    ours = [Variant(budget.name, budget.name, "adaptive", budget, "given", has_network) for budget in BY_BYTES]
    return [*ours, *(Variant(f"fixed/{b.name}", "fixed", "fixed", b, "given") for b in BY_BYTES)]


def at_budget(weights: Path, budget: Budget, folder: Path) -> Path:
    """A weights file with another number of patches per tick in its header, and the same weights."""
    from fsd.networks.model import DrivingNetwork
    from fsd.networks.weights import load_weights, save_weights

    network, header = load_weights(weights)
    other = DrivingNetwork(replace(network.config, budget=budget))
    other.load_state_dict(network.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{budget.name}.safetensors"
    save_weights(other, path, trained=header.trained, notes=header.notes)
    return path


def is_foveated(config: Mapping[str, Any]) -> bool:
    """Whether a header's network has a fovea.

    Raises:
        SystemExit: it has another one than the budgets that are compared.
    """
    budget, main = NetworkConfig.from_dict(config).budget, FOVEATED_BUDGETS[MAIN]
    if budget.fovea is None:
        return False
    if [budget.base_px(camera) for camera in range(8)] != [main.base_px(camera) for camera in range(8)]:
        raise SystemExit(f"The base images of these weights differ from those of {MAIN}, which is compared.")
    return True


def foveated_metrics(results: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of the last line that only a foveated network has."""
    found: dict[str, float] = {"r_px_f100": FOVEATED_BUDGETS[MAIN].r_px}
    driving = results.get("driving")
    if driving:
        for name in (budget.name for budget in BY_BYTES):
            key = name.lower()
            found[f"ade3_{key}_m"] = driving["variants"][name]["expert"]["ade_3s_m"]["mean"]
            losses = driving["losses"][name]["ade_3s"]
            for reference, of_losses in (("dense", "dense"), ("best", "best_of_network"), ("fixed", "fixed")):
                found |= _with_interval(f"ade3_loss_{key}_against_{reference}", losses[of_losses], "loss")
        for metric, name in (("bd_rate_same_retina", "fixed"), ("bd_rate_earlier_fixed", f"{EARLIER}-fixed")):
            found |= _with_interval(metric, driving["bd_rates"]["expert"][name], "rate")
    for name, loss in results.get("closed_loop", {}).get("score_loss", {}).items():
        found |= _with_interval(f"score_loss_{name.lower()}", loss, "loss")
    for name, row in results.get("hazards", {}).get("policies", {}).items():
        if name in FOVEATED_BUDGETS:
            p99 = row["latency_ticks"]["all"]["p99"]
            found[f"hazard_latency_p99_ticks_{name.lower()}"] = float("inf") if p99 is None else p99
    return {name: round(value, 4) for name, value in found.items()}


def _with_interval(name: str, row: Mapping[str, float], value: str) -> dict[str, float]:
    return {name: row[value], f"{name}_low": row["low"], f"{name}_high": row["high"]}


def half_widths(results: Mapping[str, Any]) -> str:
    """How well the drives tell differences at 100:1."""
    losses = results["losses"][MAIN]["ade_3s"]
    widths = [
        f"{(row['high'] - row['low']) / 2:.1%} against {reference.replace('_', ' ')}"
        for reference, row in losses.items()
        if row["high"] > row["low"]
    ]
    return f"half-width of the paired 95% interval of {MAIN}, {results['drives']} drives: {', '.join(widths)}"
