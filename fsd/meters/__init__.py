"""Energy meters, CPU steal, and a description of the machine."""
