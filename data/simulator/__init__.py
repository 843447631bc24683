"""A small procedural driving world: roads, traffic, an expert driver, and eight rendered cameras."""
