"""`fsd train`: collect drives in the simulator and learn from them."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fsd.data.errors import ModelError, UsageError

EXAMPLE = """example:
  fsd train --out runs/mine                                # the packaged recipe, about two hours on two cores
  fsd train --out runs/tiny --rounds 20:100:0.001          # a quick try: 20 episodes, 100 steps
  torchrun --nproc-per-node 4 $(which fsd) train --device cuda --out runs/mine

then: fsd export runs/mine/weights.safetensors --data clip/ --out exported"""
_NEEDS = "`fsd train` needs PyTorch and moderngl: pip install 'fsd[train]'."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; those left out take `RecipeConfig`'s defaults."""
    parser.epilog = EXAMPLE
    unset = argparse.SUPPRESS
    parser.add_argument("--out", type=Path, default=unset, help="folder of the run; started again, it goes on")
    parser.add_argument(
        "--rounds", nargs="+", default=unset, metavar="EPISODES:STEPS:RATE", help="expert first, then DAgger"
    )
    parser.add_argument("--workers", type=int, default=unset, help="processes that collect")
    parser.add_argument("--threads", type=int, default=unset, help="threads that train")
    parser.add_argument("--device", default=unset, help="cpu or cuda")
    parser.add_argument("--clips", type=int, default=unset, help="clips in a batch")
    parser.add_argument("--seed", type=int, default=unset, help="of weights and batches")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train and say where the weights are."""
    try:
        from fsd.networks.recipe import RecipeConfig, Round, run_recipe
    except ModuleNotFoundError as error:
        raise ModelError(f"{_NEEDS} (missing: {error.name})") from error
    values = {name: value for name, value in vars(options).items() if name in RecipeConfig.__dataclass_fields__}
    try:
        if "rounds" in values:
            values["rounds"] = tuple(Round(int(e), int(s), float(r)) for e, s, r in map(_split, values["rounds"]))
        config = RecipeConfig(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    bars: dict[str, tqdm] = {}

    def report(phase: str, done: int, total: int, figures: dict[str, float]) -> None:
        if phase not in bars:
            bars[phase] = tqdm(total=total, desc=phase, file=sys.stderr, mininterval=2.0)
        bars[phase].update(done - bars[phase].n)
        shown = {name: f"{figures[name]:.3g}" for name in ("loss", "validation_ade_3s_m") if name in figures}
        if shown:
            bars[phase].set_postfix(shown)

    weights = run_recipe(config, report)
    for bar in bars.values():
        bar.close()
    if not options.json:
        print(f"weights  {weights}\nnext: fsd export {weights} --data CLIP --out exported")
    return {"weights": str(weights)}


def _split(text: str) -> list[str]:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"A round is EPISODES:STEPS:RATE such as 900:2400:0.0015, got {text!r}.")
    return parts
