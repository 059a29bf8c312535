"""Log lines: their formats, their trace ids, and what must not be in them."""
