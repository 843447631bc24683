"""Live cameras: devices, network streams, files and Python functions as frame sets at 36 Hz."""
