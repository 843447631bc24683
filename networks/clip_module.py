"""One training step: the loss of a batch of clips.

A clip is a few rows of one episode that read each other's memory outputs, so that gradients reach the memory writes;
older memory outputs come from a cache.

Source: truncated recurrence with cached states as in Y. Wu et al., Memorizing Transformers (2022).
"""

import torch
from torch import Tensor, nn

from fsd.networks.losses import LossWeights, imitation_loss
from fsd.networks.model import EGO_INPUTS, IMAGE_INPUTS, PLAN_INPUTS, Content, DrivingNetwork, select


class ClipModule(nn.Module):
    """Loss of a batch of clips: images of all rows at once, then row by row through the memory."""

    def __init__(self, network: DrivingNetwork, weights: LossWeights, bf16: bool) -> None:
        super().__init__()
        self.network, self.weights, self.bf16 = network, weights, bf16

    def forward(self, inputs: dict[str, Tensor], live: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        """inputs (B, T, …) of the contract, live (B, T, 112) the earlier row of the clip that a slot holds, -1 if none.

        Returns the loss, its terms, and `new_k`, `new_v` (B, T, 16, 64) without gradient.
        """
        network, rows = self.network, live.shape[1]
        with torch.autocast(live.device.type, torch.bfloat16, enabled=self.bf16):
            content = network.encode(**select(inputs, IMAGE_INPUTS))
        tokens, mask = content.tokens.float(), content.mask.float()
        ego_tokens = network.ego_encoder(**select(inputs, EGO_INPUTS))
        outputs_by_row: list[dict[str, Tensor]] = []
        for row in range(rows):
            now = {name: inputs[name][:, row] for name in PLAN_INPUTS}
            for earlier, earlier_outputs in enumerate(outputs_by_row):
                is_live = (live[:, row] == earlier)[:, :, None, None]
                now["memory_k"] = torch.where(is_live, earlier_outputs["new_k"][:, None], now["memory_k"])
                now["memory_v"] = torch.where(is_live, earlier_outputs["new_v"][:, None], now["memory_v"])
            seen = Content(tokens[:, row], mask[:, row], content.retina_count)
            outputs_by_row.append(network.decide(seen, ego_tokens[:, row], **now))
        outputs = {name: torch.stack([row[name] for row in outputs_by_row], dim=1) for name in outputs_by_row[0]}
        loss, terms = imitation_loss(outputs, labels, self.weights)
        kept = {name: outputs[name].detach() for name in ("new_k", "new_v")}
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}, **kept}
