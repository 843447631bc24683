"""The steering wheel in a replay's report: recorded and planned angle over time, and their error. Data in, HTML out."""

import numpy as np
from markupsafe import Markup

from fsd.data.clip import Clip
from fsd.data.steering import SteeringGeometry
from fsd.html.charts import Series, line_chart
from fsd.html.parts import caption, section, table
from fsd.outputs.replay_summary import WheelAngleScores
from fsd.replay.run_metrics import RunMetrics
from fsd.scoring.wheel_angle import angles_at


def steering_section(
    scores: WheelAngleScores | None, clip: Clip, times_ns: np.ndarray, curvature_per_m: np.ndarray, metrics: RunMetrics
) -> Markup:
    """The section; nothing for a recording without angles of the steering wheel."""
    if scores is None or clip.steering is None or scores.network_rad is None:
        return Markup()
    geometry = SteeringGeometry(scores.steering_ratio, scores.wheelbase_m)
    lines = [
        Series("recorded", "grey", angles_at(clip.steering, times_ns)),
        Series("network", "blue", geometry.wheel_angle_rad(curvature_per_m.astype(np.float64))),
    ]
    rows = [[name, f"{error_rad:.3f} rad"] for name, error_rad in scores.errors.items()]
    return section(
        "Steering wheel",
        line_chart(metrics.time_s, lines, "rad", run=metrics.run),
        table(["root mean square error", ""], rows),
        caption(
            f"Over {scores.ticks} ticks. The planned curvature is turned into an angle with {scores.geometry}. "
            "Hold last is the recorded angle 0.25 s before."
        ),
        intro=f"Best: {scores.best[0]}.",
    )
