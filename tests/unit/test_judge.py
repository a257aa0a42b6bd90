"""A container that is there against the one that is declared: what is wrong with it, in words."""

from __future__ import annotations

from dataclasses import replace

from cloudwright.declare.rollout import Quorum
from cloudwright.engine.api import ContainerState
from cloudwright.execute.host import labels
from cloudwright.execute.host.judge import container_seen
from cloudwright.plan.steps import ContainerBody, RunContainer, Step

BODY = ContainerBody(image="db:1", image_id="new", environment={}, binds=())
ACTION = RunContainer(
    container="db", body=BODY, config_digest="c", rollout=Quorum(speaks="tls"), members=()
)
STEP = Step(id="db/db@ctl", host="ctl", action=ACTION)
STATE = ContainerState(
    name="db",
    id="1",
    image="db:1",
    image_id="new",
    labels={labels.CLOUD: "tiny", labels.DIGEST: STEP.digest, labels.SPEAKS: "tls"},
    state="running",
)


def labelled(**changed: str) -> ContainerState:
    return replace(STATE, labels={**STATE.labels, **changed})


def test_the_declared_container_is_as_declared() -> None:
    assert container_seen(STEP, STATE, None, "tiny").digest == STEP.digest


def test_a_member_that_speaks_otherwise_runs_and_is_not_kept() -> None:
    """Whatever else is new about it: it can do nothing with those that were made anew."""
    otherwise = labelled(**{labels.SPEAKS: "plain"})
    for state in (otherwise, replace(otherwise, image_id="old")):
        seen = container_seen(STEP, state, None, "tiny")
        assert (seen.up, seen.runs) == (False, True)
        assert seen.why == "speaks otherwise with the other members"
