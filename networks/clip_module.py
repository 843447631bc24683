"""One training step: the loss of a batch of clips, with the distance to a teacher if there is one.

A clip is a few rows of one episode that read each other's memory outputs, so that gradients reach the memory writes;
older memory outputs come from a cache.

Source: truncated recurrence with cached states as in Y. Wu et al., Memorizing Transformers (2022).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd.networks.attention import MASKED
from fsd.networks.distillation import DistillationWeights, output_terms, token_distance
from fsd.networks.gaze_value import patch_worth
from fsd.networks.losses import LossWeights, imitation_loss, row_losses
from fsd.networks.model import EGO_INPUTS, IMAGE_INPUTS, MEMORY_INPUTS, PLAN_INPUTS, Content, DrivingNetwork, select


class ClipModule(nn.Module):
    """Loss of a batch of clips: images of all rows at once, then row by row through the memory."""

    def __init__(
        self,
        network: DrivingNetwork,
        weights: LossWeights,
        bf16: bool,
        teacher: DrivingNetwork | None = None,
        teacher_weights: DistillationWeights | None = None,
    ) -> None:
        super().__init__()
        self.network, self.weights, self.bf16 = network, weights, bf16
        self.teacher_weights = teacher_weights or DistillationWeights()
        # In a tuple, so that its weights are not this module's.
        self.teacher = None if teacher is None else (teacher.eval().requires_grad_(False),)

    def forward(
        self, inputs: dict[str, Tensor], live: Tensor, labels: dict[str, Tensor], values_patches: bool = True
    ) -> dict[str, Tensor]:
        """inputs (B, T, …) of the contract, live (B, T, 112) the earlier row of the clip that a slot holds, -1 if none.

        Returns the loss, its terms, and `new_k`, `new_v` (B, T, 16, 64) and `loss_rows` (B, T) without gradient.
        """
        content = self._encoded(self.network, inputs, live.device.type)
        token_weight = None
        if values_patches and self.network.config.has_maps and "patch_cell" in labels:
            content, token_weight = with_token_weight(content, labels["patch_cell"].shape[-1])
        ego_tokens = self.network.ego_encoder(**select(inputs, EGO_INPUTS))
        memories: list[dict[str, Tensor]] = []
        outputs_by_row: list[dict[str, Tensor]] = []
        for row in range(live.shape[1]):
            now = {name: inputs[name][:, row] for name in PLAN_INPUTS}
            for earlier, earlier_outputs in enumerate(outputs_by_row):
                is_live = (live[:, row] == earlier)[:, :, None, None]
                now["memory_k"] = torch.where(is_live, earlier_outputs["new_k"][:, None], now["memory_k"])
                now["memory_v"] = torch.where(is_live, earlier_outputs["new_v"][:, None], now["memory_v"])
            memories.append(now)
            outputs_by_row.append(self._decided(self.network, content.row(row), ego_tokens[:, row], now))
        outputs = _stacked(outputs_by_row)
        worth = None
        if token_weight is not None and torch.is_grad_enabled():
            is_used = content.mask.detach()[..., content.retina_count :][..., : token_weight.shape[-1]] > 0.5 * MASKED
            worth = patch_worth(outputs, labels, self.weights, token_weight, is_used)
            # Nothing is known of patches that augmentation took away.
            labels = labels | {"patch_cell": torch.where(is_used, labels["patch_cell"], -1)}
        if self.network.config.has_maps:
            outputs["semantic"], outputs["depth"] = self.network.scenes(content)
        loss, terms = imitation_loss(outputs, labels, self.weights, worth)
        if self.teacher is not None:
            extra = self._distances_to_teacher(self.teacher[0], inputs, memories, content, outputs)
            loss = loss + sum(getattr(self.teacher_weights, name) * distance for name, distance in extra.items())
            terms |= {f"teacher_{name}": distance for name, distance in extra.items()}
        kept = {name: outputs[name].detach() for name in ("new_k", "new_v")}
        kept["loss_rows"] = row_losses(outputs, labels, self.weights)
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}, **kept}

    def _encoded(self, network: DrivingNetwork, inputs: dict[str, Tensor], device: str) -> Content:
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            content = network.encode(**select(inputs, IMAGE_INPUTS))
        maps = tuple(each.float() for each in content.maps)
        return content._replace(tokens=content.tokens.float(), mask=content.mask.float(), maps=maps)

    def _decided(
        self, network: DrivingNetwork, content: Content, ego_token: Tensor, now: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        with torch.autocast(ego_token.device.type, torch.bfloat16, enabled=self.bf16):
            context, queries = network.attend(content, ego_token, **select(now, MEMORY_INPUTS))
        motion = {name: value for name, value in now.items() if name not in MEMORY_INPUTS}
        return network.answer(content, context.float(), queries.float(), **motion)

    def _distances_to_teacher(
        self,
        teacher: DrivingNetwork,
        inputs: dict[str, Tensor],
        memories: list[dict[str, Tensor]],
        content: Content,
        outputs: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self._encoded(teacher, inputs, content.tokens.device.type)
            ego_tokens = teacher.ego_encoder(**select(inputs, EGO_INPUTS))
            plans = [
                self._decided(teacher, wanted.row(row), ego_tokens[:, row], memory)
                for row, memory in enumerate(memories)
            ]
        return {"tokens": token_distance(content, wanted), **output_terms(outputs, _stacked(plans), self.weights)}


def with_token_weight(content: Content, patches: int) -> tuple[Content, Tensor]:
    """The content with zeros (B, T, K) added to the attention scores of its patches, and these zeros."""
    weight = torch.zeros(*content.mask.shape[:-1], patches, device=content.mask.device, requires_grad=True)
    rest = content.mask.shape[-1] - content.retina_count - patches
    mask = content.mask + functional.pad(weight, (content.retina_count, rest))
    return content._replace(mask=mask), weight


def _stacked(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of each row (B, …) -> (B, T, …)."""
    return {name: torch.stack([row[name] for row in rows], dim=1) for name in rows[0]}
