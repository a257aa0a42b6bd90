"""What we write on containers and volumes, so that the evidence lives where the thing lives."""

from __future__ import annotations

from cloudwright.declare.rollout import Quorum
from cloudwright.plan.steps import RunContainer

CLOUD = "cloudwright.cloud"
STEP = "cloudwright.step"
DIGEST = "cloudwright.digest"
KIND = "cloudwright.kind"  # "container" or "job"
READ = "cloudwright.read"
"""The digest of the step that would have it read again what it read as it started."""
CONFIG = "cloudwright.config"
"""The digest of what it can only read as it starts; says what changed, and decides nothing."""
SPEAKS = "cloudwright.speaks"
"""How a member of a cluster speaks with the others (`Quorum.speaks`)."""


def particular(action: RunContainer) -> dict[str, str]:
    """What is said of some containers alone."""
    speaks = action.rollout.speaks if isinstance(action.rollout, Quorum) else ""
    said = {READ: action.read, CONFIG: action.config_digest, SPEAKS: speaks}
    return {label: text for label, text in said.items() if text}
