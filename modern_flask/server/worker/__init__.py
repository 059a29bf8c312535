"""The kit's worker class for gunicorn."""
