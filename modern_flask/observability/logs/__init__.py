"""Log lines: their formats, their trace ids, and the masking of secrets."""
