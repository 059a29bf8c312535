"""Deployment: writes a service's manifests, and compares written ones with it."""
