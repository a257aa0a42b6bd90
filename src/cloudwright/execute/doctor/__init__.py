"""The doctor looks at this machine for what stands in the way, and says and applies the cure."""

from __future__ import annotations

from cloudwright.execute.doctor.checkup import cure, diagnose
from cloudwright.execute.doctor.finding import Finding

__all__ = ["Finding", "cure", "diagnose"]
