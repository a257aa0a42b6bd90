"""What a failure would take away, from the file alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cloudwright.cli.what_if import _instances, what_if
from cloudwright.errors import InvalidCloud
from cloudwright.model.cloud import Cloud
from cloudwright.model.load import load, read
from cloudwright.operations.what_if import (
    Failure,
    Forecast,
    every,
    forecast,
    lose,
    partition,
    would_stop,
)
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO = load(EXAMPLES / "two-sites.yaml")
THREE = load(EXAMPLES / "three-controllers.yaml")


def after(cloud: Cloud, *names: str) -> Forecast:
    return forecast(cloud, SERVICES, lose(cloud, names))


def test_two_sites_and_a_witness_survive_the_loss_of_each() -> None:
    assert all(forecast(TWO, SERVICES, failure).survives for failure in every(TWO, 1))
    lost = after(TWO, "site:a")
    assert lost.serves == 0
    assert {v.cluster: v.votes for v in lost.votes} == {
        "mariadb": (2,),
        "rabbitmq": (2,),
        "ovn-nb-db": (2,),
        "ovn-sb-db": (2,),
    }
    assert (lost.computes, lost.caches) == (("cmp-a",), ("ctl-a",))
    assert (lost.files, lost.late) == ((), (("glance-api", "ctl-a"),))


def test_a_site_and_the_witness_are_too_much() -> None:
    lost = after(TWO, "site:a", "site:w")
    assert not lost.survives
    assert {v.cluster for v in lost.votes if not v.goes_on} >= {"mariadb", "rabbitmq"}


def test_an_arbitrator_alone_with_its_vote_keeps_no_data() -> None:
    lost = after(TWO, "ctl-a", "ctl-b")
    assert not any(v.goes_on for v in lost.votes)


def test_of_a_partition_exactly_one_side_writes() -> None:
    cut = forecast(TWO, SERVICES, partition(TWO, "a|b,w"))
    assert cut.serves == 1
    assert {v.votes for v in cut.votes} == {(1, 2)}
    assert "cmp-a" in cut.computes
    thirds = forecast(TWO, SERVICES, partition(TWO, "a|b|w"))
    assert thirds.serves is None


def test_of_two_who_only_see_a_third_the_first_goes_on() -> None:
    cut = forecast(TWO, SERVICES, partition(TWO, "a|b"))
    assert cut.survives
    assert cut.failure.sides == ({"ctl-a", "cmp-a", "witness"}, {"ctl-b", "cmp-b"})
    assert cut.failure.aside == {"ctl-b"}
    assert cut.cut_off == ("cmp-b",)
    assert {v.votes for v in cut.votes} == {(2, 1)}
    assert partition(TWO, "a|b|w").aside == set()
    said = said_of("two-sites.yaml", "--partition", "a|b")
    assert "partition a|b: goes on" in said
    assert "aside:      ctl-b, until the line is back" in said
    witness = partition(TWO, "a|w")  # b sees both
    assert witness.sides == ({"ctl-a", "cmp-a", "ctl-b", "cmp-b"}, {"witness"})
    assert witness.aside == {"witness"}


def test_one_site_of_three_controllers_survives_one_host_only() -> None:
    assert after(THREE, "ctl-2").survives
    assert not after(THREE, "ctl-1", "ctl-2").survives
    assert not after(THREE, "site:a").survives


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lose", "site:x"], 'there is no "site:x"'),
        (["--lose", "rack:a"], 'there is no "rack:a"'),
        (["--partition", "a"], '"a" is no partition'),
        (["--partition", "a|a"], '"a|a" is no partition'),
    ],
)
def test_what_is_not_in_the_cloud_is_refused(words: list[str], said: str) -> None:
    result = CliRunner().invoke(what_if, [*words, str(EXAMPLES / "two-sites.yaml")])
    assert isinstance(result.exception, InvalidCloud)
    assert said in str(result.exception)


def test_it_says_what_is_kept_and_what_is_lost() -> None:
    path = str(EXAMPLES / "two-sites.yaml")
    said = CliRunner().invoke(what_if, ["--lose", "site:a", path], standalone_mode=False)
    assert said.return_value == 0
    assert "lose site:a: goes on" in said.output
    assert "files that came to glance-api on ctl-a in its last moments" in said.output
    stops = CliRunner().invoke(what_if, ["--all", "2", path], standalone_mode=False)
    assert stops.return_value == 10
    assert "STOPS: mariadb" in stops.output


def test_one_controller_of_those_that_go_on_has_the_address() -> None:
    assert after(TWO, "site:a").address == ("ctl-b",)
    assert after(TWO, "site:w").address == ("ctl-a", "ctl-b")
    assert after(TWO, "site:a", "site:w").address == ()
    assert forecast(TWO, SERVICES, partition(TWO, "a|b")).address == ("ctl-a",)
    assert "address:    ctl-b\n" in said_of("two-sites.yaml", "--lose", "site:a")
    assert "address:    one of b-1, c-1\n" in said_of("three-sites.yaml", "--lose", "site:a")


def test_whose_loss_beside_it_would_stop_the_cloud() -> None:
    def fatal(failure: Failure) -> tuple[str, ...]:
        return would_stop(TWO, SERVICES, forecast(TWO, SERVICES, failure))

    for failure in every(TWO, 1):
        for name in (host.name for host in TWO.hosts if host.name in failure.up):
            both = Failure(label="", sides=(failure.up - {name},))
            stops = not forecast(TWO, SERVICES, both).survives
            assert stops == (name in fatal(failure))
    assert fatal(lose(TWO, ["cmp-a"])) == ()
    assert fatal(lose(TWO, ["site:a", "site:w"])) == ()  # it has stopped
    assert fatal(partition(TWO, "a|b,w")) == ("ctl-b", "witness")
    assert fatal(partition(TWO, "a|b")) == ()  # b and the witness still see each other


def test_what_is_known_to_be_worse_meanwhile_is_said() -> None:
    lost = said_of("two-sites.yaml", "--lose", "site:a")
    assert "limits:     up to 5 s at a time without an answer (15 s to make a port," in lost
    assert "limits:     for 20 s Nova may send new servers to cmp-a" in lost
    assert "limits:     what `evacuate` brings up elsewhere is made anew from its image" in lost
    assert "limits:     the loss of ctl-b or witness, too, would stop the cloud" in lost
    cut = said_of("two-sites.yaml", "--partition", "a|b,w")
    assert "Nova may send new servers to cmp-a" in cut
    assert "`evacuate` brings up" not in cut  # it runs on
    assert "limits:" not in said_of("two-sites.yaml", "--lose", "site:a,site:w")


def test_a_program_is_told_the_same() -> None:
    (told,) = json.loads(said_of("two-sites.yaml", "--lose", "site:a", "--json"))
    assert told["address"] == ["ctl-b"]
    assert told["would_stop"] == ["ctl-b", "witness"]
    assert told["files_late"] == [["glance-api", "ctl-a"]]
    assert told["files_lost"] == []


def said_of(example: str, *words: str) -> str:
    done = CliRunner().invoke(what_if, [*words, str(EXAMPLES / example)], standalone_mode=False)
    return done.output


def test_what_becomes_of_floating_ips_depends_on_where_they_leave() -> None:
    central = said_of("two-sites.yaml", "--lose", "site:a")
    assert "instances:  those on cmp-a are gone until their host is back, or `evacuate`" in central
    assert "the other 1 of 2 compute hosts\n" in central
    every = said_of("two-sites.yaml", "--lose", "cmp-a,cmp-b")
    assert "instances:  those on cmp-a, cmp-b are gone until their host is back\n" in every
    assert "instances:  floating IPs pass by ctl-b alone: no longer by ctl-a\n" in central
    assert "floating" not in said_of("two-sites.yaml", "--lose", "cmp-a")
    cut = said_of("two-sites.yaml", "--partition", "a|b,w")
    assert "those on cmp-a run on out of reach, and nobody can change them" in cut
    own = said_of("three-sites.yaml", "--lose", "site:a")
    assert "what has no floating IP leaves by b-1, c-1 alone: no longer by a-1" in own
    cut = said_of("three-sites.yaml", "--partition", "a|b,c")
    assert "floating IPs of those leave by the host itself" in cut


GATEWAY = """\
  gw:
    site: a
    roles: [network]
    address: 10.65.0.31
    tunnel_address: 10.65.1.31
"""


@pytest.mark.parametrize("ha", ["central", "distributed"])
def test_without_a_gateway_only_distributed_floating_ips_have_a_way(ha: str) -> None:
    text = (EXAMPLES / "three-controllers.yaml").read_text().replace(", network]", "]")
    text = text.replace("  cmp-1:", f"{GATEWAY}  cmp-1:")
    for role in ("compute", "network"):
        text = text.replace(f"[{role}]", f"[{role}]\n    external_interface: eth2")
    lost = after(read(f"{text}\nnetwork: {{ha: {ha}}}\n".encode(), "cloud.yaml"), "gw")
    assert lost.survives
    assert (lost.gateways, lost.gateways_lost, lost.ha) == ((), ("gw",), ha)
    words = " ".join(_instances(lost))
    assert "no host of role network is left: no way in or out" in words
    assert ("but for floating IPs" in words) == (ha == "distributed")


def test_a_layout_that_a_site_can_stop_is_refused_unless_it_may() -> None:
    text = (EXAMPLES / "three-controllers.yaml").read_text()
    spread = text.replace("sites: [a]", "sites: [a, b]").replace("site: a", "site: b", 1)
    with pytest.raises(InvalidCloud) as caught:
        read(spread.encode(), "cloud.yaml")
    (problem,) = caught.value.problems
    assert 'the loss of site "a" takes 2 of 3 votes' in problem.text
    assert "survive: host" in problem.hint
    assert read(f"{spread}\nsurvive: host\n".encode(), "cloud.yaml").survive == "host"


CARRIERS = st.sets(st.sampled_from(("control", "network", "compute")), min_size=1).map(sorted)
SITES = st.lists(CARRIERS, min_size=1, max_size=3) | st.lists(
    st.just(["witness"]), min_size=1, max_size=2
)
ALL = ["control", "network", "compute"]


def described(layout: list[list[list[str]]], survive: str) -> bytes:
    """A `cloud.yaml` with these sites, each with hosts of these roles."""
    hosts = {
        f"{site}{number}": {
            "site": site,
            "roles": roles,
            "address": f"10.0.0.{10 * place + number}",
            "external_interface": "eth2",
        }
        for place, (site, there) in enumerate(zip("abcd", layout, strict=False), start=1)
        for number, roles in enumerate(there)
    }
    controllers = [host["address"] for host in hosts.values() if "control" in host["roles"]]
    api = controllers[0] if len(controllers) == 1 else "10.0.0.100"
    pool = {"gateway": "10.0.1.1", "pool_start": "10.0.1.10", "pool_end": "10.0.1.20"}
    whole = {
        "name": "drawn",
        "survive": survive,
        "sites": {
            site: {"witness": ["witness"] in there}
            for site, there in zip("abcd", layout, strict=False)
        },
        "hosts": hosts,
        "networks": {
            "management": {"cidr": "10.0.0.0/24"},
            "external": {"cidr": "10.0.1.0/24", **pool},
        },
        "api": {"internal": api, "external": api},
    }
    return json.dumps(whole).encode()


def accepted(text: bytes) -> bool:
    try:
        read(text, "cloud.yaml")
    except InvalidCloud:
        return False
    return True


@given(st.lists(SITES, min_size=2, max_size=4))
@example([[ALL], [["compute"]], [["witness"]], [["witness"]]])
@example([[ALL], [["control", "compute"]], [["witness"]]])
@example([[ALL], [ALL], [["witness"]]])
@example([[ALL, ALL], [ALL]])
def test_check_and_forecast_agree_on_what_the_loss_of_a_site_stops(
    layout: list[list[list[str]]],
) -> None:
    meant = described(layout, survive="host")
    assume(accepted(meant))
    cloud = read(meant, "cloud.yaml")
    lost = [after(cloud, f"site:{site.name}") for site in cloud.sites]
    stands = all(one.survives and one.gateways for one in lost)
    assert accepted(described(layout, survive="site")) is stands


def test_what_is_left_can_be_forced_where_a_copy_of_everything_is() -> None:
    cloud = TWO
    for names, forced in (
        (["site:a", "site:w"], True),
        (["site:a", "site:b"], False),  # the witness keeps no rows
        (["site:a"], False),  # goes on by itself
    ):
        assert forecast(cloud, SERVICES, lose(cloud, names)).can_be_forced is forced
    assert not forecast(cloud, SERVICES, partition(cloud, "a|b,w")).can_be_forced
