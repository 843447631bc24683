"""Four ways to feed ticks to the planner, and the measurements taken meanwhile."""
