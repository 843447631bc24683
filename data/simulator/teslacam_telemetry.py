"""The telemetry that a Tesla would write on a simulated drive, at a made-up place in the open sea."""

import math

from fsd.data.formats.local_frame import LocalFrame
from fsd.data.formats.teslacam.steering_fit import TESLA_MODEL_3
from fsd.data.formats.teslacam.telemetry_message import DRIVE, TelemetryMessage
from fsd.data.simulator.traffic.dynamics import MAX_ACCELERATION_MPS2
from fsd.data.simulator.world import World

PLACES = 500
PLACE_STEP_DEG = 0.04
"""Between the places of two worlds, 4.4 km: drives in different worlds are drives in different places."""

BRAKE_MPS2 = -0.3
STANDSTILL_MPS = 0.05


def origin(seed: int) -> LocalFrame:
    """Where a world's x and y are 0: in the Atlantic, hundreds of kilometres from land."""
    return LocalFrame(latitude_deg=30.01 + PLACE_STEP_DEG * (seed % PLACES), longitude_deg=-40.0)


def telemetry_message(world: World, place: LocalFrame) -> TelemetryMessage:
    """The message of the world's current state: a person drives. Accelerations are left out, their axes are unclear.

    Args:
        place: where the world's x and y are 0.
    """
    ego = world.ego
    latitude_deg, longitude_deg = place.degrees(ego.x_m, ego.y_m)
    left_rad = math.atan(ego.curvature * TESLA_MODEL_3.wheelbase_m) * TESLA_MODEL_3.ratio
    return TelemetryMessage(
        gear=DRIVE,
        frame_sequence_number=world.tick,
        speed_mps=ego.speed_mps,
        accelerator_pedal_position=100 * max(ego.acceleration_mps2, 0.0) / MAX_ACCELERATION_MPS2,
        steering_wheel_angle_deg=-math.degrees(left_rad),
        blinker_left=world.command in ("left", "lane_left"),
        blinker_right=world.command in ("right", "lane_right"),
        brake_applied=ego.acceleration_mps2 < BRAKE_MPS2 or ego.speed_mps < STANDSTILL_MPS,
        autopilot_state=0,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        heading_deg=(90.0 - math.degrees(ego.heading_rad)) % 360.0,
    )
