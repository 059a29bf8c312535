"""What can't work, reported before the first request: each rule with its own faults."""
