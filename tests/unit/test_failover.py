"""When a site may go on without a majority, and when the others are all back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.declare.member import COMMAND
from cloudwright.declare.rollout import Alone
from cloudwright.errors import InvalidCloud
from cloudwright.model.load import load
from cloudwright.operations.failover import (
    Cluster,
    apart,
    consequences,
    differs,
    lacking_copies,
    meant,
    to_force,
    unsettled,
    voters,
    why_not,
    why_wait,
    without_vote,
)
from cloudwright.operations.recover import MemberState
from cloudwright.services import SERVICES

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-sites.yaml"
DEAD = ("ctl-a", "cmp-a", "witness")
ALONE = Alone(how="it goes on", lost="the last moments")


def state(host: str, state: str = "silent", **words: object) -> MemberState:
    return replace(MemberState(host=host, state=state), **words)


def cluster(*states: MemberState, name: str = "queue") -> Cluster:
    return Cluster(name=name, alone=ALONE, states=states)


STUCK = cluster(state("ctl-a"), state("ctl-b", "running"), state("witness"))
WHOLE = cluster(state("ctl-a"), state("ctl-b", "up", whole=True), state("witness", "up"))


def test_every_cluster_with_an_agent_says_what_a_word_means_to_it() -> None:
    cloud = load(EXAMPLE)
    found = [container for container, _ in voters(cloud, SERVICES)]
    assert {c.name for c in found} == {"mariadb", "rabbitmq", "ovn-nb-db", "ovn-sb-db"}
    agents = {c.name for s in SERVICES for c in s.containers if c.command == COMMAND}
    assert {c.name for c in found} == agents


def test_sites_and_hosts_are_named_as_in_what_if() -> None:
    cloud = load(EXAMPLE)
    assert meant(cloud, ["site:a", "witness"]) == ("ctl-a", "witness", "cmp-a")
    with pytest.raises(InvalidCloud, match='there is no "site:x"'):
        meant(cloud, ["site:x"])


def test_what_takes_no_writes_can_be_forced_and_says_what_is_lost() -> None:
    assert why_not([STUCK], DEAD) == ""
    said = "\n".join(consequences([STUCK], DEAD))
    assert "1 of 3 members are left (ctl-b), no majority beside ctl-a, witness" in said
    assert "it goes on" in said
    assert "the last moments" in said


@pytest.mark.parametrize(
    ("clusters", "why"),
    [
        ([WHOLE], "nothing to force"),
        ([STUCK, replace(WHOLE, name="database")], "witness answers (database)"),
        ([cluster(state("ctl-a", "down"), state("ctl-b", "running"))], "ctl-a answers (queue)"),
        ([cluster(state("ctl-a"), state("ctl-b"))], "nobody is left who answers"),
        (
            [cluster(state("ctl-a"), state("ctl-b", "running"), state("ctl-c"))],
            "ctl-c is silent too (queue), and was not named",
        ),
        ([cluster(state("ctl-b", "running"), state("ctl-c", "running"))], "see `recover`"),
    ],
)
def test_a_word_is_refused_for_what_contradicts_it(clusters: list[Cluster], why: str) -> None:
    assert why in why_not(clusters, DEAD)


@pytest.mark.parametrize(
    ("clusters", "dead", "why"),
    [
        ([STUCK], ("cmp-a",), "cmp-a keeps no data; the members are ctl-a, ctl-b, witness"),
        ([WHOLE], ("ctl-a",), "queue: ctl-b is part of a whole cluster"),
        ([STUCK], ("ctl-b",), "queue: ctl-b answers, so it is not dead"),
        ([cluster(state("ctl-a"), state("ctl-b"))], ("ctl-a",), "queue: nobody is left"),
        # One that takes writes is told nothing, and does not keep the other waiting.
        ([replace(WHOLE, name="first"), STUCK], ("ctl-a", "cmp-a"), ""),
        ([cluster(state("ctl-a"), state("ctl-b", "up"))], ("ctl-a",), ""),
    ],
)
def test_the_dead_are_waited_for_unless_a_cluster_that_stands_still_lacks_them(
    clusters: list[Cluster], dead: tuple[str, ...], why: str
) -> None:
    assert why_wait(clusters, dead).startswith(why)
    assert bool(why_wait(clusters, dead)) == bool(why)


def test_a_cluster_is_settled_when_all_but_the_dead_are_part_of_a_whole_one() -> None:
    waits = state("ctl-a", "down", waits="ctl-b must say what it holds")
    up = state("witness", "up")
    assert unsettled(cluster(waits, state("ctl-b", why="no answer"), up), ()) == (
        "queue on ctl-a: ctl-b must say what it holds",
        "queue on ctl-b: no answer",
        "queue on witness: up, without a majority",
    )
    whole = [replace(one, whole=True) for one in (waits, up)]
    assert unsettled(cluster(*whole, state("ctl-b")), ["ctl-b"]) == ()


def test_a_failover_that_was_interrupted_is_taken_up_again() -> None:
    """Or one of the clusters went on by itself, as the database may."""
    done = cluster(state("ctl-a"), state("ctl-b", "up", whole=True), name="first")
    assert why_not([done, STUCK], DEAD) == ""
    assert to_force([done, STUCK]) == (STUCK,)
    assert [line for line in consequences([done, STUCK], DEAD) if line.startswith("first")] == []


STATES = st.sampled_from(["silent", "down", "running", "up"])


@given(
    st.lists(st.tuples(STATES, st.booleans()), min_size=3, max_size=5), st.sets(st.integers(0, 4))
)
def test_nobody_is_forced_beside_a_whole_cluster_or_against_one_that_speaks(
    drawn: list[tuple[str, bool]], lost: set[int]
) -> None:
    states = [state(f"h{i}", s, whole=whole and s == "up") for i, (s, whole) in enumerate(drawn)]
    dead = [f"h{i}" for i in lost]
    if why_not([cluster(*states)], dead) == "":
        assert not any(one.whole for one in states)
        assert all((one.state == "silent") == (one.host in dead) for one in states)
        assert any(one.host not in dead for one in states)


def test_who_goes_on_with_what_was_given_up_is_a_second_writer() -> None:
    new = state("ctl-b", "up", history="new", left=("old",), whole=True)
    old = state("ctl-a", "up", history="old", whole=True)
    assert "ctl-a is whole with what was given up" in apart([cluster(new, old)])
    assert apart([cluster(new, replace(old, state="down", whole=False))]) == ""
    # Galera's members still tell the history with which they came.
    assert apart([cluster(replace(new, history="old"), replace(old, left=("old",)))]) == ""


def test_what_is_not_back_is_named() -> None:
    assert differs(cluster(state("a", "up"), state("b", "up")), ()) == ()
    away = cluster(state("a", "up"), state("b", "down", waits="a is not up yet"))
    assert differs(away, ["q has fewer"]) == ("queue on b: a is not up yet", "queue: q has fewer")


def test_queues_without_a_copy_on_every_member_are_named() -> None:
    three = ["r@1", "r@2", "r@3"]
    full = {"name": "full", "type": "quorum", "members": three, "online": three}
    short = {**full, "name": "short", "online": three[:2]}
    stream = {**short, "name": "stream", "type": "stream"}
    lost = {**full, "name": "lost", "type": "rabbit_stream_queue", "online": ""}
    classic = {"name": "classic", "type": "classic", "members": "", "online": ""}
    assert lacking_copies([full, classic], 3) == ()
    assert lacking_copies([full, short], 3) == ("short has fewer than 3 copies",)
    said = lacking_copies([short, stream, lost], 3)
    assert said == ("short (and 2 more) has fewer than 3 copies",)


def test_a_voter_counts_once_the_others_have_it_in_their_list() -> None:
    """A connection is not a vote: an arbitrator has one before it is taken in."""
    there = "8a1f/ctl-a/10.0.0.1:0,9b2e/ctl-b/10.0.0.2:0\n"
    assert without_vote(there, ["ctl-a", "ctl-b"]) == ()
    assert without_vote(there, ["ctl-a", "ctl-b", "witness"]) == ("witness has no vote in it yet",)
    assert without_vote("", ["ctl-a", "w"]) == ("ctl-a, w has no vote in it yet",)
