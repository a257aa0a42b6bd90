"""Which hosts get which container images, decided from what each has."""

from __future__ import annotations

from pathlib import Path

from cloudwright.model.load import load
from cloudwright.operations.deliver import Holdings, deliver, needed_images
from cloudwright.plan.explain import explain
from cloudwright.plan.steps import BringImages
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"
CLOUD = load(EXAMPLES / "aio.yaml")
(HOST,) = (host.name for host in CLOUD.hosts)
NEEDED = needed_images(CLOUD, SERVICES)[HOST]
IDS = {reference: f"id of {reference}" for reference in NEEDED}
ALL = frozenset(IDS.values())
NOVA = next(reference for reference in NEEDED if "/nova:" in reference)


def brought(holdings: Holdings, *hosts: str) -> dict[str, dict[str, str]]:
    """Host → the images that it is sent."""
    _, plan = deliver(CLOUD, SERVICES, holdings, hosts)
    found = {}
    for planned in plan.planned:
        assert isinstance(planned.step.action, BringImages)
        found[planned.step.host] = dict(planned.step.action.images)
    return found


def test_a_host_with_all_images_gets_none() -> None:
    assert brought(Holdings(local=IDS, held={HOST: ALL}, ids=IDS)) == {}


def test_an_empty_host_gets_all_that_it_runs() -> None:
    assert brought(Holdings(local=IDS, held={HOST: frozenset()}, ids=IDS)) == {HOST: IDS}


def test_content_decides_and_not_a_name() -> None:
    """A host that has an older build under the same name gets the new one."""
    older = ALL - {IDS[NOVA]} | {"an older build"}
    assert brought(Holdings(local=IDS, held={HOST: older}, ids=IDS)) == {HOST: {NOVA: IDS[NOVA]}}


def test_what_this_machine_does_not_have_is_not_promised() -> None:
    """The plan itself says that such an image is missing."""
    local = {reference: id for reference, id in IDS.items() if reference != NOVA}
    sent = brought(Holdings(local=local, held={HOST: frozenset()}, ids=IDS))
    assert sent == {HOST: local}
    assert brought(Holdings(local={}, held={HOST: frozenset()}, ids={})) == {}


def test_a_host_that_was_not_reached_or_asked_for_is_left_out() -> None:
    assert brought(Holdings(local=IDS, held={}, ids=IDS)) == {}
    assert brought(Holdings(local=IDS, held={HOST: frozenset()}, ids=IDS), "another") == {}


def test_only_what_a_host_runs_is_sent_there() -> None:
    cloud = load(EXAMPLES / "two-sites.yaml")
    needed = needed_images(cloud, SERVICES)
    compute = next(h.name for h in cloud.hosts if set(h.roles) == {"compute"})
    assert not any("/mariadb:" in reference for reference in needed[compute])
    assert any("/nova-libvirt:" in reference for reference in needed[compute])


def test_the_step_says_how_many() -> None:
    blueprint, plan = deliver(
        CLOUD, SERVICES, Holdings(local=IDS, held={HOST: ALL - {IDS[NOVA]}}, ids=IDS)
    )
    assert "1 container image of this machine" in explain(plan, blueprint, SERVICES)
