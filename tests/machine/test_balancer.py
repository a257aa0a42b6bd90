"""A real HAProxy: an API leaves it before it stops, a reload cuts no connection, who asks for the
database waits for a member that answers, and for no other, and who is connected to a member of the
queue that dies knows it at once."""

from __future__ import annotations

import contextlib
import errno
import http.server
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudwright.declare.oslo import DATABASE_PORT, OWN_BALANCER, QUEUE_PORT
from cloudwright.execute.steps.drain import told
from cloudwright.services.haproxy import MASTER, RELOAD_PATH, service
from tests.cloud.tool import eventually
from tests.contract.sshd import free_port

IMAGE = "localhost/cloudwright/haproxy:2026.2"
SLOW_SECONDS = 5.0
BUSY_SECONDS = 8.0
"""More than a check may take."""
CLOUD = Path(__file__).parents[1] / "golden/two-sites/files/ctl-b/cloudwright/haproxy/haproxy.cfg"
PARTS = re.compile(
    r"(?m)^defaults$[\s\S]*?(?=^frontend)|^(?:listen|backend) placement-api[\s\S]*?(?=\n\n)"
)
GREETING = b"greeting"
CONFIG = """\
global
    stats socket /run/haproxy/admin.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch
    option http-server-close
    default-server inter 200ms fall 2 rise 2
listen some-api
    bind 127.0.0.1:{front}
    option httpchk GET /
    server h0 127.0.0.1:{h0} check
    server h1 127.0.0.1:{h1} check
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """A load balancer before two backends."""

    container: str
    front: int
    ports: dict[str, int]
    directory: Path

    def ask(self, path: str = "/") -> str:
        """Who answers a request."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.front}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def tell(self, what: str) -> None:
        """What the step that remakes `some-api` on h0 tells the load balancer."""
        self.run(*told(what, "some-api", "h0"))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command beside the load balancer."""
        command = ["podman", "exec", "-u", "root", self.container, *argv]
        return subprocess.run(command, check=True, capture_output=True, text=True)


class Server(http.server.ThreadingHTTPServer):
    """Answers with its name; slowly where it is asked to."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name = name


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)  # a request that takes its time
        if self.path == "/busy":
            time.sleep(BUSY_SECONDS)
        self.send_response(200)
        self.end_headers()
        assert isinstance(self.server, Server)
        self.wfile.write(self.server.name.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Not on the screen."""


def listening(name: str, port: int) -> Server:
    """The server on its port, as soon as that is free; says who has it when it never is."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return Server(name, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            print(subprocess.run(["ss", "-tanpH"], capture_output=True, text=True).stdout)
            time.sleep(0.5)


@contextlib.contextmanager
def backend(name: str, port: int) -> Iterator[None]:
    server = listening(name, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    there = subprocess.run(["podman", "image", "exists", IMAGE], check=False)
    if there.returncode:
        pytest.skip(f"{IMAGE} is not built")
    ports = {"h0": free_port(), "h1": free_port()}
    front = free_port()
    (tmp_path / "haproxy.cfg").write_text(CONFIG.format(front=front, **ports))
    container = service.containers[0]
    assert container.reload and container.reload.command == (RELOAD_PATH,)
    program = Path(__file__).parents[2] / "src/cloudwright/services/haproxy/program/reload.py"
    name = f"cloudwright-test-balancer-{os.getpid()}"
    run = ["podman", "run", "-d", "--rm", "--name", name, "--network=host", "--entrypoint=haproxy"]
    run += [f"--volume={tmp_path}:/etc/haproxy:ro", f"--volume={program}:{RELOAD_PATH}:ro"]
    run += ["--user=root", IMAGE, "-W", "-db", "-S", MASTER, "-f", "/etc/haproxy/haproxy.cfg"]
    subprocess.run(run, check=True, capture_output=True)
    rig = Rig(container=name, front=front, ports=ports, directory=tmp_path)
    test = ["podman", "exec", name, "test", "-S", MASTER.partition(",")[0]]
    try:
        eventually(
            lambda: subprocess.run(test, check=False).returncode == 0, seconds=60, what="a start"
        )
        yield rig
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "0", name], capture_output=True, check=True)


def until(rig: Rig, wanted: set[str]) -> None:
    """Wait until exactly these answer, twice over."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if {rig.ask() for _ in range(8)} == wanted:
                return
        time.sleep(0.05)
    raise TimeoutError(f"not {wanted} alone answer")


def rows(rig: Rig) -> list[list[str]]:
    """HAProxy's statistics: a row for each server, in the order of its documentation."""
    ask = "echo 'show stat' | perl -MIO::Socket::UNIX -e '"
    ask += '$s = IO::Socket::UNIX->new("/run/haproxy/admin.sock"); print $s <STDIN>; print <$s>;'
    ask += "'"
    return [row.split(",") for row in rig.run("sh", "-c", ask).stdout.splitlines()]


def status(rig: Rig, server: str, front: str = "placement-api") -> str:
    """What the checks of a server say; empty when there is no such server, or none checks it."""
    said = [row[17] for row in rows(rig) if row[:2] == [front, server]]
    return said[0] if said else ""


def sessions(rig: Rig, server: str, front: str) -> int:
    """How many sessions a server has."""
    return sum(int(row[4]) for row in rows(rig) if row[:2] == [front, server])


def between(start: str, end: str) -> str:
    """A part of what a cloud's load balancer is told."""
    text = CLOUD.read_text()
    return text[text.index(start) : text.index(end)]


def until_busy(rig: Rig, count: int) -> None:
    """Wait until so many backends have a request."""
    deadline = time.monotonic() + SLOW_SECONDS
    while time.monotonic() < deadline:
        busy = [row[1] for row in rows(rig) if row[:1] == ["some-api"] and row[4] == "1"]
        if len({"h0", "h1"} & set(busy)) == count:
            return
    raise TimeoutError("the slow requests did not reach the backends")


def test_an_api_is_remade_and_no_request_fails(rig: Rig) -> None:
    with backend("h1", rig.ports["h1"]):
        with backend("h0", rig.ports["h0"]):
            until(rig, {"h0", "h1"})
            answers: list[str] = []
            slow = [threading.Thread(target=lambda: answers.append(rig.ask("/slow")))]
            slow += [threading.Thread(target=lambda: answers.append(rig.ask("/slow")))]
            for thread in slow:
                thread.start()
            until_busy(rig, 2)
            rig.tell("leave")
            assert Counter(rig.ask() for _ in range(20)) == {"h1": 20}
        # It has stopped; whoever was on it had been answered.
        rig.tell("return")
        assert Counter(rig.ask() for _ in range(20)) == {"h1": 20}
        for thread in slow:
            thread.join()
        assert sorted(answers) == ["h0", "h1"]  # each of them had one, in turn
        with backend("h0", rig.ports["h0"]):
            until(rig, {"h0", "h1"})


def test_a_reload_cuts_no_connection_and_a_wrong_file_changes_nothing(rig: Rig) -> None:
    with backend("h0", rig.ports["h0"]), backend("h1", rig.ports["h1"]):
        until(rig, {"h0", "h1"})
        answers: list[str] = []
        slow = threading.Thread(target=lambda: answers.append(rig.ask("/slow")))
        slow.start()
        until_busy(rig, 1)
        file = rig.directory / "haproxy.cfg"
        file.write_text(file.read_text().partition("    server h1")[0])
        assert rig.run("python3", RELOAD_PATH).stdout.startswith("Success=1")
        until(rig, {"h0"})
        slow.join()
        assert answers and answers[0] in ("h0", "h1")
        file.write_text("nonsense\n")
        with pytest.raises(subprocess.CalledProcessError) as caught:
            rig.run("python3", RELOAD_PATH)
        assert "unknown keyword 'nonsense'" in caught.value.stdout
        assert rig.ask() == "h0"


def test_who_is_too_busy_for_checks_is_asked_while_nobody_else_is_there(rig: Rig) -> None:
    """What a cloud's own file says of an API, without TLS and on this machine's ports; the other
    site is gone."""
    text = "\n\n".join(PARTS.findall(CLOUD.read_text() + "\n\n"))
    text = re.sub(r"bind \S+ transparent.*", f"bind 127.0.0.1:{rig.front}", text)
    text = re.sub(r" ssl verify required ca-file \S+ verifyhost \S+", "", text)
    text = re.sub(r"(server ctl-a) \S+", rf"\1 127.0.0.1:{rig.ports['h0']}", text)
    text = re.sub(r"(server ctl-b) \S+", rf"\1 127.0.0.1:{rig.ports['h1']}", text)
    text = text.replace("GET uri /healthcheck", "GET uri /busy")
    head = CONFIG.partition("defaults")[0]
    (rig.directory / "haproxy.cfg").write_text(f"{head}{text}\n")
    with backend("h1", rig.ports["h1"]):
        assert rig.run("python3", RELOAD_PATH).stdout.startswith("Success=1")
        eventually(lambda: "DOWN" in status(rig, "ctl-b"), seconds=60, what="it to be down")
        assert "DOWN" in status(rig, "ctl-a")
        assert rig.ask() == "h1"


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
