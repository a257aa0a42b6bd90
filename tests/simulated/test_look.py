"""What `plan` says of containers that are there: what of them is not as declared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cloudwright.engine.api import ContainerSpec
from cloudwright.execute.host import labels
from cloudwright.execute.host.container import spec_of
from cloudwright.plan.difference import Change
from cloudwright.plan.steps import RunContainer
from tests.simulated.site import Site

STEP = "glance/glance-api@ctl-1"
OTHER = "localhost/cloudwright/placement:2026.2"


def without(said: Mapping[str, str], *names: str) -> Mapping[str, str]:
    return {name: text for name, text in said.items() if name not in names}


def whole(spec: ContainerSpec) -> ContainerSpec:
    return spec


def another_image(spec: ContainerSpec) -> ContainerSpec:
    said = spec.labels | {labels.DIGEST: "old"}
    return replace(spec, image=OTHER, labels=said)


def another_config(spec: ContainerSpec) -> ContainerSpec:
    return replace(spec, labels=spec.labels | {labels.DIGEST: "old", labels.CONFIG: "old"})


def another_environment(spec: ContainerSpec) -> ContainerSpec:
    said = spec.labels | {labels.DIGEST: "old"}
    return replace(spec, environment=without(spec.environment, "KOLLA_SERVICE_NAME"), labels=said)


def both(spec: ContainerSpec) -> ContainerSpec:
    return another_config(another_environment(spec))


def of_an_older_version(spec: ContainerSpec) -> ContainerSpec:
    old = another_environment(spec)
    return replace(old, labels=without(old.labels, labels.CONFIG))


def forged(spec: ContainerSpec) -> ContainerSpec:
    return replace(another_environment(spec), labels=spec.labels)


def only_not_labelled(spec: ContainerSpec) -> ContainerSpec:
    return replace(spec, labels=without(spec.labels, labels.CONFIG, labels.READ))


LACKS = "its environment lacks KOLLA_SERVICE_NAME=glance-api"
CASES = {
    whole: None,
    only_not_labelled: None,
    another_image: "runs another image: {old} → {new}",
    another_config: "its configuration changed",
    another_environment: f"its specification changed, {LACKS}",
    both: f"its configuration changed, {LACKS}",
    of_an_older_version: f"its configuration or specification changed, {LACKS}",
    forged: LACKS,
}


@pytest.mark.parametrize("made", CASES, ids=lambda made: made.__name__)
def test_what_of_a_container_is_not_as_declared(site: Site, made: object) -> None:
    site.apply()
    engine = site.engines["ctl-1"]

    async def story() -> str | None:
        session = site.session()
        step = (await session.blueprint()).steps[STEP]
        assert isinstance(step.action, RunContainer)
        spec = made(spec_of(step, step.action.body, session.cloud.name))  # type: ignore[operator]
        await engine.create(spec)
        await engine.start(spec.name)
        _, _, plan = await session.plan()
        found = next((p for p in plan.planned if p.step.id == STEP), None)
        assert found is None or (found.change, found.up) == (Change.ALTER, True)
        return found.why if found else None

    ids = {"old": asyncio.run(engine.image_id(OTHER))[:12]}
    ids["new"] = asyncio.run(engine.image_id(OTHER.replace("placement", "glance")))[:12]
    wanted = CASES[made]  # type: ignore[index]
    assert asyncio.run(story()) == (wanted.format(**ids) if wanted else None)
