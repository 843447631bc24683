"""The section of a replay's report on the ways to go on that the network considered. Data in, HTML out."""

import numpy as np
from markupsafe import Markup

from fsd.html.axes import Axis
from fsd.html.charts import Colour, Series, line_chart
from fsd.html.parts import columns, part, section
from fsd.outputs.run_folder import Run, list_column
from fsd.replay.run_metrics import RunMetrics
from fsd.runtime.hypotheses import GROUPS_MPS2, describe_groups, group_probabilities

HEIGHT_PX = 180
_COLOURS: dict[str, Colour] = dict(zip(GROUPS_MPS2, ("red", "orange", "grey", "green"), strict=True))


def hypotheses_section(run: Run, metrics: RunMetrics) -> Markup:
    """Probabilities over time beside the acceleration; nothing for a model without hypotheses."""
    acceleration_mps2 = run.summary.model.hypotheses_mps2
    if not acceleration_mps2 or "hypothesis" not in run.plan.column_names:
        return Markup()
    probability = list_column(run.plan, "hypothesis").astype(np.float64)
    if probability.shape[1] != len(acceleration_mps2):
        return Markup()
    groups = group_probabilities(probability, acceleration_mps2)
    shares = [Series(name.replace("_", " "), _COLOURS[name], values) for name, values in groups.items()]
    expected = probability @ np.asarray(acceleration_mps2)
    lines = [
        Series("of the plan", "blue", run.plan["acceleration_mps2"].to_numpy().astype(np.float64)),
        Series("mean of all ways, by probability", "orange", expected, is_dashed=True),
    ]
    known = np.concatenate([line.values[np.isfinite(line.values)] for line in lines])
    axis = Axis("m/s²", min(-1.0, np.floor(known.min())), max(1.0, np.ceil(known.max()))) if len(known) else None
    return section(
        "What the network considered",
        columns(
            part(
                "Probability",
                line_chart(metrics.time_s, shares, "", y_axis=Axis("", 0.0, 1.0), height_px=HEIGHT_PX, run=metrics.run),
            ),
            part(
                "Acceleration now",
                line_chart(metrics.time_s, lines, "m/s²", y_axis=axis, height_px=HEIGHT_PX, run=metrics.run),
            ),
        ),
        intro=f"The network weighs {len(acceleration_mps2)} ways to go on; its plan is a mean that leans to those that "
        f"brake. Here they are in groups by their acceleration now: {describe_groups()}. Probabilities are the "
        "network's own estimates; this page does not check them.",
    )
