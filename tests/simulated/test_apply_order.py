"""What refuses an `apply` does so before an image is sent, and before the lock is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.errors import CloudError, Locked, Missing, UnsafePlan
from tests.simulated.site import Site


def test_images_are_sent_to_every_host_before_anything_is_done(site: Site) -> None:
    proposal = site.apply()
    assert site.supplied() == set(site.engines) == site.changed() | {"cmp-1", "cmp-2"}
    assert not proposal.plan.is_empty


def test_a_plan_in_a_file_is_done_with_its_images(site: Site) -> None:
    file = site.plan()
    assert site.supplied() == site.changed() == set()
    assert not site.apply(file).plan.is_empty
    assert site.supplied() == set(site.engines)


@pytest.mark.parametrize("by_file", [True, False])
def test_only_hosts_of_the_plan_get_images(site: Site, by_file: bool) -> None:
    proposal = site.apply(site.plan("cmp-1")) if by_file else site.apply(hosts=("cmp-1",))
    hosts = {p.step.host for p in proposal.plan.planned}
    assert "cmp-1" in hosts and "cmp-2" not in hosts
    assert site.supplied() == hosts


def cut(site: Site) -> Path:
    file = site.plan()
    file.write_text(file.read_text()[:-100])
    return file


def edited(site: Site) -> Path:
    file = site.plan()
    file.write_text(file.read_text().replace("is not there", "was not there", 1))
    return file


def moved(site: Site) -> Path:
    file = site.plan()
    path = site.folder / "cloud.yaml"
    path.write_text(path.read_text() + "# another word\n")
    return file


def held(site: Site) -> Path:
    file = site.plan()
    site.lock()
    return file


def full(site: Site) -> Path:
    file = site.plan()
    site.free = 2**20
    return file


def unbuilt(site: Site) -> None:
    site.built = False


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (cut, UnsafePlan, "cut short"),
        (edited, UnsafePlan, "was changed after it was made"),
        (moved, UnsafePlan, "something has moved since"),
        (held, Locked, "another run holds this cloud"),
        (full, Missing, "stand in the plan's way"),
        (unbuilt, Missing, "container images are missing"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_refused_sends_no_image(
    site: Site, spoil: Callable[[Site], Path | None], kind: type[CloudError], words: str
) -> None:
    file = spoil(site)
    before = site.changed()
    with pytest.raises(kind, match=words):
        site.apply(file)
    assert site.supplied() == set()
    assert site.changed() == before


@pytest.mark.parametrize(
    "spoil", [lambda site: site.lock(), lambda site: setattr(site, "free", 1)]
)
def test_without_a_file_it_is_refused_before_as_well(
    site: Site, spoil: Callable[[Site], None]
) -> None:
    spoil(site)
    with pytest.raises((Locked, Missing)):
        site.apply()
    assert site.supplied() == set()
