"""What the compressor keeps of a recording."""
