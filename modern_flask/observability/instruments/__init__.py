"""Spans and metrics of one component each: SQL, Redis, storage, tasks."""
