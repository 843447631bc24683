"""Recording formats, one module each; `fsd.data.open_clip` chooses among them."""
