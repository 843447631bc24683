"""Frame sets to a fixed number of pixels worth looking at, and a bounded memory of the rest."""
