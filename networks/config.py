"""The sizes of the driving network, stored with its weights.

No torch here, so that tools can read a weights file's configuration without importing it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fsd.compression.budget import BUDGETS, Budget


@dataclass(frozen=True)
class NetworkConfig:
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
    """

    budget: Budget = field(default_factory=lambda: BUDGETS["B100"])
    width: int = 128
    heads: int = 4
    joint_layers: int = 1
    cross_layers: int = 2
    mlp_ratio: int = 2
    retina_channels: int = 64
    patch_channels: tuple[int, int] = (32, 64)
    retina_blocks: int = 3
    patch_blocks: int = 1
    plan_queries: int = 4

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} and {self.heads}.")
        for name in ("joint_layers", "cross_layers", "mlp_ratio", "retina_blocks", "patch_blocks", "plan_queries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NetworkConfig":
        """Inverse of `to_dict`; lists (as JSON returns them) become tuples.

        Raises:
            ValueError: a size is out of range, or a name is unknown.
        """
        known = dict(values)
        try:
            if "look_layers" in known:  # the name in files written before version 0.1
                known["cross_layers"] = known.pop("look_layers")
            known["budget"] = Budget(**known["budget"])
            known["patch_channels"] = tuple(known["patch_channels"])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"Not a network configuration: {error}.") from error
