"""The agent beside each member of a cluster: who founds, who joins, who waits."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.member import (
    HISTORY,
    MEMBERS,
    agent,
    agreement,
    decide,
    down,
)
from tests.unit.member import member as responder


def test_of_empty_members_the_first_founds_once_all_have_spoken() -> None:
    a, b, c = (down(n, -1) for n in MEMBERS)
    assert decide(a, b) == agent.Wait("c must say what it holds")
    assert decide(a, b, c) == agent.Found()
    assert decide(b, a, c) == agent.Wait("a knows most and comes first")


def test_after_all_were_killed_the_one_that_knows_most_founds() -> None:
    a, b, c = down("a", 7, *MEMBERS), down("b", 9, *MEMBERS), down("c", 9, *MEMBERS)
    assert isinstance(decide(a, b, c), agent.Wait)
    assert decide(b, a, c) == agent.Found()
    assert isinstance(decide(c, a, b), agent.Wait)
    assert decide(b, a) == agent.Wait("c must say what it holds")


def test_who_was_not_in_the_last_whole_cluster_is_not_waited_for() -> None:
    b, c = down("b", 9, "b", "c"), down("c", 9, "b", "c")
    assert decide(b, c) == agent.Found()
    assert decide(down("a", 5, *MEMBERS), b) == agent.Wait("c must say what it holds")


def test_an_arbitrator_holds_nothing_and_is_not_waited_for() -> None:
    assert decide(down("b", 9, "b", "witness")) == agent.Found()


def test_a_cluster_that_is_up_is_joined_and_one_being_founded_awaited() -> None:
    up = agent.Told(name="c", state=agent.UP, history=HISTORY, position=3)
    founding = agent.Told(name="c", state=agreement.FOUNDING, history=HISTORY, position=3)
    joins = agent.Join(history=HISTORY, through=("c",))
    assert decide(down("a", 99, *MEMBERS), up) == joins
    assert decide(down("a", 99, "a"), founding) == agent.Wait("c founds the cluster")


def test_a_lost_disk_never_founds_beside_data() -> None:
    a, b, c = down("a", -1), down("b", 4, *MEMBERS), down("c", 3, *MEMBERS)
    assert decide(a, b, c) == agent.Wait("b knows most and comes first")
    assert decide(b, a, c) == agent.Found()


def test_data_of_two_origins_is_for_a_person() -> None:
    other = down("b", 4, *MEMBERS, history="5e0e4a34-0000-11f1-8039-3bf80240a9ef")
    decision = decide(down("a", 4, *MEMBERS), other, down("c", -1))
    assert isinstance(decision, agent.Wait)
    assert "differ in origin" in decision.reason


@settings(deadline=None)
@given(st.data())
def test_no_two_found_whatever_each_has_heard(data: st.DataObject) -> None:
    """A history of whole clusters, then everything is down, and each hears some of the others."""
    told = _history(data)
    founders = []
    for own in told.values():
        heard = data.draw(st.sets(st.sampled_from(MEMBERS)))
        others = {n: told[n] for n in heard if n != own.name}  # type: ignore[attr-defined]
        if agent.decide(own, others, MEMBERS) == agent.Found():
            founders.append(own)
    assert len(founders) <= 1
    most = max(t.position for t in told.values())  # type: ignore[attr-defined]
    assert all(f.position == most for f in founders)  # type: ignore[attr-defined]


@settings(deadline=None)
@given(st.data())
def test_some_member_founds_once_all_hear_all(data: st.DataObject) -> None:
    told = _history(data)
    founders = [o for o in told.values() if agent.decide(o, told, MEMBERS) == agent.Found()]
    assert len(founders) == 1


def _history(data: st.DataObject) -> dict[str, object]:
    """What members hold after views came and went: without those that said goodbye, or of a
    majority of the one before.

    Who is in a view has its members noted and its changes applied, up to a few that a crash
    lost; a member that is not keeps what it had. A change of view has a position of its own in
    the line of changes (Galera 4, "ordered CC"), and each member keeps it as it notes the view.
    """
    view = set(MEMBERS)
    arbitrator = data.draw(st.integers(0, 1))
    position = changed = 0
    held = {n: (0, tuple(MEMBERS)) for n in MEMBERS}
    for _ in range(data.draw(st.integers(0, 4))):
        leave = data.draw(st.sets(st.sampled_from(sorted(view))))
        rest = view - leave
        said_goodbye = data.draw(st.booleans())
        if rest and (said_goodbye or (len(rest) + arbitrator) * 2 > len(view) + arbitrator):
            view = rest
        else:
            view = view | data.draw(st.sets(st.sampled_from(MEMBERS)))
        changed = position + 1
        position = changed + data.draw(st.integers(0, 5))
        for name in view:
            held[name] = (position, tuple(sorted(view)))
    best = data.draw(st.sampled_from(sorted(view)))
    for name in view - {best}:
        kept = data.draw(st.integers(min(changed, position), position))
        held[name] = (kept, held[name][1])
    return {n: down(n, p, *v) for n, (p, v) in held.items()}


def test_an_answer_without_the_right_seal_is_no_answer(tmp_path: Path) -> None:
    class Up:
        rejoins = False

        def is_up(self) -> bool:
            return True

    member = agent.Member(secret=b"one", adapter=Up(), holds=down("b", 4), running=True)
    server = responder._Server(("127.0.0.1", 0), responder._handler(member))
    agent.threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    try:
        assert agent.ask(address, b"one").state == agent.UP
        assert agent.ask(address, b"another") is None
    finally:
        server.shutdown()
        server.server_close()
    assert agent.ask(address, b"one") is None


def test_the_settings_name_every_member() -> None:
    golden = Path(__file__).parents[1] / "golden" / "three-controllers" / "files" / "ctl-1"
    told = json.loads((golden / "cloudwright" / "mariadb" / "member.json").read_text())
    assert list(told["members"]) == ["ctl-1", "ctl-2", "ctl-3"]
    assert told["secret"].startswith("⟦secret:")


def test_a_server_that_runs_and_is_not_whole_tells_nothing_old() -> None:
    class CutOff:
        rejoins = False
        up = False

        def is_up(self) -> bool:
            return self.up

    adapter = CutOff()
    member = agent.Member(secret=b"", adapter=adapter, holds=down("a", 4), founding=True)
    assert member.told().state == agreement.FOUNDING
    member.running = adapter.up = True
    assert member.told().state == agent.UP
    adapter.up = False
    assert member.told() is None
    member.running = False
    assert member.told().state == agent.DOWN


HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Serving:
    """A server that users are at: the first looks of `part` find so many, later ones nobody."""

    rejoins = False
    has_users = True

    def __init__(self, *users: int) -> None:
        self.users = list(users)
        self.looks = 0

    def is_up(self) -> bool:
        return True

    def is_ready(self) -> bool:
        return True

    def is_stuck(self) -> bool:
        return False

    def part(self) -> int:
        self.looks += 1
        return self.users.pop(0) if self.users else 0


def served(name: str, adapter: Serving) -> tuple[Any, Any, str]:
    """A member whose responder runs here: it, the responder, and its address."""
    member = agent.Member(secret=b"s", adapter=adapter, holds=down(name, 4), running=True)
    server = responder._Server(("127.0.0.1", 0), responder._handler(member))
    agent.threading.Thread(target=server.serve_forever, daemon=True).start()
    return member, server, f"127.0.0.1:{server.server_port}"


def ready(address: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{address}/ready", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("other_is_up", [True, False])
def test_who_is_asked_to_stop_hands_its_users_over_first(other_is_up: bool) -> None:
    """Load balancers are told, users are parted from it until none is left, then it stops; at
    once where nobody could have them."""
    adapter = Serving(2, -1, 1)
    member, server, address = served("a", adapter)
    _, other, elsewhere = served("b", Serving())
    if not other_is_up:
        other.shutdown()
        other.server_close()
    process = subprocess.Popen(["sleep", "1000"])
    try:
        assert ready(address) == 200
        agent.stop(member, {"a": address, "b": elsewhere}, process, signal.SIGTERM)
        assert ready(address) == 404
        assert process.wait(120) == -signal.SIGTERM
        assert adapter.looks == (4 if other_is_up else 0)
    finally:
        process.kill()
        server.shutdown()
        server.server_close()
        other.server_close()


def test_who_is_asked_twice_stops_at_once() -> None:
    before = threading.enumerate()
    adapter = Serving(*[1] * 1000)
    member, server, address = served("a", adapter)
    _, other, elsewhere = served("b", Serving())
    process = subprocess.Popen(["sleep", "1000"])
    try:
        for _ in range(2):
            agent.stop(member, {"a": address, "b": elsewhere}, process, signal.SIGTERM)
        assert process.wait(120) == -signal.SIGTERM
        assert adapter.looks == 0
    finally:
        process.kill()
        for one in (server, other):
            one.shutdown()
            one.server_close()
        # Who leaves would wait for its users beside all tests that come after.
        adapter.users.clear()
        for thread in set(threading.enumerate()) - set(before):
            thread.join()


def test_users_belong_to_the_first_member_that_is_up() -> None:
    addresses = {"a": "one", "b": "two", "c": "three"}
    member = agent.Member(secret=b"", adapter=Serving(), holds=down("b", 4))
    assert agent.before(member, addresses) == {"a": "one"}
    first = agent.Member(secret=b"", adapter=Serving(), holds=down("a", 4))
    assert agent.before(first, addresses) == {}
    assert not agent.is_up(first, {})


@pytest.mark.parametrize("is_deaf", [True, False])
def test_a_stuck_server_that_takes_no_signal_is_killed_at_once(
    monkeypatch: pytest.MonkeyPatch, is_deaf: bool
) -> None:
    """Whoever may take it is waited for: here for as long as the test says."""

    class Stuck(Serving):
        kept = None

        def is_stuck(self) -> bool:
            return True

    adapter = Stuck()
    adapter.is_deaf = is_deaf  # type: ignore[attr-defined]
    member = agent.Member(secret=b"", adapter=adapter, holds=down("a", 4))
    monkeypatch.setattr(agent, "WATCH_SECONDS", 0.5)  # by then it takes no TERM
    monkeypatch.setattr(agent, "STOP_SECONDS", 1000 if is_deaf else 0.5)
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    try:
        deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
        assert agent.run(member, deaf, {"a": "127.0.0.1:1"}) is None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert not member.running
