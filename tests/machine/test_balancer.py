"""A real HAProxy: an API leaves it before it stops, and a reload cuts no connection."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import Counter

import pytest

from cloudwright.services.haproxy import RELOAD_PATH
from tests.cloud.tool import eventually
from tests.machine.balancer import (
    CLOUD,
    CONFIG,
    PARTS,
    SLOW_SECONDS,
    Rig,
    backend,
    rows,
    status,
    until,
)


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
