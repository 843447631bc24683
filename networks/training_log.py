"""What a person looks at while a network trains: `progress.csv`, one row a report, and `curves.svg` drawn from it."""

import csv
import html
import math
from pathlib import Path

from fsd.data.files import replacing, write_text

WIDTH, HEIGHT, MARGIN = 360, 190, 36
COLUMNS = 3


class TrainingLog:
    """Appends reports to a CSV file and keeps a page of curves beside it.

    Args:
        folder: of the run; resume_step: rows of later steps, from a run that broke, are dropped.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        self._csv, self._svg = folder / "progress.csv", folder / "curves.svg"
        self.rows = [row for row in _read(self._csv) if row["step"] <= resume_step]

    def add(self, step: int, values: dict[str, float]) -> None:
        """One report; names may differ from report to report."""
        self.rows.append({"step": float(step), **values})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(self._csv) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        write_text(self._svg, draw_curves(self.rows))

    @property
    def latest(self) -> dict[str, float]:
        """The newest value of every name."""
        return {name: value for row in self.rows for name, value in row.items() if not math.isnan(value)}


def draw_curves(rows: list[dict[str, float]]) -> str:
    """One small chart for each name, against the step."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "step"]
    charts = []
    for index, name in enumerate(names):
        points = [(row["step"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
        x, y = index % COLUMNS * WIDTH, index // COLUMNS * HEIGHT
        charts.append(f'<g transform="translate({x} {y})">{_chart(name, points)}</g>')
    width, height = COLUMNS * WIDTH, max(1, math.ceil(len(names) / COLUMNS)) * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(charts)
        + "</svg>\n"
    )


def _chart(name: str, points: list[tuple[float, float]]) -> str:
    title = f'<text x="{MARGIN}" y="18" font-weight="bold">{html.escape(name)}</text>'
    if not points:
        return title
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    x_scale = (WIDTH - 1.5 * MARGIN) / (max(steps) or 1.0)
    y_scale = (HEIGHT - 2 * MARGIN) / span
    line = " ".join(
        f"{MARGIN + step * x_scale:.1f},{HEIGHT - MARGIN - (value - low) * y_scale:.1f}" for step, value in points
    )
    left, right, bottom = MARGIN - 4, WIDTH - MARGIN // 2, HEIGHT - MARGIN
    end = f"step {max(steps):.0f}: {values[-1]:.4g}"
    return (
        f'{title}<path d="M{MARGIN} {MARGIN}V{bottom}H{right}" fill="none" stroke="#999"/>'
        f'<polyline points="{line}" fill="none" stroke="#1565c0" stroke-width="1.5"/>'
        f'<text x="{left}" y="{MARGIN + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{left}" y="{bottom}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{right}" y="{bottom + 14}" text-anchor="end">{end}</text>'
    )


def _read(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
