"""A cloud.yaml is read whole, or every problem in it is said at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model.cloud import Cloud, datapath, virt_type
from cloudwright.model.document import MAX_BYTES
from cloudwright.model.facts import Facts
from cloudwright.model.load import load, read
from cloudwright.model.render_init import render_init

EXAMPLES = Path(__file__).parents[2] / "examples"
AIO = (EXAMPLES / "aio.yaml").read_text()


def cloud_of(text: str) -> Cloud:
    return read(text.encode(), "cloud.yaml")


def problems_of(text: str | bytes) -> list[Problem]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidCloud) as caught:
        read(content, "cloud.yaml")
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def changed(old: str, new: str) -> str:
    assert old in AIO
    return AIO.replace(old, new)


def test_aio_is_read_as_written() -> None:
    cloud = cloud_of(AIO)
    host = cloud.host("aio")
    assert cloud.release == "2026.2"
    assert host.roles == ("control", "network", "compute")
    assert (host.address, host.tunnel, host.external_interface) == (
        "10.64.0.11",
        "10.64.1.11",
        "eth2",
    )
    assert cloud.networks.tunnel and cloud.networks.tunnel.cidr == "10.64.1.0/24"
    assert cloud.networks.external.pool_end == "10.64.2.199"
    assert cloud.hosts_with("control") == (host,)
    assert not cloud.needs_virtual_address
    assert cloud.engine is None
    assert hash(cloud) == hash(cloud_of(AIO))


def test_three_controllers_are_read_in_order() -> None:
    cloud = load(EXAMPLES / "three-controllers.yaml")
    assert [h.name for h in cloud.hosts_with("control")] == ["ctl-1", "ctl-2", "ctl-3"]
    assert [h.name for h in cloud.hosts_with("compute")] == ["cmp-1", "cmp-2"]
    assert cloud.hosts_with("storage") == ()
    assert cloud.needs_virtual_address
    assert cloud.site("a").witness is False
    for find in (cloud.host, cloud.site):
        with pytest.raises(KeyError):
            find("none")


def test_the_release_may_be_written_as_a_number() -> None:
    assert cloud_of(changed('release: "2026.2"', "release: 2026.2")).release == "2026.2"


def test_a_third_site_may_only_vote() -> None:
    text = (EXAMPLES / "three-controllers.yaml").read_text()
    text = text.replace("sites: [a]", "sites: {a: , b: , w: {witness: true}}")
    text = text.replace("site: a\n    roles: [control", "site: b\n    roles: [control", 1)
    head, tail = text.split("  ctl-3:\n    site: a\n    roles: [control, network]\n")
    cloud = cloud_of(f"{head}  ctl-3:\n    site: w\n    roles: [witness]\n{tail}")
    assert cloud.site("w").witness


def test_what_a_host_does_not_say_of_ssh_the_cloud_says() -> None:
    text = AIO.replace("    site: a\n", "    site: a\n    ssh: {port: 2222}\n")
    cloud = cloud_of(text + "\nssh: {user: admin, port: 22, key: id}\n")
    ssh = cloud.host("aio").ssh
    assert (ssh.user, ssh.port, ssh.key) == ("admin", 2222, "id")
    assert cloud_of(AIO + "\nssh: {user: admin}\n").host("aio").ssh.user == "admin"


def test_a_problem_of_the_clouds_ssh_is_said_once() -> None:
    assert [p.text for p in problems_of(AIO + "\nssh: {prot: 2}\n")] == [
        'unknown key "prot" in "ssh"'
    ]


def test_key_files_are_beside_the_file_and_the_labs_are_found(tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text(AIO)
    assert load(file).host("aio").ssh.key is None
    lab = tmp_path / ".cloudwright" / "lab"
    lab.mkdir(parents=True)
    (lab / "id_ed25519").touch()
    (lab / "known_hosts").touch()
    ssh = load(file).host("aio").ssh
    assert ssh.key == str(lab / "id_ed25519")
    assert ssh.known_hosts == str(lab / "known_hosts")
    file.write_text(AIO + "\nssh: {key: keys/mine, known_hosts: /etc/hosts.known}\n")
    ssh = load(file).host("aio").ssh
    assert ssh.key == str(tmp_path / "keys" / "mine")
    assert ssh.known_hosts == "/etc/hosts.known"


def test_a_file_that_is_not_there_is_a_problem_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(InvalidCloud, match="1 problem") as caught:
        load(tmp_path / "cloud.yaml")
    assert "init" in caught.value.problems[0].hint
    with pytest.raises(InvalidCloud):
        load(tmp_path)


def test_a_misspelt_key_is_read_as_meant_so_that_it_hides_nothing() -> None:
    text = changed("address: 10.64.0.11 ", "adress: 10.99.0.11 ")
    unknown, outside = problems_of(text)
    assert unknown.line == outside.line
    assert unknown.text == 'unknown key "adress" in "hosts.aio"'
    assert "is not in the management network" in outside.text


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"name: \x00", b"name: " + b"x" * MAX_BYTES, b"{" * 100_000, b"a: b: c", b"..."],
)
def test_hostile_bytes_are_one_problem(content: bytes) -> None:
    assert len(problems_of(content)) == 1


def test_aliases_that_multiply_are_never_expanded() -> None:
    lines = ["a0: &a0 [x, x]"] + [
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 200)
    ]
    assert all("a" in p.text for p in problems_of("\n".join(lines)))


@settings(deadline=None)  # a busy machine is no fault
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_problem_and_never_a_crash(content: bytes) -> None:
    assert problems_of(content)


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(min_value=0, max_value=len(AIO)), st.text(max_size=5))
def test_any_damage_is_a_cloud_or_a_problem(at: int, text: str) -> None:
    try:
        cloud_of(AIO[:at] + text + AIO[at + len(text) :])
    except InvalidCloud as error:
        assert error.problems
        assert all(p.file == "cloud.yaml" for p in error.problems)


def test_auto_is_resolved_by_what_works_and_a_choice_is_kept() -> None:
    works, fails = (Facts(host="aio", kvm=good, kernel_ovs=good) for good in (True, False))
    cloud = cloud_of(AIO)
    assert (virt_type(cloud, works), virt_type(cloud, fails)) == ("kvm", "qemu")
    assert (datapath(cloud, works), datapath(cloud, fails)) == ("kernel", "userspace")
    chosen = cloud_of(AIO + "\ncompute: {virt: qemu}\nnetwork: {datapath: userspace}\n")
    assert (virt_type(chosen, works), datapath(chosen, works)) == ("qemu", "userspace")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_init_writes_a_file_that_can_be_read(count: int) -> None:
    hosts = [(f"h{i}", f"203.0.113.{i + 2}") for i in range(count)]
    cloud = cloud_of(render_init("mine", hosts))
    assert [h.name for h in cloud.hosts] == [name for name, _ in hosts]
    assert len(cloud.hosts_with("control")) == (3 if count >= 3 else 1)


def test_init_takes_roles_and_widens_the_network() -> None:
    hosts = [("a", "10.0.0.5,control+network"), ("b", "10.0.7.5,compute")]
    cloud = cloud_of(render_init("mine", hosts))
    assert cloud.networks.management.cidr == "10.0.0.0/21"
    assert cloud.host("b").roles == ("compute",)


@pytest.mark.parametrize(
    "hosts",
    [
        [("a", "10.0.0.300")],
        [("a_b", "10.0.0.3")],
        [("a", "10.0.0.3,")],
        [("a", "10.0.0.3,contrl")],
        [("a", "10.0.0.3"), ("a", "10.0.0.4")],
        [("a", "10.0.0.3"), ("b", "10.0.0.3")],
        [("a", "10.0.0.3,compute")],
        [("a", "0.0.0.0")],
        [("a", "127.0.0.1")],
        [("a", "10.0.0.1"), ("b", "200.0.0.1")],
        [("a", "203.0.113.5"), ("b", "198.51.100.9")],
    ],
)
def test_init_refuses_what_makes_no_cloud(hosts: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidCloud) as caught:
        render_init("mine", hosts)
    words = {"init", *(part for host in hosts for part in (*host, "=".join(host)))}
    assert all((p.file in words, p.line) == (True, 0) for p in caught.value.problems)


def test_init_places_problems_at_the_words_that_were_given() -> None:
    hosts = [("a", "10.0.0.1"), ("b", "10.0.0.2,control"), ("c", "10.0.0.3,witness")]
    with pytest.raises(InvalidCloud) as caught:
        render_init("My_Cloud", hosts)
    found = [(p.file, p.text.partition(":")[0]) for p in caught.value.problems]
    assert found == [
        ("--name My_Cloud", '"My_Cloud" is no name'),
        ("c=10.0.0.3,witness", 'host "c" has the role "witness", but its site "a" is no witness'),
    ]


def test_init_leaves_an_address_for_the_apis() -> None:
    hosts = [(f"h{i}", f"10.0.0.{i}") for i in range(2, 255)]
    cloud = cloud_of(render_init("mine", hosts))
    assert cloud.networks.management.cidr == "10.0.0.0/23"
    assert cloud.api.internal not in {host.address for host in cloud.hosts}
