"""What we write on containers and volumes, so that the evidence lives where the thing lives."""

from __future__ import annotations

CLOUD = "cloudwright.cloud"
STEP = "cloudwright.step"
DIGEST = "cloudwright.digest"
KIND = "cloudwright.kind"  # "container" or "job"
READ = "cloudwright.read"
"""The digest of the step that would have it read again what it read as it started."""
