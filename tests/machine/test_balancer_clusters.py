"""A real HAProxy before clusters: who asks for the database waits for a member that answers, and
for no other, and who is connected to a member of the queue that dies knows it at once."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator, Mapping

from cloudwright.declare.oslo import DATABASE_PORT, OWN_BALANCER, QUEUE_PORT
from cloudwright.services.haproxy import RELOAD_PATH
from tests.cloud.tool import eventually
from tests.contract.sshd import free_port
from tests.machine.balancer import CONFIG, Rig, backend, between, sessions, status

GREETING = b"greeting"


@contextlib.contextmanager
def stalled() -> Iterator[int]:
    """A port that takes no connection and refuses none, as that of a host that died: the queue
    before it has room for one, and is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            filler = open_sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def greeter(*, stays: bool = False) -> Iterator[int]:
    """The port of a server that speaks first, as a database does; and then goes, or `stays`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with contextlib.suppress(OSError), contextlib.ExitStack() as kept:
                while True:
                    connection = kept.enter_context(listener.accept()[0])
                    connection.sendall(GREETING)
                    if not stays:
                        connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def greeted(port: int) -> bytes:
    """What a client of the database hears first; nothing when its connection is ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            return connection.recv(64)
        except ConnectionError:
            return b""


def with_database(rig: Rig, members: Mapping[str, tuple[int, int]]) -> None:
    """Give it what a cloud's own file says of the database, on this machine's ports: name → the
    member's and its agent's."""
    text = between("listen mariadb\n", "# Each process of this host")
    text = text.replace(f"    bind {OWN_BALANCER}:{DATABASE_PORT}\n", "")
    with_cluster(
        rig, re.sub(r"bind \S+ transparent.*", f"bind 127.0.0.1:{rig.front}", text), members
    )


def with_queue(rig: Rig, members: Mapping[str, tuple[int, int]]) -> None:
    """The same of the queue."""
    text = between("listen rabbitmq\n", "frontend plain")
    front = f"bind {OWN_BALANCER}:{QUEUE_PORT}\n"
    assert front in text
    with_cluster(rig, text.replace(front, f"bind 127.0.0.1:{rig.front}\n"), members)


def with_cluster(rig: Rig, text: str, members: Mapping[str, tuple[int, int]]) -> None:
    """Give it these sections of a cloud's own file, with the ports of `members`."""
    text = between("defaults\n", "frontend status") + text
    text = text.replace("abns@", f"abns@{rig.container}-")
    for name, (port, agent) in members.items():
        check = f"127.0.0.1:{port} check port {agent}"
        text = re.sub(rf"(server {name}) [0-9.]+:\d+ check port \d+", rf"\1 {check}", text)
    head = CONFIG.partition("defaults")[0]
    (rig.directory / "haproxy.cfg").write_text(f"{head}{text}\n")
    assert rig.run("python3", RELOAD_PATH).stdout.startswith("Success=1")


@contextlib.contextmanager
def clients(rig: Rig, server: str) -> Iterator[list[bytes]]:
    """What eight clients of the database hear, who wait at this server as the block begins; when
    it ends each has been answered."""
    heard: list[bytes] = []
    asking = [threading.Thread(target=lambda: heard.append(greeted(rig.front))) for _ in range(8)]
    for thread in asking:
        thread.start()
    eventually(lambda: sessions(rig, server, "mariadb") == 8, seconds=15, what="them all")
    assert not heard
    yield heard
    for thread in asking:
        thread.join()
    assert len(heard) == len(asking)


def test_who_waits_for_a_member_that_died_is_let_go(rig: Rig) -> None:
    """The first member's host died: its port is silent, and then its agent is."""
    ready = {name: free_port() for name in ("ctl-a", "ctl-b")}
    with stalled() as dead, greeter() as alive, backend("ctl-b", ready["ctl-b"]):
        with contextlib.ExitStack() as waiting:
            with backend("ctl-a", ready["ctl-a"]):
                ports = {"ctl-a": dead, "ctl-b": alive}
                with_database(rig, {name: (ports[name], ready[name]) for name in ports})
                until_it_is(rig, "ctl-a", "UP")
                heard = waiting.enter_context(clients(rig, "ctl-a"))
            until_it_is(rig, "ctl-a", "DOWN")
        # Ended at once, to be asked again; and who asks is answered by the other.
        assert set(heard) == {b""}
        assert greeted(rig.front) == GREETING


def test_who_comes_while_no_member_is_ready_waits_for_one(rig: Rig) -> None:
    """As the members of a site that is left agree that they are a majority."""
    ready = {name: free_port() for name in ("ctl-a", "ctl-b")}
    with greeter() as alive:
        with_database(rig, {name: (alive, ready[name]) for name in ready})
        for name in ready:
            until_it_is(rig, name, "DOWN")
        with clients(rig, "FRONTEND") as heard, backend("ctl-b", ready["ctl-b"]):
            until_it_is(rig, "ctl-b", "UP")
        assert set(heard) == {GREETING}


def test_who_is_connected_to_a_member_of_the_queue_that_dies_knows_it_at_once(rig: Rig) -> None:
    """oslo.messaging knows by itself only when heartbeats have not come for long; and it would
    stay where it then goes."""
    ready = {name: free_port() for name in ("ctl-a", "ctl-b")}
    with (
        greeter(stays=True) as other,
        greeter(stays=True) as own,
        backend("ctl-a", ready["ctl-a"]),
    ):
        with backend("ctl-b", ready["ctl-b"]):
            with_queue(rig, {"ctl-a": (other, ready["ctl-a"]), "ctl-b": (own, ready["ctl-b"])})
            for name in ready:
                until_it_is(rig, name, "UP", "rabbitmq")
            client = connected(rig, "ctl-b")
        assert is_ended(client)
        client = connected(rig, "ctl-a")
        with backend("ctl-b", ready["ctl-b"]):
            assert is_ended(client)
            connected(rig, "ctl-b").close()


def connected(rig: Rig, member: str) -> socket.socket:
    """A client of the queue, who must have been led to this member."""
    client = socket.create_connection(("127.0.0.1", rig.front), timeout=10)
    assert client.recv(64) == GREETING
    assert sessions(rig, member, "rabbitmq") == 1
    return client


def is_ended(client: socket.socket) -> bool:
    """Whether a client's connection is ended within its time, before it has asked anything."""
    with client:
        try:
            return client.recv(64) == b""
        except ConnectionError:
            return True


def until_it_is(rig: Rig, member: str, wanted: str, front: str = "mariadb") -> None:
    """Wait until the checks say this of a member of a cluster."""
    eventually(lambda: status(rig, member, front).startswith(wanted), seconds=60, what=wanted)
