"""Largest magnitudes of a road vehicle's motion that are believed, wherever a number comes from.

Wide on purpose: they tell damaged numbers and wrong units from motion, not good driving from bad.
"""

MAX_SPEED_MPS = 100.0
"""360 km/h."""

MAX_YAW_RATE_RPS = 10.0
"""A car that spins on ice reaches about 3 rad/s."""

MAX_ACCELERATION_MPS2 = 50.0
"""Tyres give about 12 m/s², racing cars 60 with wings; a crash is no plan and no input."""

MAX_CURVATURE_PER_M = 1.0
"""A turning radius of 1 m; the tightest road cars need 4 m."""

MAX_POSITION_M = 1e8
"""From the origin of any world frame: earth-centred positions and UTM coordinates are below 1.1e7 m."""

MAX_STEERING_WHEEL_RAD = 60.0
"""Nearly ten turns; cars have about one and a half to either side."""
