"""Which generation of each secret is in use now."""

from __future__ import annotations

from cloudwright.model.secrets import find_keys, taken_apart
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed
from cloudwright.plan.steps import WriteFiles


def in_use(blueprint: Blueprint, observed: Observed) -> frozenset[tuple[str, int]]:
    """Lineage and generation of every secret in the files that hosts have: what was found where it
    is not what is declared, and nothing of what is not there yet."""
    keys: set[str] = set()
    for step in blueprint.steps.values():
        seen = observed.seen.get(step.id)
        if isinstance(step.action, WriteFiles) and seen:
            found = {file.name: file.text for file in seen.found}
            for file in step.action.files:
                keys |= find_keys(found.get(file.name, file.text))
    return frozenset(taken_apart(key) for key in keys)
