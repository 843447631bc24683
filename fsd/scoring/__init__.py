"""How far plans are from what the car then did."""
