"""Where ended spans go, and how they get there."""
