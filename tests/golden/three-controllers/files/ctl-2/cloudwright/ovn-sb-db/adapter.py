"""OVSDB's raft for the member's agent: whether there is a database, and how it comes to be."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

FRESH = -1
ANSWER_SECONDS = 2
FRESH_SECONDS = 0.1
"""How long an answer of the server's counts."""

NO_NUMBER = 2
"""How `ovsdb-tool db-cid` ends while the number of the cluster is not known (ovsdb-tool(1))."""


REPLACED_SECONDS = 30
REMOVED_SECONDS = 600
"""How long a server is silent before it is taken for one that does not come back: where another
speaks in its place, and where none is declared to."""

SERVER = re.compile(r"    (?P<id>\w+) \(\w+ at (?P<address>[^)]+)\)(?P<rest>.*)")
SILENT = re.compile(r"last msg (\d+) ms ago|\((self)\)")
"""What a leader says of each server of its cluster (Open vSwitch, ovsdb/raft.c)."""

RECORD = re.compile(rb"OVSDB [A-Z]+ (\d+) ([0-9a-f]{40})\n")
"""What stands before each record of a database file: its length in bytes, and its SHA-1
(Open vSwitch, ovsdb/log.c)."""
MOST_HEADER = 128


class Adapter:
    """One database file and the server on it.

    A cluster keeps its members' addresses, how they speak with each other included. One that is to
    speak in another way is founded anew, with all that its most advanced member held.
    """

    has_users = False
    is_deaf = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._database = Path(settings["database"])
        self.kept = self._database.parent
        self._schema = settings["schema"]
        self._name = settings["database_name"]
        self._own = settings["raft"][settings["name"]]
        self._others = {n: a for n, a in settings["raft"].items() if n != settings["name"]}
        self._control = settings["control"]
        self._seen: tuple[float, list[str]] = (0.0, [])
        self._written: tuple[int, str] = (0, "")

    @property
    def rejoins(self) -> bool:
        """Raft itself brings members together again; only a founding is agreed on."""
        return not self._is_former()

    def look(self) -> tuple[str, int, tuple[str, ...]]:
        """The cluster's number is the history; an empty file is what a full disk left, one without
        a number what was to join a cluster and never did."""
        self._cut_off()
        if self._is_former():
            return "", self._position(), ()
        history = self._cluster()
        return history, self._position() if history else FRESH, ()

    def command(
        self, found: bool, anew: bool, history: str = "", others: Sequence[str] = ()
    ) -> list[str]:
        """Make the database where there is none to start with, in a place where half of it is not
        mistaken. Of one that is given up a copy stays, for a person."""
        former = self._is_former()
        held = former or bool(self._cluster())
        if former or anew or not held:
            new = self._database.with_suffix(".new")
            new.unlink(missing_ok=True)
            if found:
                content = str(self._standalone()) if held else self._schema
                words = ["create-cluster", str(new), content, self._own]
            else:
                words = [f"--cid={history}"] if history else []
                addresses = [a for n, a in self._others.items() if n in others or not others]
                words += ["join-cluster", str(new), self._name, self._own, *addresses]
            subprocess.run(["ovsdb-tool", *words], check=True)
            os.sync()
            if held:
                shutil.copy2(self._database, self._database.with_suffix(".former"))
            new.replace(self._database)
            self._written = (0, "")
        return ["bash", "/etc/cloudwright/start.sh"]

    def history(self) -> str:
        """The number of the cluster that the server is in, or is joining."""
        found = re.search(r"(?m)^Cluster ID: \w+ \(([0-9a-f-]+)\)$", "\n".join(self._status()))
        return found[1] if found else ""

    def _cluster(self) -> str:
        """The number of the cluster that the database belongs to; empty when it has none."""
        if not self._is_there():
            return ""
        asked = ["ovsdb-tool", "db-cid", str(self._database)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode not in (0, NO_NUMBER):
            raise SystemExit(f"{self._database} cannot be read: {done.stderr.strip()}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def _is_there(self) -> bool:
        try:
            return self._database.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _cut_off(self) -> None:
        """Take away the piece of a record at the end, which no server would read either; a copy of
        all stays, for a person. Damage with more behind it is no power cut's: a server would read
        until there, and have forgotten what the cluster relies on."""
        if not self._is_there():
            return
        size, whole = self._database.stat().st_size, whole_records(self._database)
        if 0 < whole < size:
            with self._database.open("rb") as file:
                file.seek(whole)
                if RECORD.search(file.read(), 1):
                    raise SystemExit(f"{self._database} is damaged at byte {whole}, and goes on")
            copy = self._database.with_suffix(".cut")
            said = f"{self._database}: only {whole} of {size} bytes are whole, all are in {copy}"
            print(said, flush=True)
            shutil.copy2(self._database, copy)
            os.sync()
            os.truncate(self._database, whole)

    def _is_former(self) -> bool:
        """Whether its cluster knows this member by another address, of another kind."""
        return self._is_there() and self._address() != self._own

    def _address(self) -> str:
        """This member's address as the file has it from its first line on: read once per file."""
        number = self._database.stat().st_ino
        if self._written[0] != number:
            self._written = (number, _ask("db-local-address", self._database))
        return self._written[1]

    def _position(self) -> int:
        """How far its log goes, as raft compares it: by the term of the last entry, then by its
        number. Both are 64 bits at most, and far smaller."""
        log = _ask("show-log", self._database)
        entries = [
            (int(t), int(i)) for t, i in re.findall(r"(?m)^ term: (\d+)\n index: (\d+)$", log)
        ]
        snapshots = re.findall(r"(?m)^ prev_index: (\d+)\n prev_term: (\d+)$", log)
        term, index = max(entries + [(int(t), int(i)) for i, t in snapshots], default=(0, 0))
        return term << 40 | index

    def _standalone(self) -> Path:
        """All that it holds, without a cluster."""
        content = self._database.with_suffix(".standalone")
        content.unlink(missing_ok=True)
        _ask("cluster-to-standalone", content, self._database)
        return content

    def is_up(self) -> bool:
        """Whether it belongs to a cluster that has a leader."""
        lines = self._status()
        led = any(line.startswith("Leader: ") and "unknown" not in line for line in lines)
        return led and "Status: cluster member" in lines

    def _status(self) -> list[str]:
        """What the server says of its cluster, at most a moment old; nothing when it is silent."""
        at, lines = self._seen
        if time.monotonic() - at > FRESH_SECONDS:
            lines = _call(self._control, "cluster/status", self._name).splitlines()
            self._seen = (time.monotonic(), lines)
        return lines

    def is_stuck(self) -> bool:
        """Never: raft needs no new start."""
        return False

    def attend(self, up: Sequence[str]) -> None:
        """Have members leave that are no more, as the leader: they have votes for ever.

        One whose disk was lost joins as another server at its own address; a host that was taken
        out of the cloud leaves without a word.
        """
        lines = self._status()
        if "Role: leader" in lines:
            for server in gone(lines, {self._own, *self._others.values()}):
                said = _call(self._control, "cluster/kick", self._name, server)
                print(f"server {server} is no more, and leaves the cluster: {said}", flush=True)

    def part(self) -> int:
        """Nobody is sent to one member: clients know all of them and change by themselves."""
        return 0

    def is_ready(self) -> bool:
        """The same: a member that knows its leader takes reads and writes."""
        return self.is_up()


def gone(lines: Sequence[str], declared: Collection[str]) -> list[str]:
    """The servers in a leader's status that are silent for good: in whose place, at their address,
    another one speaks, or whose address is not `declared`.

    One that is only down is alone at its address, and stays.
    """
    led = re.search(r"(?m)^Last Election won: (\d+) ms ago$", "\n".join(lines))
    silent: dict[str, dict[str, float]] = {}
    for one in filter(None, map(SERVER.match, lines)):
        heard = SILENT.search(one["rest"])
        # of one that this leader never heard it says nothing
        milliseconds = int(heard[1] or 0) if heard else int(led[1]) if led else 0
        silent.setdefault(one["address"], {})[one["id"]] = milliseconds / 1000
    left = []
    for address, servers in silent.items():
        replaced = min(servers.values()) <= REPLACED_SECONDS
        patience = REPLACED_SECONDS if replaced else REMOVED_SECONDS
        if replaced or address not in declared:
            left += [id for id, seconds in servers.items() if seconds > patience]
    return left


def whole_records(database: Path) -> int:
    """How many bytes of a database file, from its beginning, are whole records.

    A power cut leaves a piece of one at the end, or zeros. `ovsdb-server` reads until there and
    writes over it; `ovsdb-tool` refuses the file, and nobody could say how far its log goes.
    """
    whole = 0
    with database.open("rb") as file:
        while header := RECORD.fullmatch(file.readline(MOST_HEADER)):
            content = file.read(int(header[1]))
            if hashlib.sha1(content, usedforsecurity=False).hexdigest().encode() != header[2]:
                break
            whole = file.tell()
    return whole


def _call(control: str, method: str, *params: str) -> str:
    """What the server answers on its control socket, as `ovs-appctl` asks it: JSON-RPC 1.0, an
    object each way. Asked some times a second, so without a process. Empty when it is silent."""
    question = json.dumps({"id": 0, "method": method, "params": params})
    deadline = time.monotonic() + ANSWER_SECONDS
    text = b""
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(ANSWER_SECONDS)
            door.connect(control)
            door.sendall(question.encode())
            while time.monotonic() < deadline and (chunk := door.recv(65536)):
                text += chunk
                with contextlib.suppress(ValueError):  # not all of it yet
                    return str(json.loads(text).get("result") or "")
    except OSError:
        pass
    return ""


def _ask(*words: object) -> str:
    """What `ovsdb-tool` prints; an error of its ends the member."""
    argv = ["ovsdb-tool", *map(str, words)]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
