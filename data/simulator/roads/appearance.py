"""The look of one world: light, air, road surface and paint, all drawn from a seed.

Numbers for a renderer only; nothing here affects driving. Colours are linear RGB.
"""

import math
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]

WEATHERS = ("clear", "cloudy", "low_sun", "dusk", "fog")


@dataclass(frozen=True)
class Light:
    """Sun, sky and air.

    `sun_direction` points to the sun; `fog_density` is per metre; `cloud` 0-1; `glare` is the strength of the sun seen
    directly. `exposure_steps` are (time s, factor): from that time on the cameras expose by that factor.
    """

    weather: str
    sun_direction: Colour
    sun: Colour
    ambient: Colour
    horizon: Colour
    zenith: Colour
    fog_density: float
    cloud: float
    glare: float
    exposure_steps: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    def __post_init__(self) -> None:
        if self.weather not in WEATHERS:
            raise ValueError(f"weather must be one of {', '.join(WEATHERS)}, got {self.weather!r}.")

    @property
    def lamps_lit(self) -> bool:
        """Whether street lamps and headlights are on."""
        return self.weather in ("dusk", "fog")

    def exposure_at(self, time_s: float) -> float:
        return [factor for start_s, factor in self.exposure_steps if start_s <= max(time_s, 0.0)][-1]


@dataclass(frozen=True)
class Surfaces:
    """Road and ground.

    `centre_line` is dashed, solid or double; `divider_*` the dashes between lanes of one direction; `wear` 0 (fresh
    paint) to 1 (almost none left).
    """

    asphalt: Colour
    pavement: Colour
    ground: Colour
    paint: Colour
    centre_paint: Colour
    centre_line: str
    has_edge_line: bool
    line_width_m: float
    dash_m: float
    dash_period_m: float
    wear: float


def scaled(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def sample_light(
    rng: np.random.Generator, weather: str | None = None, steps: bool = True, severe: bool = False
) -> Light:
    """Draw light and air.

    `weather` fixes the kind, `steps` allows sudden changes of exposure, `severe` allows fog and low-sun glare beyond
    the usual range.
    """
    kind = weather or str(rng.choice(WEATHERS, p=[0.42, 0.28, 0.10, 0.10, 0.10]))
    azimuth = rng.uniform(0, 2 * math.pi)
    low = kind in ("low_sun", "dusk")
    elevation = rng.uniform(0.10, 0.22) if low else rng.uniform(0.45, 1.15)
    direction = (math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation))
    gain = rng.uniform(0.85, 1.15)
    sun, ambient, horizon, zenith, cloud, glare = {
        "clear": ((0.95, 0.88, 0.76), (0.30, 0.34, 0.42), (0.62, 0.72, 0.84), (0.10, 0.22, 0.55), 0.45, 0.5),
        "cloudy": ((0.16, 0.16, 0.16), (0.52, 0.54, 0.58), (0.60, 0.63, 0.67), (0.42, 0.46, 0.52), 1.0, 0.0),
        "low_sun": ((1.05, 0.72, 0.42), (0.26, 0.28, 0.36), (0.86, 0.68, 0.50), (0.18, 0.27, 0.50), 0.5, 1.6),
        "dusk": ((0.10, 0.07, 0.06), (0.15, 0.16, 0.23), (0.30, 0.23, 0.24), (0.04, 0.06, 0.15), 0.6, 0.0),
        "fog": ((0.12, 0.12, 0.12), (0.50, 0.51, 0.53), (0.58, 0.59, 0.61), (0.55, 0.56, 0.58), 0.0, 0.0),
    }[kind]
    density = math.exp(rng.uniform(math.log(0.0011), math.log(0.0035)))
    if kind == "fog":
        density = rng.uniform(0.012, 0.020) if severe else rng.uniform(0.004, 0.008)
    if kind == "low_sun" and not severe:
        glare = 0.9
    exposure = [(0.0, 1.0)]
    if steps and rng.uniform() < 0.35:
        exposure += [(t, rng.uniform(0.65, 1.45)) for t in np.cumsum(rng.uniform(3.0, 14.0, 3))]
    return Light(
        weather=kind,
        sun_direction=direction,
        sun=scaled(sun, gain),
        ambient=scaled(ambient, gain),
        horizon=scaled(horizon, gain),
        zenith=scaled(zenith, gain),
        fog_density=float(density),
        cloud=float(np.clip(cloud + rng.uniform(-0.3, 0.3), 0, 1)),
        glare=glare,
        exposure_steps=tuple((float(time_s), float(factor)) for time_s, factor in exposure),
    )


def sample_surfaces(rng: np.random.Generator, country: bool, wear: float | None = None) -> Surfaces:
    """Draw road and ground; a country road always has edge lines, since it has no kerb."""
    tone = rng.uniform(0.065, 0.17)
    white, yellow = (0.80, 0.80, 0.77), (0.78, 0.52, 0.07)
    ground = ((0.085, 0.15, 0.035), (0.16, 0.15, 0.055), (0.11, 0.14, 0.05))[int(rng.integers(3))]
    grey = rng.uniform(0.24, 0.42)
    return Surfaces(
        asphalt=(tone, tone, tone * rng.uniform(0.98, 1.10)),
        pavement=(grey, grey * rng.uniform(0.94, 1.0), grey * rng.uniform(0.86, 0.98)),
        ground=scaled(ground, rng.uniform(0.8, 1.3)),
        paint=white,
        centre_paint=yellow if rng.uniform() < 0.5 else white,
        centre_line=str(rng.choice(("dashed", "solid", "double"), p=[0.5, 0.2, 0.3])),
        has_edge_line=bool(country or rng.uniform() < 0.6),
        line_width_m=float(rng.uniform(0.12, 0.18)),
        dash_m=float(rng.uniform(2.5, 4.5)),
        dash_period_m=float(rng.uniform(7.5, 12.0)),
        wear=float(rng.uniform(0.0, 0.55)) if wear is None else wear,
    )
