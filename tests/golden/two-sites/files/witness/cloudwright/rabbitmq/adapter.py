"""RabbitMQ for the member's agent: whose data it has, whom it joins, how it goes on alone.

Members agree among themselves on what they hold; who is in the cluster is each one's own record
(Mnesia), and each quorum queue is a raft of its own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from room import Room  # a file beside this one

FRESH = -1
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
FIRST = "first"
"""The history of data that no agent had begun."""

ANSWER_SECONDS = 1.0
EVALUATION_SECONDS = 120
FORGET_SECONDS = 120
DEAD_SECONDS = "1"
"""How long one try to reach a dead member takes; there are several for each."""

AGAIN_SECONDS = 15
"""Until copies that could not be made are tried again: a queue may have no leader for a while."""

DONE = "done"
UNKNOWN = "not_a_cluster_node"
"""What `forget_cluster_node` says of a member that nobody knows."""

# Each queue that is here goes on alone: all side by side, since each one tries for some seconds to
# reach the dead (57 s for 14 queues one by one). Streams do not: one whose writer was lost or
# stopped in the same moment may never get another (rabbitmq-server issue 16822), so none is kept;
# and no queue of which only the dead had a copy.
ALONE = """
[ok = rabbit_db_cluster:forget_member(N, false) || N <- rabbit_nodes:list_members(), N =/= node()],
Shrink = fun(Q) ->
    {resource, Vhost, queue, Name} = amqqueue:get_name(Q),
    rabbit_quorum_queue:force_shrink_member_to_current_member(Vhost, Name)
end,
Shrinking = [spawn_monitor(fun() -> Shrink(Q) end)
             || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_quorum_queue],
[receive {'DOWN', Ref, process, Pid, Why} -> normal = Why end || {Pid, Ref} <- Shrinking],
case whereis(rabbit_stream_coordinator) of
    undefined -> ok;
    _ -> ok = ra_server_proc:force_shrink_members_to_current_member(
                  {rabbit_stream_coordinator, node()})
end,
Here = [amqqueue:get_name(Q) || Q <- rabbit_amqqueue:list()],
[begin
     Stream = amqqueue:get_type(Q) =:= rabbit_stream_queue,
     {ok, _} = case Stream of
         true -> rabbit_stream_coordinator:delete_stream(Q, <<"cloudwright">>);
         false -> {ok, none}
     end,
     ok = rabbit_amqqueue:internal_delete(Q, <<"cloudwright">>)
 end || Q <- rabbit_db_queue:get_all_durable(),
        amqqueue:get_type(Q) =:= rabbit_stream_queue
            orelse not lists:member(amqqueue:get_name(Q), Here)],
done.
"""

# Members that are no longer declared are taken out with their copies, once they are down. A queue
# keeps the members that it was declared with: who comes anew is in none.
GROW = """
Former = rabbit_nodes:list_members() -- [{declared}],
Gone = Former -- rabbit_nodes:list_running(),
[begin
     ok = rabbit_db_cluster:forget_member(N, false),
     rabbit_quorum_queue:shrink_all(N),
     rabbit_stream_queue:delete_all_replicas(N)
 end || N <- Gone],
Left = [catch case amqqueue:get_type(Q) of
            rabbit_quorum_queue -> rabbit_quorum_queue:add_member(Q, N, voter, 30000);
            rabbit_stream_queue -> rabbit_stream_coordinator:add_replica(Q, N)
        end
        || Q <- rabbit_amqqueue:list(),
           lists:member(amqqueue:get_type(Q), [rabbit_quorum_queue, rabbit_stream_queue]),
           N <- rabbit_nodes:list_running() -- maps:get(nodes, amqqueue:get_type_state(Q), [])],
case [E || E <- Left, E =/= ok] ++ (Former -- Gone) of [] -> done; Others -> Others end.
"""

# After a cut Mnesia may never be whole again, with every door open and every node connected: when
# the line came back before anybody paused (rabbitmq-server issue 17319), or was cut again while a
# member came back (issue 2175). What is declared on one side is unknown on the other then. The
# cure is a restart of the side that has fewer members, or of the later name. Who looks lives in
# the server, where looking costs no process; one look alone may meet a member that comes or goes.
WATCH = """
View = fun(N) ->
    true = erpc:call(N, rabbit, is_running, [], 2000),
    erpc:call(N, mnesia, system_info, [running_db_nodes], 2000)
end,
Rank = fun(N, Seen) -> {{-length(Seen), N}} end,
Look = fun Look(Times) ->
    timer:sleep({pause} * 1000),
    Views = [{{N, V}} || N <- [node() | nodes()], V <- [catch View(N)], is_list(V)],
    Own = proplists:get_value(node(), Views, []),
    Before = [N || {{N, V}} <- Views, lists:member(node(), Own), N =/= node(),
                   not (lists:member(N, Own) andalso lists:member(node(), V)),
                   Rank(N, V) < Rank(node(), Own)],
    case Before of
        [] -> Look(0);
        _ when Times + 1 < {times} -> Look(Times + 1);
        _ -> file:write_file("{path}", io_lib:format("~p", [Before])), Look(0)
    end
end,
case whereis(cloudwright_watch) of
    undefined -> register(cloudwright_watch, spawn(fun() -> Look(0) end));
    _ -> ok
end,
done.
"""

# A member opens its doors before its copies of streams run again, by ten seconds on a busy host.
# Who comes then is refused the streams, which every service reads, and takes nothing else either.
# Who looks lives in the server, as above.
SETTLE = """
Missing = fun() ->
    [Q || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_stream_queue,
          State <- [amqqueue:get_type_state(Q)], lists:member(node(), maps:get(nodes, State)),
          element(1, rabbit_stream_coordinator:local_pid(maps:get(name, State))) =/= ok]
end,
Settle = fun Settle() ->
    case catch Missing() of
        [] -> ok = file:write_file("{settled}", "");
        _ -> timer:sleep(1000), Settle()
    end
end,
spawn(Settle),
"""

SETTLE_SECONDS = 60
"""For how long an open member is out of use without its copies: then it is better than none."""

WATCH_SECONDS = 5
WATCH_TIMES = 4

STUCK_SECONDS = 60
"""How long a member may keep its doors closed; those whose line came back after cuts of 12 and
20 s opened them within 7 s."""


class Adapter:
    """One data directory and the server on it."""

    rejoins = True
    has_users = False
    is_deaf = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.kept = Path(settings["data"])
        self._nodes: dict[str, str] = settings["nodes"]
        self._own = self._nodes[settings["name"]]
        self._name = settings["name"]
        self._listens = (settings["address"], settings["port"])
        self._names = Path(settings["names"])
        self._store = self.kept / "mnesia"
        self._formation = self.kept / "conf.d" / "cluster.conf"
        self._history = self.kept / "cloudwright.history"
        self._joining = self.kept / "cloudwright.joining"
        self._alone = self.kept / "cloudwright.alone"
        self._apart = self.kept / "cloudwright.apart"
        self._settled = self.kept / "cloudwright.settled"
        self._starting = self.kept / "cloudwright.starting"
        self._room = Room(self.kept, settings["room"])
        self._up: Sequence[str] = ()
        self._watched = len(self._nodes) == 1
        self._grown = len(self._nodes) == 1
        self._again = 0.0
        self._opened = 0.0
        self._answered = 0.0

    def look(self) -> tuple[str, int, tuple[str, ...]]:
        """Whose data there are; how far they go, each of its queues counts for itself."""
        if not self._holds():
            return "", FRESH, ()
        return self.history() or FIRST, 0, ()

    def command(
        self, found: bool, anew: bool, history: str = "", others: Sequence[str] = ()
    ) -> list[str]:
        """Begin or join a cluster where there is nothing to start with, or that is given up."""
        self._room.wait()
        nodes = [self._own]
        through = [self._nodes[name] for name in sorted({*others} - {self._name})[:1]]
        if found:
            new = secrets.token_hex(16)
            if anew:
                _write(self._alone, "\n".join([new, *others]))
            _write(self._history, new)  # until here nothing has happened
        elif anew or not self._holds() or self._is_forgotten(through):
            shutil.rmtree(self._store, ignore_errors=True)
            _write(self._joining, history)
            _write(self._history, history)
            nodes += through
            self._be_forgotten(through)
        elif self._name in others:
            (self._store / self._own / "force_load").touch()  # as `rabbitmqctl force_boot` does
        self._forget(self._left_behind())
        self._formation.parent.mkdir(exist_ok=True)
        _write(self._formation, _formation(nodes))
        _write(self._names, _names(self._listens[0], socket.gethostname()))
        self._grown = self._watched = len(self._nodes) == 1
        self._answered = 0.0
        self._apart.unlink(missing_ok=True)
        self._settled.unlink(missing_ok=True)
        self._starting.touch()
        self._opened = 0.0
        return [SERVER]

    def history(self) -> str:
        """What was begun or joined last."""
        try:
            return self._history.read_text().strip()
        except FileNotFoundError:
            return ""

    def is_up(self) -> bool:
        """Whether it serves: a member without a majority closes its doors (`pause_minority`), and
        one that goes on alone has first to tell its queues."""
        return not self._left_behind() and self._answers()

    def is_ready(self) -> bool:
        """Whether it also has all that it keeps at hand; then a member takes everything."""
        if not self.is_up():
            return False
        now = time.monotonic()
        self._opened = self._opened or now
        late = now - self._opened > SETTLE_SECONDS
        return late or self._settled.exists() or len(self._nodes) == 1

    def is_stuck(self) -> bool:
        """Whether it is apart from others that it reaches, or its doors have been closed for long.

        A member that stopped in a minority goes on by itself; but one that was cut off from some
        of the others alone may never do, and from here the two look alike. So a true minority is
        started anew as well, once: only who was open since it started is, for who starts waits
        for the others.
        """
        if self._room.is_to_stop(len(self._up) - 1 > len(self._nodes) // 2):
            return True
        if self._apart.exists():
            print(f"apart from {self._apart.read_text()}, whom it reaches", flush=True)
            return True
        if self._answers():
            self._answered = time.monotonic()
        return bool(self._answered) and time.monotonic() - self._answered > STUCK_SECONDS

    def part(self) -> int:
        """Nobody is sent to one member: clients know all of them and change by themselves."""
        return 0

    def attend(self, up: Sequence[str]) -> None:
        """End what was begun: queues that go on alone, a join, copies on members that came."""
        self._up = up
        alone = self._left_behind()
        if (alone or self._joining.exists()) and not self._answers():
            return
        self._joining.unlink(missing_ok=True)
        if up:
            self._starting.unlink(missing_ok=True)
        if alone:
            if _evaluate(ALONE):
                self._alone.unlink()
            return
        if up and not self._watched:
            self._watched = _evaluate(
                SETTLE.format(settled=self._settled)
                + WATCH.format(path=self._apart, pause=WATCH_SECONDS, times=WATCH_TIMES)
            )
        if len(up) < len(self._nodes):
            self._grown = False
        elif min(up) == self._name and not self._grown and time.monotonic() > self._again:
            declared = ", ".join(f"'{node}'" for node in self._nodes.values())
            self._grown = _evaluate(GROW.format(declared=declared))
            self._again = time.monotonic() + AGAIN_SECONDS

    def _left_behind(self) -> list[str]:
        """Without whom the history goes on that was begun last, until the queues know it."""
        try:
            history, *names = self._alone.read_text().split()
        except (FileNotFoundError, ValueError):
            return []
        return names if history == self.history() else []

    def _holds(self) -> bool:
        """Whether there is a member's data, and not half of what a join was to bring."""
        return (self._store / self._own / "schema.DAT").exists() and not self._joining.exists()

    def _is_forgotten(self, through: Sequence[str]) -> bool:
        """Whether the cluster took this member out while it was away: its server never came up
        when it was last started, and those of `through`, which are up, do not know it."""
        asked = f"lists:member('{self._own}', rabbit_nodes:list_members())."
        return self._starting.exists() and any(
            _control(["--node", node, "eval", asked], EVALUATION_SECONDS) == "false"
            for node in through
        )

    def _be_forgotten(self, through: Sequence[str]) -> None:
        """Have the cluster of `through`, which are up, forget whom it knew by this one's name, and
        the copies of queues that were here: it refuses who comes back without."""
        deadline = time.monotonic() + FORGET_SECONDS
        for node in through:
            while time.monotonic() < deadline:
                words = ["--node", node, "forget_cluster_node", self._own]
                said = _control(words, FORGET_SECONDS)
                print(said, flush=True)
                if "Error" not in said or UNKNOWN in said:
                    break
                time.sleep(AGAIN_SECONDS)  # the others may take a while to see that it is down

    def _answers(self) -> bool:
        try:
            socket.create_connection(self._listens, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def _forget(self, dead: Sequence[str]) -> None:
        """Take the dead out of its record of members, while the server is down.

        What is left of it (one was forgotten before this was interrupted) `ALONE` does later.
        """
        for node in (self._nodes[name] for name in dead if name in self._nodes):
            words = ["forget_cluster_node", "--offline", node]
            print(_control(words, FORGET_SECONDS), flush=True)


def _formation(nodes: Sequence[str]) -> str:
    """Whom a server with nothing joins: it asks until it does, and never begins beside it."""
    lines = ["cluster_formation.peer_discovery_backend = classic_config"]
    lines += [
        f"cluster_formation.classic_config.nodes.{number} = {node}"
        for number, node in enumerate(nodes, 1)
    ]
    lines += ["cluster_formation.discovery_retry_limit = 1000000"]
    return "\n".join(lines) + "\n"


def _names(address: str, name: str) -> str:
    """An inetrc(5) with this host alone, and no other way to know names.

    Copies of streams are reached by their host's name first, and only then by address. A name
    that is known to a resolver is in no certificate; and for one that no resolver answers about
    Erlang waits 8 s, for each copy of each stream, one after the other.
    """
    own = ", ".join(f'"{one}"' for one in dict.fromkeys((name.partition(".")[0], name)))
    return (
        "{lookup, [file]}.\n"
        '{hosts_file, ""}.\n'
        '{host, {127, 0, 0, 1}, ["localhost"]}.\n'
        f"{{host, {{{address.replace('.', ', ')}}}, [{own}]}}.\n"
    )


def _evaluate(code: str) -> bool:
    """Whether the server did all of it; else what it said is told, and it is asked again later."""
    said = _control(["eval", code], EVALUATION_SECONDS)
    if said.splitlines()[-1:] != [DONE]:
        print(f"not done yet: {said}", flush=True)
        return False
    return True


def _control(words: Sequence[str], seconds: float) -> str:
    """What `rabbitmqctl` prints."""
    environment = {**os.environ, "HOME": "/var/lib/rabbitmq", "SETUP_SECONDS": DEAD_SECONDS}
    if "--offline" not in words:
        del environment["SETUP_SECONDS"]
    try:
        done = subprocess.run(
            ["rabbitmqctl", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"rabbitmqctl {words[0]} took longer than {seconds:.0f} s"
    return done.stdout.strip()


def _write(path: Path, text: str) -> None:
    """All of it or nothing, also when the power fails."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
