"""Power and energy meters, and what machine this is."""
