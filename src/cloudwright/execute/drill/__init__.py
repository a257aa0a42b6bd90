"""Failures on purpose: a bounded load, an injector, and what is measured meanwhile."""
