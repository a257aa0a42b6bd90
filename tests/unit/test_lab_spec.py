"""What a lab is made of, worked out from a cloud."""

from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.errors import InvalidCloud
from cloudwright.lab.containers import create_command, digest_in
from cloudwright.lab.disks import make_command
from cloudwright.lab.host_image import image_tag
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.cloud import Cloud
from cloudwright.model.load import load

EXAMPLES = Path(__file__).parents[2] / "examples"
AIO = EXAMPLES / "aio.yaml"
KERNEL_NAME_LIMIT = 15


def aio() -> Cloud:
    return load(AIO)


def names(spec: LabSpec) -> list[str]:
    cables = [nic.cable for host in spec.hosts for nic in host.nics]
    links = [end for link in spec.links for end in (link.segment_end, link.backbone_end)]
    return [segment.bridge for segment in spec.segments] + cables + links


def two_sites() -> Cloud:
    cloud = aio()
    other = replace(
        cloud.hosts[0], name="far", site="b", address="10.64.0.12", tunnel_address="10.64.1.12"
    )
    sites = (cloud.sites[0], replace(cloud.sites[0], name="b"))
    return replace(cloud, sites=sites, hosts=(*cloud.hosts, other))


def test_one_host_has_a_card_in_each_network() -> None:
    (host,) = spec_of(aio(), AIO).hosts
    assert [(nic.name, nic.address) for nic in host.nics] == [
        ("eth0", "10.64.0.11/24"),
        ("eth1", "10.64.1.11/24"),
        ("eth2", None),
    ]
    assert host.route == "10.64.0.1"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_device_names_are_short_unlike_and_marked_as_ours(file: Path) -> None:
    spec = spec_of(load(file), file)
    found = names(spec)
    assert len(found) == len(set(found))
    assert all(name.startswith(spec.devices) for name in found)
    assert max(map(len, found)) <= KERNEL_NAME_LIMIT


def test_one_site_needs_no_links() -> None:
    spec = spec_of(aio(), AIO)
    assert not spec.links
    assert len(spec.segments) == 3


def test_two_sites_have_a_segment_each_and_a_link_that_can_be_cut() -> None:
    spec = spec_of(two_sites(), AIO)
    found = names(spec)
    assert len(found) == len(set(found))
    assert max(map(len, found)) <= KERNEL_NAME_LIMIT
    management = [s.site for s in spec.segments if s.wire.name == "management"]
    assert management == ["a", "b", None]
    assert {link.segment.site for link in spec.links} == {"a", "b"}
    near, far = spec.hosts
    assert near.nics[0].segment.site == "a"
    assert far.nics[0].segment.site == "b"


def test_a_host_keeps_its_cables_when_another_comes_before_it() -> None:
    cloud = two_sites()
    turned = replace(cloud, hosts=tuple(reversed(cloud.hosts)))
    before, after = spec_of(cloud, AIO), spec_of(turned, AIO)
    assert before.host("aio").nics == after.host("aio").nics


def test_two_places_of_one_cloud_have_labs_of_their_own(tmp_path: Path) -> None:
    assert spec_of(aio(), AIO).id != spec_of(aio(), tmp_path / "cloud.yaml").id
    assert spec_of(aio(), AIO).id == spec_of(aio(), AIO).id


def test_this_machine_takes_an_address_that_no_host_has() -> None:
    cloud = aio()
    first = replace(cloud.hosts[0], address="10.64.0.1")
    spec = spec_of(replace(cloud, hosts=(first,)), AIO)
    assert spec.hosts[0].route == "10.64.0.2"


def test_every_address_outside_of_its_network_is_told() -> None:
    cloud = aio()
    wrong = replace(cloud.hosts[0], address="192.0.2.7", tunnel_address="192.0.2.8")
    with pytest.raises(InvalidCloud) as caught:
        spec_of(replace(cloud, hosts=(wrong,)), AIO)
    assert len(caught.value.problems) == 2


def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidCloud, match="aio"):
        spec_of(aio(), AIO).host("aoi")


def test_a_container_is_known_by_a_digest_of_how_it_is_made() -> None:
    spec = spec_of(aio(), AIO)
    host = spec.hosts[0]
    one = create_command(spec, host, image="image:1", store="/store")
    assert digest_in(one) == digest_in(create_command(spec, host, image="image:1", store="/store"))
    moved = replace(host, address="10.64.0.12")
    for other in (
        create_command(spec, host, image="image:2", store="/store"),
        create_command(spec, moved, image="image:1", store="/store"),
    ):
        assert digest_in(one) != digest_in(other)


def test_a_disk_of_its_own_is_a_file_beside_the_keys_of_the_lab() -> None:
    spec = spec_of(aio(), AIO)
    host = spec.hosts[0]
    made = make_command(spec, host, 16).split(" && ")
    file = spec.directory / "disks" / "aio.ext4"
    assert f"truncate --size=16G {file}" in made
    assert f"mkfs.ext4 -q -F {file}" in made
    assert made[-1].endswith(f"--opt=device={file} {host.container}")
    assert f"--volume={host.container}:/var/lib/containers" in create_command(
        spec, host, image="image:1", store=""
    )


def test_the_image_is_named_after_its_recipe() -> None:
    name, _, digest = image_tag().partition(":")
    assert name == "localhost/cloudwright/lab-host"
    assert len(digest) == 12
