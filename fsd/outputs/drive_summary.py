"""`summary.json` of `fsd drive`."""

import msgspec

from fsd.outputs.run_info import Status
from fsd.outputs.summary_file import Summary


class DriverMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Means over the routes of one driver; one that no route supports is left out of the file.

    Attributes:
        driving_score, route_completion, pdms: 0 to 1, as the simulator's scores define them.
        collisions: share of routes. red_light_obeyed: share of the stop lines met.
    """

    routes: int
    driving_score: float | None = None
    route_completion: float | None = None
    pdms: float | None = None
    collisions: float | None = None
    lane_offset_m: float | None = None
    offroad_per_10km: float | None = None
    red_light_obeyed: float | None = None


class DriveSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="drive"):
    """One closed-loop run; `routes.json` has every route. `simulated` is always true: no result is from a real road.

    Attributes:
        status, error: how the run stands or ended; `drivers` has the routes until then.
        scenarios: driven; routes: of each scenario, with seeds from `first_seed` on.
        latency, follow, draw_every_ticks, mask_cameras: of the network drivers, as in `DriveConfig`.
        drivers: name -> means over all routes.
        failures: route -> reason, of those that failed at every attempt on a cluster.
    """

    schema_version: int = 1
    simulated: bool = True
    status: Status = "complete"
    error: str | None = None
    scenarios: tuple[str, ...]
    routes: int
    first_seed: int
    latency: str
    follow: str
    draw_every_ticks: int
    mask_cameras: bool = True
    drivers: dict[str, DriverMetrics]
    failures: dict[str, str] = msgspec.field(default_factory=dict)
