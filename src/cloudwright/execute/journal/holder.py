"""Who holds a cloud: which process of which user on which machine, since when and why."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """One run of one verb. `since` is in seconds since the epoch.

    `machine_id`, `boot`, `namespace` and `started` tell its process from any other that ever has
    its `pid`; each is empty where the machine does not say it.
    """

    run: str
    cloud: str
    why: str
    user: str
    machine: str
    pid: int
    since: float
    machine_id: str = ""
    boot: str = ""
    namespace: str = ""
    started: str = ""

    def __str__(self) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"{self.user}@{self.machine}, process {self.pid}, since {moment}: {self.why}"


def this_process(*, run: str, cloud: str, why: str) -> Holder:
    """Us, about to do something to a cloud."""
    return Holder(
        run=run,
        cloud=cloud,
        why=why,
        user=os.environ.get("SUDO_USER") or getpass.getuser(),
        machine=socket.gethostname(),
        pid=os.getpid(),
        since=time.time(),
        machine_id=_text("/etc/machine-id"),
        boot=_text("/proc/sys/kernel/random/boot_id"),
        namespace=_namespace(),
        started=_start_of(os.getpid()),
    )


def has_ended(holder: Holder, here: Holder) -> bool:
    """Whether `holder` was a process of the same user on this very machine and runs no more.

    False wherever that cannot be known: another machine, or another container of this one.
    """
    if (holder.user, holder.machine, holder.machine_id) != (
        here.user,
        here.machine,
        here.machine_id,
    ):
        return False
    if holder.boot != here.boot:
        return bool(here.machine_id and holder.boot and here.boot)
    if not holder.boot or holder.namespace != here.namespace or not holder.started:
        return False
    return _start_of(holder.pid) != holder.started


def to_text(holder: Holder) -> str:
    """One line of JSON."""
    return json.dumps(asdict(holder), ensure_ascii=True)


def from_text(text: str, run: str) -> Holder:
    """The holder that a line tells; where it tells none, somebody whose run is called `run`."""
    try:
        data = json.loads(text)
        return Holder(**{**data, "pid": int(data["pid"]), "since": float(data["since"])})
    except (ValueError, TypeError, KeyError):
        return Holder(
            run=run,
            cloud="",
            why="a lock that cannot be read",
            user="somebody",
            machine="somewhere",
            pid=0,
            since=0.0,
        )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """When a process began, in ticks since boot (proc(5), field 22); empty when there is none."""
    _, _, fields = _text(f"/proc/{pid}/stat").rpartition(") ")
    words = fields.split()
    return words[19] if len(words) > 19 and words[0] not in ("Z", "X") else ""
