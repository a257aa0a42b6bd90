"""Galera for the member's agent: where the data stands, and how the server is started."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
# Files beside this one.
from agreement import UP
from component import is_first, keep_telling, may_go_on, names_of
from questions import ask_all
from server import tell

STATE = "grastate.dat"
FORMER = "cloudwright.grastate"
"""The server's state that is given up, until it has written another."""
VIEW = "cloudwright.view"
THERE = Path("/run/mysqld/members")
"""Who is there now, whole or not (`notify.sh`)."""

NO_HISTORY = "00000000-0000-0000-0000-000000000000"
FRESH = -1
POSITION = re.compile(r"Recovered position:? *([0-9a-f-]{36}):(-?\d+)")

ANSWER_SECONDS = 1
"""A server that takes longer for its own status is frozen."""

PART_SECONDS = 5
"""For the question who uses the server, which a busy machine may answer late."""

SESSIONS = """
SELECT p.ID, p.COMMAND = 'Sleep' AND p.TIME_MS > 500 AND t.trx_id IS NULL
FROM information_schema.PROCESSLIST p
LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID
WHERE p.USER NOT IN ('root', 'system user', 'event_scheduler', 'transfer', 'monitor')
AND p.ID != CONNECTION_ID()
"""
"""Users' sessions, and which of them idle: who has just asked whether his still lives, before he
uses it, has slept for less than that."""

SYNCED, DONOR = "4", "2"
"""`wsrep_local_state`; a donor (by mariabackup) takes reads and writes meanwhile."""

CUT_OFF = "is cut off from the majority"
SCATTERED = "is one of a majority that does not go on"
REFUSED = "is one of a majority that lacks what somebody else has"
DESERTED = "joins a cluster that is there no more"
STUCK_SECONDS = {
    # A cluster that was lost and found again in the middle of a transfer leaves its donor in that
    # state for ever, giving nothing to anybody (seen with Galera 26.4.23).
    "is a donor to nobody": 10,
    # Galera goes on by itself only when each process of the last whole cluster is back, and one
    # that was started anew is another to it (an arbitrator, say): then nobody ever would.
    CUT_OFF: 20,
    # While lines come and go each try to go on may fail. Who is started anew is none of the last
    # whole cluster any more, and needs every one of it, the dead included.
    SCATTERED: 180,
    # Galera has made them a cluster, and found then that only its witness knows of the newest
    # changes: it waits for who has them, whom it may not be able to reach from there.
    REFUSED: 20,
    # Who was to give it what it misses is gone. After 300 s it finds that the transfer failed, and
    # hangs for ever (seen with MariaDB 11.8.9), while all others want to know what it holds.
    DESERTED: 30,
}
"""What a server does not come out of by itself, and after how long it is believed."""


class Adapter:
    """One data directory and the server on it."""

    rejoins = False
    has_users = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._data = self.kept = Path(settings["data"])
        self._fresh = settings["fresh"]
        self._socket = settings["socket"]
        self._user = settings["monitor"]
        self._alone = len(settings["members"]) == 1
        self._fence = settings["fence"]
        self._secret = settings["secret"].encode()
        self._others = {n: a for n, a in settings["members"].items() if n != settings["name"]}
        self._connection: Any = None
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, str]] = (0.0, {})
        self._start: list[str] = []
        self._wrong: tuple[str, float] = ("", 0.0)
        self._made = ""  # a cluster, of these members
        self._newest: int | None = None
        self._joins = False
        self._teller = threading.Thread(
            target=keep_telling, args=(*self._fence, self._whole), daemon=True
        )

    def look(self) -> tuple[str, int, tuple[str, ...]]:
        """The history and position of the data, recovered from its log after a crash."""
        self._unpack()
        self._take_back()
        history, position = self._state()
        if history and position < 0 and not self._alone:
            history, position = self._recover()
        # Else a member that crashed would be given everything anew, not what it missed.
        known = history and position >= 0
        self._start = [f"--wsrep-start-position={history}:{position}"] if known else []
        return history, position if history else FRESH, _view(self._data)

    def history(self) -> str:
        """As it was when the server started; what it became, its members settle by themselves."""
        return ""

    def command(
        self, found: bool, anew: bool, history: str = "", others: Sequence[str] = ()
    ) -> list[str]:
        """mariadbd; the founder's cluster is new, and its word that it may be is given here.

        Without its state a founder's server makes a new history of the same data.
        """
        self._newest, self._joins = None, not found
        if not self._alone and self._teller.ident is None:
            self._teller.start()
        if not found:
            return ["mariadbd", *self._start]
        state = self._data / STATE
        if anew:
            if state.exists():
                state.replace(self._data / FORMER)
            return ["mariadbd", "--wsrep-new-cluster"]
        if state.exists():
            text = state.read_text()
            _write(state, re.sub(r"(?m)^safe_to_bootstrap:.*", "safe_to_bootstrap: 1", text))
        return ["mariadbd", "--wsrep-new-cluster", *self._start]

    def is_up(self) -> bool:
        """Whether others may join through it: who still receives its own data has none to give."""
        return self.is_ready()

    def is_stuck(self) -> bool:
        """Whether only a new start, and a new agreement with the others, helps the server; a
        majority that lost the rest goes on without one."""
        wrong = self._what_is_wrong()
        if wrong == SCATTERED and self._wrong[0] == wrong and is_first(*self._fence):
            print("a majority of the last members is here, and goes on", flush=True)
            here = _text(THERE)
            if tell("SET GLOBAL wsrep_provider_pc_bootstrap = ON") == 0:
                self._made = here
        if wrong not in (SCATTERED, REFUSED):
            self._made = ""
        if wrong != self._wrong[0]:
            self._wrong = (wrong, time.monotonic())
        return bool(wrong) and time.monotonic() - self._wrong[1] > STUCK_SECONDS[wrong]

    @property
    def is_deaf(self) -> bool:
        """Whether it is without the data that it was being given: it has nothing to lose, takes no
        TERM, and would join whoever comes in the meantime."""
        return self._wrong[0] == DESERTED

    def _whole(self) -> int | None:
        """The number of the newest whole cluster that the server was in since it started; None
        when it was in none, or does not answer."""
        status = self._status()
        if _is_whole(status):
            self._newest = int(status["wsrep_cluster_conf_id"])
        return self._newest if status else None

    def _what_is_wrong(self) -> str:
        status = self._status()
        self._joins = self._joins and not _is_whole(status)
        if self._joins and not status and not self._is_one_up():
            return DESERTED
        if status and status.get("wsrep_cluster_status") != "Primary":
            here = _text(THERE)
            if not may_go_on(names_of(_text(self._data / VIEW)), names_of(here).keys()):
                return CUT_OFF
            return REFUSED if here == self._made else SCATTERED
        gives = subprocess.run(["pgrep", "-f", "wsrep_sst_"], capture_output=True).returncode == 0
        donor = status.get("wsrep_local_state") == DONOR and status.get("wsrep_ready") == "OFF"
        return "is a donor to nobody" if donor and not gives else ""

    def _is_one_up(self) -> bool:
        """Whether another member is whole: only then has somebody something to give."""
        return any(told.state == UP for told in ask_all(self._others, self._secret))

    def is_ready(self) -> bool:
        """Whether it has all that the primary component has, and takes writes."""
        return _is_whole(self._status())

    def attend(self, up: Sequence[str]) -> None:
        """Nothing: the server sees to everything by itself."""

    def part(self) -> int:
        """End users' sessions that sleep outside of a transaction; how many there were of any
        kind, -1 when the server does not say. Pools ask whether a session still lives before
        they use it, and get another."""
        import pymysql

        try:
            with self._connect(PART_SECONDS) as connection, connection.cursor() as cursor:
                cursor.execute(SESSIONS)
                rows = cursor.fetchall()
                for number, idle in rows:
                    if idle:
                        with contextlib.suppress(pymysql.err.OperationalError):  # it has ended
                            cursor.execute(f"KILL {int(number)}")
                return len(rows)
        except (pymysql.MySQLError, OSError):
            return -1

    def _unpack(self) -> None:
        """Fill an empty data directory with the image's; `mysql` comes last, as the sign."""
        data = self._data
        if (data / "mysql").is_dir():
            return
        subprocess.run(["find", str(data), "-mindepth", "1", "-delete"], check=True)
        fresh = data / ".fresh"
        fresh.mkdir()
        subprocess.run(["tar", "-C", str(fresh), "-xf", self._fresh], check=True)
        os.sync()
        for item in sorted(fresh.iterdir(), key=lambda p: p.name == "mysql"):
            item.rename(data / item.name)
        fresh.rmdir()

    def _take_back(self) -> None:
        """Undo a founding that ended before the server had a history of its own; what was given up
        for it is all that there may be, and nothing was written since."""
        former = self._data / FORMER
        if (self._data / STATE).exists():
            former.unlink(missing_ok=True)
        elif former.exists():
            former.replace(self._data / STATE)

    def _state(self) -> tuple[str, int]:
        """What the server wrote as it stopped; position -1 when it could not."""
        try:
            text = (self._data / STATE).read_text()
        except FileNotFoundError:
            return "", FRESH
        found = dict(re.findall(r"(?m)^(uuid|seqno):\s*(\S+)", text))
        history = found.get("uuid", NO_HISTORY)
        return "" if history == NO_HISTORY else history, int(found.get("seqno", FRESH))

    def _recover(self) -> tuple[str, int]:
        """What the storage engine has after a crash (`--wsrep-recover` says it and ends)."""
        with tempfile.NamedTemporaryFile("r", prefix="recover.") as log:
            subprocess.run(["mariadbd", "--wsrep-recover", f"--log-error={log.name}"], check=False)
            text = Path(log.name).read_text(errors="replace")
        found = POSITION.findall(text)
        if not found:
            print(text, file=sys.stderr)
            raise SystemExit("the position of the data could not be recovered")
        history, position = found[-1]
        return "" if history == NO_HISTORY else history, int(position)

    def _status(self) -> dict[str, str]:
        """`wsrep_%`, at most a moment old; empty when the server does not answer in time."""
        with self._lock:
            at, status = self._seen
            if time.monotonic() - at > 0.1:
                status = self._query()
                self._seen = (time.monotonic(), status)
            return status

    def _query(self) -> dict[str, str]:
        import pymysql

        try:
            if self._connection is None:
                self._connection = self._connect(ANSWER_SECONDS)
            with self._connection.cursor() as cursor:
                cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
                return {str(k): str(v) for k, v in cursor.fetchall()}
        except (pymysql.MySQLError, OSError):
            self._connection = None
            return {}

    def _connect(self, seconds: float) -> Any:
        import pymysql

        return pymysql.connect(
            unix_socket=self._socket,
            user=self._user,
            connect_timeout=seconds,
            read_timeout=seconds,
            autocommit=True,
        )


def _is_whole(status: Mapping[str, str]) -> bool:
    return (
        status.get("wsrep_cluster_status") == "Primary"
        and status.get("wsrep_ready") == "ON"
        and status.get("wsrep_local_state") in (SYNCED, DONOR)
    )


def _view(data: Path) -> tuple[str, ...]:
    """The members of the last whole cluster, which the server had kept (`notify.sh`)."""
    text = _text(data / VIEW)
    return tuple(m.split("/")[1] for m in text.strip().split(",") if m.count("/") >= 2)


def _text(path: Path) -> str:
    """Empty when there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    """All of it or nothing, also when the power fails."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
