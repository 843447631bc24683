"""Vehicles, pedestrians and the ego car: how they move and how they decide."""
