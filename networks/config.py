"""The sizes of the driving network, stored with its weights.

No torch here, so that tools can read a weights file's configuration without importing it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fsd.compression.budget import ALL_BUDGETS, BUDGETS, DEFAULT_BUDGET, Budget, Fovea
from fsd.data.options import Options, option

MAX_FEATURES, MAX_LAYERS = 8192, 64
"""A damaged file with a size above these would take minutes and all memory to build."""


@dataclass(frozen=True)
class NetworkConfig(Options):
    """Sizes of `DrivingNetwork`.

    Attributes:
        budget: budget of the compressor; fixes the input shapes.
        width: features per token (D).
        heads: attention heads; divides `width`.
        joint_layers: attention layers in which all tokens of the tick attend to each other.
        cross_layers: layers after memory attention, in which only the scene and plan queries attend to all tokens.
        mlp_ratio: hidden width of the transformer's two-layer perceptrons over `width`.
        retina_channels: features of the retina trunk on the 15 x 20 grid.
        patch_channels: features of the patch trunk at 8 x 8 and at 4 x 4.
        retina_blocks, patch_blocks: residual blocks at each trunk's final resolution.
        plan_queries: learned tokens from which the plan is computed.
        outer_channels: features of the trunk of the outer cameras' smaller base images, in budgets with a fovea.
        has_hypotheses: predict several courses of the speed with probabilities instead of their mean.
        has_maps: read saliency also from the retina's feature maps, give the cameras with full base images finer
            tokens in the row of the horizon, and have the heads for semantics and depth, which only training uses.
    """

    budget: Budget = field(default_factory=lambda: ALL_BUDGETS[DEFAULT_BUDGET])
    width: int = option(128, at_least=1, at_most=MAX_FEATURES)
    heads: int = option(4, at_least=1, at_most=MAX_FEATURES)
    joint_layers: int = option(1, at_least=1, at_most=MAX_LAYERS)
    cross_layers: int = option(2, at_least=1, at_most=MAX_LAYERS)
    mlp_ratio: int = option(2, at_least=1, at_most=MAX_LAYERS)
    retina_channels: int = option(48, at_least=2, at_most=MAX_FEATURES)
    patch_channels: tuple[int, int] = option((24, 48), at_least=1, at_most=MAX_FEATURES)
    retina_blocks: int = option(2, at_least=1, at_most=MAX_LAYERS)
    patch_blocks: int = option(1, at_least=1, at_most=MAX_LAYERS)
    plan_queries: int = option(4, at_least=1, at_most=MAX_LAYERS)
    outer_channels: int = option(24, at_least=2, at_most=MAX_FEATURES)
    has_hypotheses: bool = True
    has_maps: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} and {self.heads}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NetworkConfig":
        """Inverse of `dataclasses.asdict`; lists (as JSON returns them) become tuples.

        Raises:
            ValueError: a size is out of range, or a name is unknown.
        """
        # Files of earlier versions do not state what their networks lack.
        known = {"has_hypotheses": False, "has_maps": False, **values}
        try:
            if "look_layers" in known:  # the name in files written before version 0.1
                known["cross_layers"] = known.pop("look_layers")
            fovea = known["budget"].get("fovea")
            budget = Budget(**{**known["budget"], "fovea": fovea and Fovea(**fovea)})
            cls(**known | {"budget": budget, "patch_channels": tuple(known["patch_channels"])})
            return msgspec.convert(known, cls)
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            raise ValueError(f"Not a network configuration: {error}.") from error


SIZES = {
    "standard": NetworkConfig(),
    "wide": NetworkConfig(retina_channels=64, retina_blocks=3, patch_channels=(32, 64), outer_channels=32),
    "uniform": NetworkConfig(BUDGETS["B100"], has_hypotheses=False, has_maps=False),
}
"""Networks by name: 0.38, 0.71 and 0.39 GMAC per tick. The wide one can teach the standard one; `uniform` has no
fovea."""


def network_of_size(name: str) -> NetworkConfig:
    """The configuration of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in SIZES:
        raise ValueError(f"must be one of {', '.join(SIZES)}; got {name!r}.")
    return SIZES[name]
