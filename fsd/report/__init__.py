"""Pages for people: the report of a replay and the comparison of two, each one self-contained HTML file."""
