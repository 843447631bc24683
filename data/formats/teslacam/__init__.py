"""TeslaCam: what a Tesla saves on its stick."""
