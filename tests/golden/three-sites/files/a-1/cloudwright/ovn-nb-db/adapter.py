"""OVSDB's raft for the member's agent: whether there is a database, and how it comes to be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FRESH = -1
ANSWER_SECONDS = 2


class Adapter:
    """One database file and the server on it."""

    rejoins = True
    """Raft itself brings members together again; only the first founding is agreed on."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._database = Path(settings["database"])
        self._schema = settings["schema"]
        self._name = settings["database_name"]
        self._own = settings["raft"][settings["name"]]
        self._others = [a for n, a in settings["raft"].items() if n != settings["name"]]
        self._control = settings["control"]

    def look(self) -> tuple[str, int, tuple[str, ...]]:
        """A database that is there has a cluster; an empty file is what a full disk left."""
        try:
            size = self._database.stat().st_size
        except FileNotFoundError:
            size = 0
        return ("", 0, ()) if size else ("", FRESH, ())

    def command(self, found: bool) -> list[str]:
        """Make the database when it is missing, in a place where half of it is not mistaken."""
        if self.look()[1] == FRESH:
            new = self._database.with_suffix(".new")
            new.unlink(missing_ok=True)
            if found:
                words = ["create-cluster", str(new), self._schema, self._own]
            else:
                words = ["join-cluster", str(new), self._name, self._own, *self._others]
            subprocess.run(["ovsdb-tool", *words], check=True)
            os.sync()
            new.replace(self._database)
        return ["bash", "/etc/cloudwright/start.sh"]

    def is_up(self) -> bool:
        """Whether it belongs to a cluster that has a leader."""
        asked = ["ovs-appctl", "-t", self._control, "cluster/status", self._name]
        try:
            done = subprocess.run(
                asked, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        lines = done.stdout.splitlines()
        led = any(line.startswith("Leader: ") and "unknown" not in line for line in lines)
        return led and "Status: cluster member" in lines

    def is_stuck(self) -> bool:
        """Never: raft needs no new start."""
        return False

    def is_ready(self) -> bool:
        """The same: a member that knows its leader takes reads and writes."""
        return self.is_up()
