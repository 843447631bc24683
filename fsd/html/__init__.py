"""One kit for every page: page, tables, SVG charts, escaping. Knows no feature."""
