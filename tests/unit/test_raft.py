"""OVSDB's server is asked on its control socket: once for each moment, in whole answers only; and
what a power cut left of its file is read."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.member import program

raft = program("cloudwright.services.ovn", "raft.py")
STATUS = """\
Name: OVN_Northbound
Cluster ID: 4c5b (4c5bd85c-6e0d-4b43-9c1d-8b1b1d1f8a11)
Status: cluster member
Leader: {leader}
"""


def adapter(tmp_path: Path) -> Any:
    return raft.Adapter(
        {
            "name": "a",
            "database": str(tmp_path / "ovnnb.db"),
            "database_name": "OVN_Northbound",
            "schema": "",
            "raft": {"a": "ssl:10.0.0.1:6643"},
            "control": str(tmp_path / "ovnnb_db.ctl"),
        }
    )


def answering(path: Path, *pieces: bytes) -> tuple[threading.Thread, list[object]]:
    """A server that takes one question and answers it in pieces; what it was asked."""
    server, asked = socket.socket(socket.AF_UNIX), list[object]()
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as door:
            asked.append(json.loads(door.recv(4096)))
            for piece in pieces:
                door.sendall(piece)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, asked


@pytest.mark.parametrize(("leader", "up"), [("self", True), ("7a3c", True), ("unknown", False)])
def test_a_member_is_up_that_knows_its_leader(tmp_path: Path, leader: str, up: bool) -> None:
    result = json.dumps({"id": 0, "result": STATUS.format(leader=leader), "error": None}).encode()
    thread, asked = answering(tmp_path / "ovnnb_db.ctl", result[:40], result[40:])
    member = adapter(tmp_path)
    assert member.is_up() is up
    assert member.history() == "4c5bd85c-6e0d-4b43-9c1d-8b1b1d1f8a11"
    thread.join()
    assert asked == [{"id": 0, "method": "cluster/status", "params": ["OVN_Northbound"]}]


@pytest.mark.parametrize("said", [b"", b'{"id":0,"res', b'{"id":0,"result":null,"error":"no"}'])
def test_a_member_that_says_nothing_of_its_cluster_is_not_up(tmp_path: Path, said: bytes) -> None:
    thread, _ = answering(tmp_path / "ovnnb_db.ctl", said)
    assert not adapter(tmp_path).is_up()
    thread.join()


def test_without_a_server_a_member_is_not_up(tmp_path: Path) -> None:
    assert not adapter(tmp_path).is_up()


LED = """\
Role: leader
Last Election won: {won} ms ago
Servers:
    6aa0 (6aa0 at ssl:10.0.0.2:6643) next_index=7 match_index=5{old}
    b138 (b138 at ssl:10.0.0.1:6643) (self) next_index=2 match_index=6
    ff2f (ff2f at ssl:10.0.0.2:6643) next_index=7 match_index=6 last msg {new} ms ago
    6810 (6810 at ssl:10.0.0.3:6643) next_index=7 match_index=6 last msg {third} ms ago
"""
ALL = {f"ssl:10.0.0.{n}:6643" for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("told", "declared", "gone"),
    [
        ({"old": " last msg 30001 ms ago"}, ALL, ["6aa0"]),
        ({"old": " last msg 30000 ms ago"}, ALL, []),
        ({"old": "", "won": 30001}, ALL, ["6aa0"]),  # a leader that never heard it
        ({"old": "", "won": 4000}, ALL, []),
        ({"old": " last msg 999999 ms ago", "new": 999999}, ALL, []),  # all of that host is down
        ({"old": " last msg 9 ms ago", "third": 999999}, ALL, []),
        ({"old": " last msg 9 ms ago", "third": 600001}, ALL - {"ssl:10.0.0.3:6643"}, ["6810"]),
        ({"old": " last msg 9 ms ago", "third": 600000}, ALL - {"ssl:10.0.0.3:6643"}, []),
    ],
)
def test_who_is_replaced_or_removed_leaves(
    told: dict[str, object], declared: set[str], gone: list[str]
) -> None:
    lines = LED.format(**{"won": 177075, "new": 245, "third": 245, **told}).splitlines()
    assert raft.gone(lines, declared) == gone


def record(content: bytes) -> bytes:
    number = hashlib.sha1(content).hexdigest().encode()
    return b"OVSDB CLUSTER %d %s\n" % (len(content), number) + content


@pytest.mark.parametrize(
    "end",
    [b"", record(b"third\n")[:-1], record(b"third\n")[:20], bytes(4096), b"OVSDB CLUSTER", b"\n"],
)
def test_what_is_whole_of_a_file_ends_where_the_power_did(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "ovnnb.db"
    whole = record(b"first\n") + record(b"second\n")
    path.write_bytes(whole + end)
    assert raft.whole_records(path) == len(whole)


def test_a_record_that_was_changed_before_the_end_is_left_to_a_person(tmp_path: Path) -> None:
    path = tmp_path / "ovnnb.db"
    first, second = record(b"first\n"), record(b"second\n").replace(b"second", b"sekond")
    path.write_bytes(first + second + record(b"third\n"))
    assert raft.whole_records(path) == len(first)
    size = path.stat().st_size
    with pytest.raises(SystemExit, match=f"damaged at byte {len(first)}"):
        adapter(tmp_path).look()
    assert path.stat().st_size == size
