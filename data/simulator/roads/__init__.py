"""The standing world: roads, their rules and signals, what stands beside them, and how it looks. Numbers only."""
