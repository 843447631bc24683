"""Recorded or simulated clips to time-aligned frame sets: decode, clocks, calibration."""
