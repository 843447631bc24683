"""A robot instead of a car: two cameras on a head that turns, and 16 numbers of touch, force and joints.

The task is to reach the red block and not the blue one. Where the red block is in the images says little: the head
turns, and its angle is only in `proprio`. The robot slides in any direction; its plan is a path in its own frame, as a
car's is.

python docs/examples/robot_reach.py out/robot
fsd export out/robot/model.onnx --adapter out/robot/adapter.json --data out/robot/practice --out out/robot/int8
fsd replay out/robot/trial --model out/robot/int8/model_int8.onnx --adapter out/robot/adapter.json --out out/reach
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fsd import ClipWriter, Rig, compressed_inputs, driven_waypoints, open_clip
from fsd.data.clock import tick_time_ns
from fsd.data.rig import Camera, Pose
from fsd.data.standard_rigs import pinhole_for

WIDTH_PX, HEIGHT_PX, HFOV_DEG = 160, 120, 100.0
FOCAL_PX = WIDTH_PX / 2 / math.tan(math.radians(HFOV_DEG) / 2)
EYES_M = {"front_main": 0.05, "front_wide": -0.05}
"""Camera -> how far left of the middle of the head it is. The names are those of a car; the rig says where they are."""

SPEED_MPS, REACH_TICKS, TOUCH_TICKS = 0.8, 36, 36
POINTS, STEP_S = 4, 0.25
NAMES = ("retina", "proprio")
ADAPTER = {
    "name": "robot that reaches the red block",
    "compressed": {"budget": "B200", "tensors": {name: name for name in NAMES}},
    "outputs": {"waypoints": {"name": "path", "points": POINTS, "step_s": STEP_S}},
}


def robot_rig() -> Rig:
    lens = pinhole_for(WIDTH_PX, HEIGHT_PX, HFOV_DEG)
    poses = {name: Pose.looking((0.0, left_m, 0.5), 0.0, 0.0) for name, left_m in EYES_M.items()}
    size = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX}
    cameras = [Camera(name=name, intrinsics=lens, ego_from_camera=pose, **size) for name, pose in poses.items()]
    return Rig(name="robot", cameras=tuple(cameras))


def view(blocks: list[tuple[np.ndarray, tuple[int, int, int]]], left_m: float, pan_rad: float) -> np.ndarray:
    """(H, W, 3) RGB of blocks, each with its (x, y) in m from the robot, as an eye of the turned head sees them."""
    image = np.repeat(np.linspace(90, 130, HEIGHT_PX)[:, None, None], WIDTH_PX, 1).repeat(3, 2).astype(np.uint8)
    eye_m = left_m * np.array([-math.sin(pan_rad), math.cos(pan_rad)])
    for place_m, colour in blocks:
        x_m, y_m = place_m - eye_m
        distance_m, angle_rad = math.hypot(x_m, y_m) + 0.25, math.atan2(y_m, x_m) - pan_rad
        if abs(angle_rad) < 0.9:
            column, half = WIDTH_PX / 2 - FOCAL_PX * math.tan(angle_rad), FOCAL_PX * 0.05 / distance_m
            left, right = (max(0, round(column + side * half)) for side in (-1, 1))
            image[round(60 - half) : round(60 + half), left:right] = colour
    return image


def record(folder: Path, legs: int, seed: int) -> None:
    """Record the expert: it slides straight to the red block, rests with its hand on it, and is shown the next one."""
    rng = np.random.default_rng(seed)
    position_m, tick = np.zeros(2), 0
    with ClipWriter(folder, robot_rig()) as writer:
        for _ in range(legs):
            bearings_rad, distances_m = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.5, 0.8, 2)
            if abs(bearings_rad[0] - bearings_rad[1]) < 0.3:
                bearings_rad[1] = -np.sign(bearings_rad[0]) * 0.6
            ways = np.stack([np.cos(bearings_rad), np.sin(bearings_rad)], axis=1)
            red_m, blue_m = position_m + ways * distances_m[:, None]
            start_m, phase = position_m, rng.uniform(0, 6)
            for moment in range(REACH_TICKS + TOUCH_TICKS):
                went_m = min(moment / 36 * SPEED_MPS, distances_m[0])
                position_m, touches = start_m + ways[0] * went_m, went_m == distances_m[0]
                pan_rad = 0.35 * math.sin(phase + tick / 9)
                blocks = [(blue_m - position_m, (40, 60, 200)), (red_m - position_m, (210, 40, 40))]
                joints = [pan_rad, *rng.normal(0, 0.1, 11)]
                sensors = [*joints, float(touches), float(touches), 0.3 * touches, 0.0]
                ego = {"x": position_m[0], "y": position_m[1], "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
                ego |= {"v_mps": 0.0 if touches else SPEED_MPS, "yaw_rate_rps": 0.0}
                ego |= {f"proprio_{place}": value for place, value in enumerate(sensors)}
                writer.write([view(blocks, left_m, pan_rad) for left_m in EYES_M.values()], tick_time_ns(tick), ego)
                tick += 1


class Network(nn.Module):
    """(1, 8, 6, 30, 40) retina, of which the two cameras are used, and (1, 16) proprio -> (1, POINTS, 2) path in m."""

    def __init__(self) -> None:
        super().__init__()
        self.eyes = nn.Sequential(nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(8 * 8 * 10 + 16, 64), nn.ReLU(), nn.Linear(64, POINTS * 2))

    def forward(self, retina: torch.Tensor, proprio: torch.Tensor) -> torch.Tensor:
        seen = self.eyes(retina[:, :2].flatten(1, 2) / 128.0 - 1.0).flatten(1)
        return self.head(torch.cat([seen, proprio * 3.0], 1)).unflatten(1, (POINTS, 2))


def main(out: Path, legs: int = 30, iterations: int = 600) -> None:
    """Record practice and a trial, train on the practice, and write `model.onnx` and `adapter.json`."""
    torch.manual_seed(0)
    record(out / "practice", legs, seed=1)
    record(out / "trial", 3, seed=2)
    clip = open_clip(out / "practice")
    assert clip.ego is not None
    rows, times_ns = [], []
    for timestamp_ns, tensors in compressed_inputs(clip, "B200"):
        if tensors["proprio"][12] == 0:  # while it rests, nobody knows where the next block will be
            rows.append({name: tensors[name].copy() for name in NAMES})
            times_ns.append(timestamp_ns)
    paths_m = driven_waypoints(clip.ego, np.array(times_ns))[:, :POINTS, :2]
    known = np.isfinite(paths_m).all((1, 2))
    inputs = {name: torch.from_numpy(np.stack([row[name] for row in rows])[known]) for name in NAMES}
    labels = torch.from_numpy(paths_m[known]).float()
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for iteration in range(iterations):
        batch = torch.randint(len(labels), (64,))
        loss = nn.functional.l1_loss(network(*(inputs[name][batch] for name in NAMES)), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if iteration % 100 == 0 or iteration == iterations - 1:
            print(f"{iteration}: mean error {loss.item():.4f} m")
    first = tuple(inputs[name][:1] for name in NAMES)
    names = {"input_names": NAMES, "output_names": ["path"]}
    torch.onnx.export(network.eval(), first, out / "model.onnx", **names, external_data=False, verbose=False)
    (out / "adapter.json").write_text(json.dumps(ADAPTER, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
