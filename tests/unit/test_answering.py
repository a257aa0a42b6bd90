"""A host that has stopped to answer is found by asking it; one that never answered is let be."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.member import program

answering = program("cloudwright.services.nova", "answering.py")


@contextlib.contextmanager
def silence(port: int) -> Iterator[None]:
    """A port of 127.0.0.2 that throws away what comes: its queue is full, and nobody takes any."""
    with contextlib.ExitStack() as open_:
        server = open_.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        for _ in range(2):
            client = open_.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield


@pytest.fixture
def port() -> int:
    """One that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def asked(port: int) -> Any:
    return answering.Answering(port, keep_seconds=0)


def test_who_refuses_answers_and_who_is_silent_does_not(port: int) -> None:
    with socket.create_server(("127.0.0.3", port)), silence(port):
        hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        assert answering.ask(hosts, port) == {"127.0.0.1", "127.0.0.3"}


def test_who_has_stopped_to_answer_is_silent(port: int) -> None:
    hosts, one = {"127.0.0.1", "127.0.0.2"}, asked(port)
    assert one.silent(hosts) == set()
    with silence(port):
        assert one.silent(hosts) == {"127.0.0.2"}
    assert one.silent(hosts) == set()


def test_who_never_answered_may_have_a_firewall(port: int) -> None:
    with silence(port):
        assert asked(port).silent({"127.0.0.1", "127.0.0.2"}) == set()


def test_when_nobody_answers_it_is_this_host_that_is_cut_off(port: int) -> None:
    one = asked(port)
    one.silent({"127.0.0.2"})
    with silence(port):
        assert one.silent({"127.0.0.2"}) == set()


def test_what_was_found_counts_for_a_while(port: int) -> None:
    one = answering.Answering(port, keep_seconds=3600)
    hosts = {"127.0.0.1", "127.0.0.2"}
    one.silent(hosts)
    with silence(port):
        assert one.silent(hosts) == set()
