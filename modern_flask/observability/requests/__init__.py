"""Requests: a span, a metric and ids for each of them."""
