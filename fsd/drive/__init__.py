"""Closed loop in the simulator."""
