"""What holds in every tier: no test may fail for being slow, so Hypothesis sets no deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
