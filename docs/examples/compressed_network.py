"""Train a small network on a clip as the compressor sees it, and export it with its adapter.

python docs/examples/compressed_network.py my_drive out/compressed
fsd replay my_drive --model out/compressed/model.onnx --adapter out/compressed/adapter.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fsd import compressed_inputs, driven_waypoints, open_clip

NAMES = ("retina", "patches", "patch_meta", "ego")
POINTS, STEP_S = 8, 0.25
ADAPTER = {
    "name": "small network on compressed input",
    "compressed": {"budget": "B100", "tensors": {name: name for name in NAMES}},
    "outputs": {"waypoints": {"name": "path", "points": POINTS, "step_s": STEP_S}},
}


class Network(nn.Module):
    """Shapes as in docs/model_contract.md, with a batch axis: 8 cameras of 6 x 30 x 40, 58 patches of 6 x 16 x 16."""

    def __init__(self) -> None:
        super().__init__()
        self.cameras = nn.Sequential(
            nn.Conv2d(6, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 16, 3, 2), nn.ReLU(), nn.Flatten()
        )
        self.patches = nn.Sequential(nn.Conv2d(6, 32, 8, 8), nn.ReLU(), nn.Flatten())
        self.geometry = nn.Linear(8, 128)  # camera, ray, angular size, age and whether there is a patch
        self.head = nn.Sequential(nn.Linear(8 * 16 * 6 * 9 + 128, 64), nn.ReLU(), nn.Linear(64, POINTS * 2))

    def forward(
        self, retina: torch.Tensor, patches: torch.Tensor, patch_meta: torch.Tensor, ego: torch.Tensor
    ) -> torch.Tensor:
        seen = self.cameras(retina.flatten(0, 1) / 255.0).unflatten(0, retina.shape[:2]).flatten(1)
        looked_at = self.patches(patches.flatten(0, 1) / 255.0).unflatten(0, patches.shape[:2])
        gaze = torch.relu(looked_at + self.geometry(patch_meta)).mean(1)
        steps = self.head(torch.cat([seen, gaze], 1)).unflatten(1, (POINTS, 2))
        straight = torch.stack([ego[:, :1], torch.zeros_like(ego[:, :1])], 2) * STEP_S
        return torch.cumsum(steps + straight, 1)  # (B, POINTS, 2): x m, y m


def main(clip_path: Path, out: Path, ticks: int | None = None, iterations: int = 200) -> None:
    """Train on the first `ticks` ticks of a clip, and write `model.onnx` and `adapter.json`."""
    torch.manual_seed(0)
    clip = open_clip(clip_path)
    assert clip.ego is not None, "the labels are the car's own future path"
    rows, times_ns = [], []
    for timestamp_ns, tensors in compressed_inputs(clip, "B100", max_ticks=ticks):
        rows.append({name: tensors[name].copy() for name in NAMES})
        times_ns.append(timestamp_ns)
    paths_m = driven_waypoints(clip.ego, np.array(times_ns))[:, :POINTS, :2]
    known = np.isfinite(paths_m).all((1, 2))  # the last seconds of a clip have no future
    inputs = {name: torch.from_numpy(np.stack([row[name] for row in rows])[known]) for name in NAMES}
    labels = torch.from_numpy(paths_m[known]).float()
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for iteration in range(iterations):
        batch = torch.randint(len(labels), (32,))
        loss = nn.functional.smooth_l1_loss(network(*(inputs[name][batch] for name in NAMES)), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if iteration % 50 == 0 or iteration == iterations - 1:
            print(f"{iteration}: loss {loss.item():.4f}")
    out.mkdir(parents=True, exist_ok=True)
    first = tuple(inputs[name][:1] for name in NAMES)  # a leading axis of 1 is accepted
    names = {"input_names": NAMES, "output_names": ["path"]}
    torch.onnx.export(network.eval(), first, out / "model.onnx", **names, external_data=False, verbose=False)
    (out / "adapter.json").write_text(json.dumps(ADAPTER, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
