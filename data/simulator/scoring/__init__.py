"""Judge drives: events, and the field's measures computed from them."""
