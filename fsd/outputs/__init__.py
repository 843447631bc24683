"""What runs write and how it is read back: tables, journal, run folder."""
