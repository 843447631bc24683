"""From plan features to a drivable trajectory with its uncertainty.

The head predicts curvature and acceleration at fixed times and integrates them as a kinematic bicycle. Positions,
headings and speeds are therefore consistent, start at the car, and are finite and bounded for any features. An
untrained head without hypotheses predicts approximately constant motion; one with them brakes.

With several hypotheses, the speeds of the plan are not averaged over what might be right (to brake or to go on):
every hypothesis has a fixed acceleration now and a learned course after it, and a probability; the plan is the mean of
all but the least cautious part of the probability. Sources: the conditional value at risk (R. Rockafellar and S.
Uryasev, 2000); classes instead of averaged waypoints, TransFuser++ (arXiv 2306.07957).

Each route command has its own weights for what it adds to curvature and acceleration: rare commands, such as a lane
change, would otherwise have little influence on shared weights. Source: F. Codevilla et al., End-to-end driving via
conditional imitation learning (2018), branched.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsd.data.ego import COMMANDS
from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINTS

MAX_CURVATURE_PER_M = 0.25
MAX_ACCELERATION_MPS2 = 8.0
MAX_SPEED_MPS = 60.0
CURVATURE_GAIN, ACCELERATION_GAIN = 0.2, 0.25
"""A feature of 1 is 0.05 1/m and 2 m/s²: typical values, so that all outputs learn at a similar rate."""

STANDSTILL_SMOOTHNESS = 0.1
"""Speeds are squareplus(v): smooth at standstill, so that a plan that stops still has a gradient to start."""

SEEN_SPEED_GAIN = 10.0
"""m/s per unit of the feature that estimates the speed from images when ego motion is missing."""

SCALE_LIMITS = (0.01, 100.0)
SCALE_GROWTH = (0.3, 0.1, 0.03, 0.3)
"""Laplace scale of x, y, yaw, v that an untrained head predicts one second ahead; it grows with time."""

KNOTS = WAYPOINTS + 1
"""The present, and every waypoint."""

ANCHORS_MPS2 = (-6.0, -4.0, -2.6, -1.6, -0.8, -0.3, 0.0, 0.4, 1.0, 1.8)
"""Acceleration now of each hypothesis, rising."""

TAKEN_SHARE = 0.8
"""The plan is the mean over this share of the probability, the hypotheses that brake most first."""


class PlanHead(nn.Module):
    """Predicts trajectory, curvature and acceleration, with their Laplace scales, from plan features."""

    knot_times: Tensor
    to_heading: Tensor
    to_middle_heading: Tensor
    to_step_speed: Tensor
    to_position: Tensor
    scale_growth: Tensor

    def __init__(self, features: int, hidden: int = 256, has_hypotheses: bool = False) -> None:
        super().__init__()
        self.has_hypotheses = has_hypotheses
        self.hidden = nn.Linear(features, hidden)
        self.curvatures = nn.Linear(hidden, KNOTS)
        if has_hypotheses:
            self.hypotheses = Hypotheses(hidden)
        else:
            self.accelerations = nn.Linear(hidden, KNOTS)
        self.by_command = nn.Linear(hidden, len(COMMANDS) * (1 if has_hypotheses else 2) * KNOTS, bias=False)
        self.seen_speed = nn.Linear(hidden, 1)
        self.trajectory_scales = nn.Linear(hidden, 4 * WAYPOINTS)
        self.control_scales = nn.Linear(hidden, 2)
        for layer in (
            self.curvatures,
            *([] if has_hypotheses else [self.accelerations]),
            self.seen_speed,
            self.trajectory_scales,
            self.control_scales,
        ):
            _make_small(layer)
        nn.init.zeros_(self.by_command.weight)

        # Integration as constant matrices, knots to waypoints: static MatMuls in the exported graph, no loop.
        times = torch.arange(KNOTS) * WAYPOINT_STEP_S
        mean_of_step = torch.zeros(WAYPOINTS, KNOTS)
        step = torch.arange(WAYPOINTS)
        mean_of_step[step, step] = mean_of_step[step, step + 1] = 0.5
        sum_of_steps = torch.tril(torch.ones(WAYPOINTS, WAYPOINTS)) * WAYPOINT_STEP_S
        heading = sum_of_steps @ mean_of_step
        before = torch.cat([torch.zeros(1, KNOTS), heading[:-1]])
        constants = {
            "knot_times": times,
            "to_heading": heading.T,
            "to_middle_heading": (0.5 * (before + heading)).T,
            "to_step_speed": mean_of_step.T,
            "to_position": sum_of_steps.T,
            "scale_growth": times[1:, None] * torch.tensor(SCALE_GROWTH),
        }
        for name, value in constants.items():
            self.register_buffer(name, value.contiguous(), persistent=False)

    def forward(self, features: Tensor, ego: Tensor, ego_valid: Tensor, command: Tensor) -> dict[str, Tensor]:
        """features (…, F), ego (…, 2), ego_valid (…, 1), command (…, C) one-hot -> the plan outputs of the contract."""
        hidden = torch.relu(self.hidden(features))
        added = of_command(self.by_command(hidden), command)  # (…, P + 1), or twice as many
        steering = self.curvatures(hidden) + added[..., :KNOTS]
        curvature = torch.tanh(CURVATURE_GAIN * steering) * MAX_CURVATURE_PER_M  # (…, P + 1)
        seen_speed = squareplus(self.seen_speed(hidden)) * SEEN_SPEED_GAIN
        speed_now = (ego_valid * ego[..., :1] + (1.0 - ego_valid) * seen_speed).clamp(0.0, MAX_SPEED_MPS)
        hypotheses: dict[str, Tensor] = {}
        if self.has_hypotheses:
            hypotheses = self.hypotheses(hidden, speed_now, command)
            taken = hypotheses["hypothesis_share"]
            # Courses learn from labels near them alone: through the plan a rare one would learn to be the usual one.
            courses = hypotheses["hypothesis_speed"].detach() if self.training else hypotheses["hypothesis_speed"]
            speed = (taken.unsqueeze(-2) @ courses).squeeze(-2)
            acceleration = (taken * self.hypotheses.anchors).sum(dim=-1, keepdim=True)
        else:
            pedals = self.accelerations(hidden) + added[..., KNOTS:]
            acceleration = torch.tanh(ACCELERATION_GAIN * pedals) * MAX_ACCELERATION_MPS2
            speed = squareplus(speed_now + acceleration * self.knot_times, STANDSTILL_SMOOTHNESS)
        scale = squareplus(self.trajectory_scales(hidden) + 1.0).unflatten(-1, (WAYPOINTS, 4)) * self.scale_growth
        control_scale = squareplus(self.control_scales(hidden) + 1.0)
        return {
            "trajectory": self.integrate(curvature, speed),
            "trajectory_scale": scale.clamp(*SCALE_LIMITS),
            "curvature": curvature[..., :1],
            "curvature_scale": (control_scale[..., :1] * 0.01).clamp(0.0005, 1.0),
            "acceleration": acceleration[..., :1],
            "acceleration_scale": (control_scale[..., 1:] * 0.5).clamp(*SCALE_LIMITS),
            **hypotheses,
        }

    def integrate(self, curvature: Tensor, speed: Tensor) -> Tensor:
        """Knot curvatures and speeds (…, P + 1) -> waypoints (…, P, 4): x, y, yaw, v; trapezoid and midpoint rule."""
        turn_rate = curvature * speed
        heading = turn_rate @ self.to_heading  # (…, P)
        middle = turn_rate @ self.to_middle_heading
        step_speed = speed @ self.to_step_speed
        x = (step_speed * torch.cos(middle)) @ self.to_position
        y = (step_speed * torch.sin(middle)) @ self.to_position
        return torch.stack([x, y, heading, speed[..., 1:]], dim=-1)


class Hypotheses(nn.Module):
    """Predicts how the car may go on, from the hardest braking to the strongest start, with probabilities.

    Attributes:
        taken_share: as `TAKEN_SHARE`; may be changed after training.
    """

    anchors: Tensor
    knot_times: Tensor
    sums: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        count = len(ANCHORS_MPS2)
        self.taken_share = TAKEN_SHARE
        self.courses = _small_linear(hidden, count * KNOTS)
        self.logits = _small_linear(hidden, count)
        self.by_command = nn.Linear(hidden, len(COMMANDS) * count, bias=False)
        nn.init.zeros_(self.by_command.weight)
        self.register_buffer("anchors", torch.tensor(ANCHORS_MPS2), persistent=False)
        self.register_buffer("knot_times", torch.arange(KNOTS) * WAYPOINT_STEP_S, persistent=False)
        self.register_buffer("sums", torch.triu(torch.ones(count, count)), persistent=False)

    def forward(self, hidden: Tensor, speed_now: Tensor, command: Tensor) -> dict[str, Tensor]:
        """hidden (…, H), speed_now (…, 1), command (…, C) one-hot -> what the head knows of its M hypotheses.

        `hypothesis` (…, M) logits, `hypothesis_speed` (…, M, P + 1) m/s at the knots, `hypothesis_share` (…, M): how
        much of each is in the plan.
        """
        logits = self.logits(hidden) + of_command(self.by_command(hidden), command)
        # Mean acceleration from now to each knot.
        course = torch.tanh(ACCELERATION_GAIN * self.courses(hidden)) * MAX_ACCELERATION_MPS2
        mean_acceleration = self.anchors.unsqueeze(-1) + course.unflatten(-1, (len(ANCHORS_MPS2), KNOTS))
        speed = squareplus(speed_now.unsqueeze(-1) + mean_acceleration * self.knot_times, STANDSTILL_SMOOTHNESS)
        # Probabilities learn from labels alone: through the plan they would learn to make the plan the average again.
        probability = torch.softmax(logits.detach() if self.training else logits, dim=-1)
        up_to = probability @ self.sums  # (…, M) probability of each and of those that brake more
        reached = up_to.clamp(max=self.taken_share)
        share = (reached - functional.pad(reached[..., :-1], (1, 0))) / self.taken_share
        return {"hypothesis": logits, "hypothesis_speed": speed, "hypothesis_share": share}


def of_command(branches: Tensor, command: Tensor) -> Tensor:
    """(…, C * n) what every command would add, (…, C) one-hot -> (…, n)."""
    return (command.unsqueeze(-1) * branches.unflatten(-1, (len(COMMANDS), -1))).sum(dim=-2)


def _small_linear(inputs: int, outputs: int) -> nn.Linear:
    return _make_small(nn.Linear(inputs, outputs))


def _make_small(layer: nn.Linear) -> nn.Linear:
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def squareplus(x: Tensor, smoothness: float = 1.0) -> Tensor:
    """A smooth positive part, (x + sqrt(x² + b)) / 2, without an exponential. Source: Barron, arXiv 2112.11687."""
    return (x + torch.sqrt(x * x + smoothness)) * 0.5
