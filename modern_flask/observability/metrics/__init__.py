"""Prometheus metrics of the process, and of several workers together."""
