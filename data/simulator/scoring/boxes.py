"""Whether two rectangles on the ground overlap: the collision test.

Source: separating axis theorem, S. Gottschalk, M. C. Lin, D. Manocha, OBBTree, SIGGRAPH 1996.
"""

import math

from fsd.data.kernel import kernel


@kernel
def boxes_overlap(
    ax: float,
    ay: float,
    a_heading: float,
    a_half_length: float,
    a_half_width: float,
    bx: float,
    by: float,
    b_heading: float,
    b_half_length: float,
    b_half_width: float,
) -> bool:
    """Whether rectangle a (centre, heading, half sizes) and rectangle b share a point."""
    dx, dy = bx - ax, by - ay
    ca, sa, cb, sb = math.cos(a_heading), math.sin(a_heading), math.cos(b_heading), math.sin(b_heading)
    along, across = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    if abs(dx * ca + dy * sa) > a_half_length + b_half_length * along + b_half_width * across:
        return False
    if abs(-dx * sa + dy * ca) > a_half_width + b_half_length * across + b_half_width * along:
        return False
    if abs(dx * cb + dy * sb) > b_half_length + a_half_length * along + a_half_width * across:
        return False
    return abs(-dx * sb + dy * cb) <= b_half_width + a_half_length * across + a_half_width * along
