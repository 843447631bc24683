"""Cameras to a driving plan: engine, pipeline, replay, profile and the command line."""
