"""Two sites and a witness, with their real database, queue and OVN clusters, through bad days."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import ssl
import subprocess

import pymysql
import pytest

from cloudwright.services.selffence import PROGRAM as FENCE
from tests.machine.clusters import ADDRESSES, CLUSTERS, LED, MEMBERS, SECONDS, Clusters, clusters
from tests.machine.injections import Injections

__all__ = ["clusters"]  # the fixture

REFUSED = "WSREP has not yet prepared|Can't connect"


def test_each_cluster_is_one(clusters: Clusters) -> None:
    assert clusters.ready("ctl-a", "ctl-b") == ["ctl-a", "ctl-b"]
    size = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
    assert clusters.sql("ctl-a", size + "'wsrep_cluster_size'") == [("3",)]
    assert clusters.queue_members("witness") == 3
    for database in zip(*(clusters.raft(host) for host in ADDRESSES), strict=True):
        ids = set()
        for told in database:
            ids.add(next(line for line in told.splitlines() if line.startswith("Cluster ID:")))
            assert "Status: cluster member" in told
            assert told.count("(ssl:") + told.count("at ssl:") >= 3
        assert len(ids) == 1


def test_nothing_is_left_to_do(clusters: Clusters) -> None:
    clusters.tool.run("plan", *CLUSTERS)


@pytest.mark.parametrize("port", sorted(MEMBERS))
def test_members_speak_tls_as_themselves(clusters: Clusters, port: int) -> None:
    for host in ("ctl-a", "ctl-b"):
        names = clusters.certificate(host, port)["subjectAltName"]
        assert ("DNS", f"{MEMBERS[port]}.{host}") in names


def test_nobody_is_let_in_without_tls(clusters: Clusters) -> None:
    with pytest.raises(OSError):
        socket.create_connection((ADDRESSES["ctl-a"], 5672), timeout=10)
    clusters.sql("ctl-a", "CREATE USER watched@'%' IDENTIFIED BY 'x' REQUIRE SSL")
    asked = {"host": ADDRESSES["ctl-a"], "user": "watched", "password": "x"}
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(**asked, ssl_disabled=True)
    trusted = clusters.trust()
    pymysql.connect(**asked, ssl=trusted).close()
    with pytest.raises(pymysql.OperationalError, match="certificate verify failed"):
        pymysql.connect(**asked, ssl=ssl.create_default_context())
    clusters.sql("ctl-a", "DROP USER watched@'%'")
    lists = "podman exec ovn-nb-db ovn-nbctl --timeout=5 --db={} {} ls-list"
    keys = "-p /etc/cloudwright/tls.key -c /etc/cloudwright/tls.crt -C /etc/cloudwright/ca.pem"
    remote = f"{ADDRESSES['ctl-a']}:6641"
    refused = lists.format(f"tcp:{remote}", "") + " 2>/dev/null || echo refused"
    assert clusters.on("witness", refused).endswith("refused\n")
    clusters.on("witness", lists.format(f"ssl:{remote}", f"--no-leader-only {keys}"))


def test_old_certificates_are_renewed_and_no_member_is_restarted(clusters: Clusters) -> None:
    running = (
        "podman ps --format '{{.Names}} {{.ID}}' | grep -E '^(mariadb|rabbitmq|ovn-[a-z-]*) '"
    )
    before = {host: clusters.on(host, running) for host in ADDRESSES}
    serials = clusters.serials()
    aged = clusters.age_certificates(days=600)
    assert aged > 10
    assert "it from" in clusters.tool.run("status", status=1)
    clusters.tool.run("apply", "--yes", *CLUSTERS)
    assert {host: clusters.on(host, running) for host in ADDRESSES} == before
    renewed = clusters.serials()
    assert all(renewed[place] != serial for place, serial in serials.items())
    clusters.whole()  # the arbitrator cannot read its certificate again, and has come back
    assert clusters.queue_members("witness") == 3
    clusters.tool.run("plan", *CLUSTERS)


def test_a_site_is_lost_and_returns_with_what_it_missed(clusters: Clusters) -> None:
    clusters.write("ctl-a", 1)
    clusters.tool.run("lab", "kill", "site:a")
    gap = clusters.until("the other site", lambda: clusters.ready("ctl-b"))
    clusters.write("ctl-b", 2, settling=True)
    clusters.tool.run("lab", "boot", "site:a")
    back = clusters.until("the lost site", lambda: clusters.ready("ctl-a"))
    print(f"the other site took writes after {gap:.1f} s, the lost one again after {back:.1f} s")
    assert clusters.rows("ctl-a") >= {1, 2}
    assert clusters.rows("ctl-b") >= {1, 2}


def test_without_the_other_site_and_the_witness_nothing_is_written(clusters: Clusters) -> None:
    clusters.tool.run("lab", "kill", "site:a", "site:w")
    clusters.until("the minority to stop", lambda: not clusters.ready("ctl-b"))
    with pytest.raises(pymysql.OperationalError, match=REFUSED):
        clusters.write("ctl-b", 3)
    clusters.tool.run("lab", "boot", "site:a", "site:w")
    clusters.both("both sites")
    assert 3 not in clusters.rows("ctl-a") | clusters.rows("ctl-b")


def test_after_a_power_cut_everywhere_the_clusters_found_themselves(clusters: Clusters) -> None:
    """No operator: the member that knows most comes first, and what it acknowledged is there."""
    for number in range(10, 20):
        clusters.write("ctl-b" if number % 2 else "ctl-a", number)
    clusters.tool.run("lab", "kill", "site:a", "site:b", "site:w")
    clusters.tool.run("lab", "boot", "site:a")
    waits = "podman logs mariadb 2>&1 | grep -o 'waits: .*' | tail -1"
    clusters.until(
        "the first member back to wait for the other",
        lambda: "ctl-b must say what it holds" in clusters.on("ctl-a", waits, check=False),
    )
    assert clusters.ready("ctl-a") == []
    clusters.tool.run("lab", "boot", "site:b", "site:w")
    whole = clusters.both("the database")
    queue = clusters.until("the queue", lambda: clusters.queue_members("witness") == 3)
    print(f"database whole {whole:.1f} s after the last boot, the queue {queue:.1f} s later")
    assert clusters.rows("ctl-a") == clusters.rows("ctl-b") >= set(range(10, 20))
    clusters.until("an empty plan", lambda: not json.loads(_plan(clusters)).get("steps"))


def _plan(clusters: Clusters) -> str:
    process = clusters.tool.start("plan", "--json", *CLUSTERS, stderr=subprocess.PIPE)
    return process.communicate(timeout=120)[0] or "{}"


@pytest.mark.parametrize(
    ("lost", "goes_on"), [(["site:a"], True), (["site:w"], True), (["site:a", "site:w"], False)]
)
def test_the_forecast_is_what_happens(clusters: Clusters, lost: list[str], goes_on: bool) -> None:
    """`what-if` says it from the file; the power is cut, and the database asked."""
    words = [word for name in lost for word in ("--lose", name)]
    told = json.loads(clusters.tool.run("what-if", "--json", *words, status=0 if goes_on else 10))
    assert told[0]["survives"] is goes_on
    clusters.tool.run("lab", "kill", *lost)
    try:
        if goes_on:
            clusters.until("the survivors", lambda: clusters.ready("ctl-b"))
            clusters.sql("ctl-b", "CREATE DATABASE IF NOT EXISTS forecast")
        else:
            clusters.until("the stop", lambda: not clusters.ready("ctl-b"))
    finally:
        clusters.tool.run("lab", "boot", *lost)
        clusters.both("both sites")


def test_without_a_witness_neither_of_two_halves_writes(clusters: Clusters) -> None:
    """Each has one vote of two; once the line is back they go on by themselves."""
    clusters.tool.run("lab", "kill", "site:w")
    clusters.both("both sides")
    clusters.tool.run("lab", "cut", "a", "b")
    try:
        clusters.until("both to stop", lambda: not clusters.ready("ctl-a", "ctl-b"))
        for host in ("ctl-a", "ctl-b"):
            with pytest.raises(pymysql.OperationalError, match=REFUSED):
                clusters.write(host, 300)
    finally:
        clusters.tool.run("lab", "join", "a", "b")
        clusters.tool.run("lab", "boot", "site:w")
    clusters.both("both again")
    assert 300 not in clusters.rows("ctl-a") | clusters.rows("ctl-b")


def test_of_two_that_only_see_the_witness_exactly_one_goes_on(clusters: Clusters) -> None:
    """The other says so, and comes back with the line; the database goes on without being told."""
    told = json.loads(clusters.tool.run("what-if", "--json", "--partition", "a|b"))
    assert told[0]["survives"] is True
    assert told[0]["aside"] == ["ctl-b"]
    clusters.whole()
    says = f"podman exec self-fence python3 {FENCE} ask"
    sides = ("ctl-a", "ctl-b")

    ready: set[str] = set()

    def settled() -> bool:
        """Whether one takes writes, and the other says that it does not."""
        ready.clear()
        ready.update(clusters.ready(*sides))
        aside = {host for host in sides if "steps aside" in clusters.on(host, says, check=False)}
        return len(ready) == len(aside) == 1 and not ready & aside

    clusters.tool.run("lab", "cut", "a", "b")
    try:
        clusters.until("exactly one side", settled)
        [on] = ready
        [aside] = set(sides) - {on}
        assert f"steps aside, {on}, witness go on" in clusters.on(aside, says, check=False)
        assert clusters.on(on, says) == "well\n"
        clusters.write(on, 350, settling=True)
        with pytest.raises(pymysql.OperationalError, match=REFUSED):
            clusters.write(aside, 351)
        clusters.publish(on, b"in a cut")
    finally:
        clusters.tool.run("lab", "join", "a", "b")
    clusters.both("both again")
    clusters.whole()
    clusters.whole_queue()
    assert b"in a cut" in clusters.messages(aside)
    rows = clusters.rows(aside)
    assert 350 in rows
    assert 351 not in rows


def test_a_record_that_the_power_cut_short_keeps_no_member_away(clusters: Clusters) -> None:
    """OVSDB's own tools refuse such a file, which its server reads as far as it goes."""
    clusters.whole_raft()
    clusters.northbound("ctl-a", "ls-add", "before-the-cut")
    mounts = clusters.on("witness", "podman inspect --format '{{json .Mounts}}' ovn-nb-db")
    kept = {mount["Destination"]: mount["Source"] for mount in json.loads(mounts)}
    folder = kept["/var/lib/openvswitch/ovn-nb"]
    clusters.on("witness", "podman stop --time 0 ovn-nb-db")
    clusters.on("witness", f"truncate --size -7 {folder}/ovnnb.db")
    clusters.on("witness", "podman start ovn-nb-db")
    clusters.whole_raft()
    assert "(before-the-cut)" in clusters.northbound("witness", "ls-list")
    clusters.on("witness", f"test -e {folder}/ovnnb.cut")


def test_a_queue_member_that_keeps_its_doors_closed_is_started_anew(clusters: Clusters) -> None:
    """One may stop serving and never begin again by itself, with its process alive all the while:
    RabbitMQ does after some cuts. It comes back, and what was confirmed meanwhile is in it."""
    clusters.whole_queue()
    clusters.on("ctl-b", "podman exec rabbitmq rabbitmqctl stop_app")
    assert clusters.queue_members("ctl-a") == 2
    clusters.publish("ctl-a", b"behind closed doors")
    back = clusters.until("the member's return", lambda: clusters.queue_members("ctl-a") == 3)
    print(f"the member was back {back:.1f} s after it had closed its doors")
    clusters.whole_queue()
    assert b"behind closed doors" in clusters.messages("ctl-b")


def test_a_blink_of_the_line_leaves_no_queue_member_apart(clusters: Clusters) -> None:
    """Too short for anybody to pause: the members reach each other, all doors are open, and the
    database of who and what there is stays in two halves, for days if nobody looks."""
    clusters.whole_queue()
    blink = "[true = erlang:disconnect_node(N) || N <- nodes()]."
    clusters.on("ctl-b", f"podman exec rabbitmq rabbitmqctl eval '{blink}'")
    clusters.until("two halves", lambda: clusters.queue_members("ctl-a") == 2)
    clusters.publish("ctl-a", b"while apart")
    back = clusters.until("the member's return", lambda: clusters.queue_members("ctl-a") == 3)
    print(f"one queue again {back:.1f} s after it was seen in two halves")
    clusters.whole_queue()
    assert b"while apart" in clusters.messages("ctl-b")


def test_who_lags_behind_does_not_go_on_with_the_witness_alone(clusters: Clusters) -> None:
    """A member that hung while the others went on is one of a majority when the other dies: what
    only the dead one has is waited for."""
    clusters.whole()
    found = clusters.on("ctl-a", "podman top mariadb hpid comm | awk '/mariadbd/ {print $1}'")
    clusters.on("ctl-a", f"kill -STOP {found.strip()}")
    try:
        clusters.until("the other", lambda: clusters.ready("ctl-b") == ["ctl-b"])
        clusters.write("ctl-b", 360, settling=True)
        clusters.tool.run("lab", "kill", "site:b")
    finally:
        clusters.on("ctl-a", f"kill -CONT {found.strip()}")
    for what in ("is here, and goes on", "the server is stopped"):  # as it lacks something
        said = f"podman logs mariadb 2>&1 | grep -c '{what}'"
        before = int(clusters.on("ctl-a", said, check=False))
        clusters.until(
            f"the one that lags behind to say that {what}",
            lambda said=said, before=before: int(clusters.on("ctl-a", said, check=False)) > before,
        )
        assert not clusters.ready("ctl-a")
    clusters.tool.run("lab", "boot", "site:b")
    clusters.both("both again")
    assert 360 in clusters.rows("ctl-a")


def test_who_is_given_its_data_as_everybody_else_dies_holds_nobody_up(clusters: Clusters) -> None:
    """Its server waits for a giver that is gone, and the others for its word what it holds."""
    clusters.whole()
    clusters.write("ctl-a", 365)
    with clusters.transfer_to("ctl-b"):
        clusters.tool.run("lab", "kill", "site:a")
    clusters.tool.run("lab", "boot", "site:a")
    clusters.both("both after that")
    assert 365 in clusters.rows("ctl-b")


def test_a_member_that_lost_its_disk_is_one_of_the_cluster_again(clusters: Clusters) -> None:
    """As a new one. Nobody keeps a vote for what was there before: the next loss stops nothing."""
    clusters.whole()
    clusters.whole_queue()
    clusters.write("ctl-a", 370)
    clusters.publish("ctl-a", b"before the disk was lost")
    clusters.lose_disk("ctl-b")
    clusters.tool.run("apply", "--yes", *CLUSTERS)
    clusters.whole()
    clusters.until("three copies of the queue", lambda: clusters.copies("ctl-a") == 3)
    clusters.until("three votes in each raft", lambda: clusters.votes() == 3)
    clusters.tool.run("lab", "kill", "site:a")
    clusters.until("who lost its disk", lambda: clusters.ready("ctl-b"))
    assert 370 in clusters.rows("ctl-b")
    clusters.until("the leaders", lambda: all(map(LED.search, clusters.raft("ctl-b"))))
    clusters.tool.run("lab", "boot", "site:a")
    clusters.both("both sites")
    clusters.whole_queue()
    assert b"before the disk was lost" in clusters.messages("ctl-b")


def test_without_a_dead_member_the_other_goes_on_and_its_return_splits_nothing(
    clusters: Clusters,
) -> None:
    """A person's word founds the database from a minority; who was said to be dead comes back
    with changes that nobody else has, and throws them away instead of founding beside it."""
    clusters.whole()
    old = clusters.history("ctl-a")
    clusters.write("ctl-a", 400)
    clusters.tool.run("lab", "kill", "site:a")
    clusters.until("the other site", lambda: clusters.ready("ctl-b"))
    clusters.write("ctl-b", 402, settling=True)
    clusters.tool.run("lab", "kill", "site:b", "site:w")
    clusters.tool.run("lab", "boot", "site:a", "site:w")
    waits = "podman logs mariadb 2>&1 | grep -o 'waits: .*' | tail -1"
    clusters.until(
        "the first member back to wait for the other",
        lambda: "ctl-b must say what it holds" in clusters.on("ctl-a", waits, check=False),
    )
    words = ("recover", "--without", "site:b", "--wait", str(SECONDS))
    assert "nobody was told" in clusters.tool.run(*words, "--statement", "ctl-b is dead", status=2)
    assert clusters.ready("ctl-a") == []
    said = clusters.tool.run(*words, "--statement", "site:b is dead")
    assert "ctl-a knows most of those that answer" in said
    assert "recover (without site:b)" in clusters.tool.run("history", "--last", "1")
    for cluster in ("mariadb", "rabbitmq", "ovn-nb-db", "ovn-sb-db"):
        assert f"{cluster}: whole" in said
    clusters.until("the survivor", lambda: clusters.ready("ctl-a"))
    clusters.write("ctl-a", 401)
    new = clusters.history("ctl-a")
    assert new != old
    clusters.tool.run("lab", "boot", "site:b")
    clusters.both("both sites")
    assert clusters.history("ctl-b") == new
    assert clusters.rows("ctl-a") == clusters.rows("ctl-b") >= {400, 401}
    assert 402 not in clusters.rows("ctl-b")  # given up with the word that ctl-b is dead


def test_nobody_goes_without_a_member_that_lives(clusters: Clusters) -> None:
    clusters.whole()
    words = ("recover", "--without", "ctl-b", "--statement", "ctl-b is dead")
    said = clusters.tool.run(*words, status=3)
    # The queue may be on its way still: then the host's own sign of life is what refuses it.
    assert "part of a whole cluster" in said or "this machine logged in to ctl-b" in said


def test_a_site_goes_on_without_the_other_and_the_witness_and_they_come_back(
    clusters: Clusters,
) -> None:
    """On a person's word, in every cluster; what returns brings nothing back and joins."""
    words = ("failover", "--without", "site:a", "--without", "site:w")
    claim = ("--statement", "site:a and site:w are dead")
    clusters.whole()
    clusters.whole_queue()
    clusters.write("ctl-b", 500)
    clusters.publish("ctl-b", b"before")
    clusters.northbound("ctl-b", "ls-add", "before")
    numbers = clusters.raft_numbers("ctl-b")
    assert "every cluster is whole" in clusters.tool.run(*words, *claim, status=3)
    clusters.tool.run("lab", "kill", "site:a", "site:w")
    clusters.until("the minority to stop", lambda: not clusters.ready("ctl-b"))
    with pytest.raises(pymysql.OperationalError, match=REFUSED):
        clusters.write("ctl-b", 501)
    wrong = ("--statement", "site:a is dead")
    assert "nobody was told" in clusters.tool.run(*words, *wrong, status=2)
    assert "witness is silent too" in clusters.tool.run(*words[:3], *wrong, status=3)
    assert clusters.ready("ctl-b") == []
    print(clusters.tool.run(*words, *claim))
    assert "failover (without site:a, site:w)" in clusters.tool.run("history", "--last", "1")
    clusters.write("ctl-b", 502)
    clusters.publish("ctl-b", b"after")
    clusters.northbound("ctl-b", "ls-add", "after")
    assert not numbers & clusters.raft_numbers("ctl-b")
    assert "ctl-a is left out" in clusters.tool.run("failback", "--wait", "0", status=1)
    clusters.tool.run("lab", "boot", "site:a", "site:w")
    print(clusters.tool.run("failback", "--wait", str(SECONDS)))
    test_each_cluster_is_one(clusters)
    assert clusters.rows("ctl-a") == clusters.rows("ctl-b") >= {500, 502}
    assert 501 not in clusters.rows("ctl-a")
    assert clusters.messages("ctl-a") == [b"before", b"after"]
    for host in ADDRESSES:
        networks = clusters.northbound(host, "ls-list")
        assert "(before)" in networks
        assert "(after)" in networks
        assert not numbers & clusters.raft_numbers(host)
    clusters.tool.run("failback", "--wait", str(SECONDS))


def test_nothing_acknowledged_is_lost_whatever_fails(clusters: Clusters) -> None:
    """Kills, freezes, partitions of every kind, full stops, drawn at random, each under load; as
    many as CLOUDWRIGHT_INJECTIONS says."""
    seed = int(os.environ.get("CLOUDWRIGHT_SEED") or random.randrange(2**32))
    print(f"seed {seed}", flush=True)
    injections = Injections(clusters=clusters, dice=random.Random(seed))
    asyncio.run(injections.run(int(os.environ.get("CLOUDWRIGHT_INJECTIONS", "3"))))
    print(injections.summary())
