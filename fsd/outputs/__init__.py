"""Files that runs write, and how they are read back: summaries, tables, journal, run folder."""
