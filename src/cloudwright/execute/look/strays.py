"""Containers of the cloud that nothing declares any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudwright.engine.api import ContainerState
from cloudwright.execute.host import labels
from cloudwright.plan.steps import RunContainer, Step


def strays(
    containers: Iterable[ContainerState], cloud: str, steps: Iterable[Step]
) -> Iterator[ContainerState]:
    """Those of one host's `containers` that are of the cloud called `cloud` and that none of
    `steps`, all of that host's, declares. A job ends by itself, and is none."""
    actions = (step.action for step in steps)
    declared = {action.container for action in actions if isinstance(action, RunContainer)}
    for one in containers:
        of_cloud = one.labels.get(labels.CLOUD) == cloud
        if of_cloud and one.labels.get(labels.KIND) == "container" and one.name not in declared:
            yield one
