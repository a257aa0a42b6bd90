"""The agent beside each member of a cluster: who founds, who joins, who waits."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.member import (
    HISTORY,
    MEMBERS,
    agent,
    decide,
    down,
    galera,
)


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
    founding = agent.Told(name="c", state=agent.FOUNDING, history=HISTORY, position=3)
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
    server = agent._Server(("127.0.0.1", 0), agent._handler(member))
    agent.threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    try:
        assert agent.ask(address, b"one").state == agent.UP
        assert agent.ask(address, b"another") is None
    finally:
        server.shutdown()
        server.server_close()
    assert agent.ask(address, b"one") is None


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    # Its thread would ask a server that is not there for as long as the tests run.
    monkeypatch.setattr(galera, "keep_telling", lambda *_: None)
    (tmp_path / "mysql").mkdir()
    settings = {
        "data": str(tmp_path),
        "fresh": "",
        "socket": str(tmp_path / "socket"),
        "monitor": "",
        "name": "a",
        "fence": ["127.0.0.1", 9],
        "members": {"a": "", "b": ""},
    }
    return galera.Adapter(settings)


def test_what_galera_left_when_it_stopped_is_its_position(tmp_path: Path, adapter: object) -> None:
    state = f"version: 2.1\nuuid:    {HISTORY}\nseqno:   12\nsafe_to_bootstrap: 0\n"
    (tmp_path / "grastate.dat").write_text(state)
    (tmp_path / "cloudwright.view").write_text("u1/a/10.0.0.1:0,u2/w/,u3/b/10.0.0.2:0\n")
    assert adapter.look() == (HISTORY, 12, ("a", "w", "b"))  # type: ignore[attr-defined]
    position = f"--wsrep-start-position={HISTORY}:12"
    assert adapter.command(found=False, anew=False) == ["mariadbd", position]  # type: ignore[attr-defined]
    assert "safe_to_bootstrap: 0" in (tmp_path / "grastate.dat").read_text()
    assert "--wsrep-new-cluster" in adapter.command(found=True, anew=False)  # type: ignore[attr-defined]
    assert "safe_to_bootstrap: 1" in (tmp_path / "grastate.dat").read_text()


def test_a_transfer_that_broke_off_leaves_nothing_to_found_with(
    tmp_path: Path, adapter: object
) -> None:
    zero = "00000000-0000-0000-0000-000000000000"
    (tmp_path / "grastate.dat").write_text(f"uuid:    {zero}\nseqno:   -1\n")
    assert adapter.look() == ("", -1, ())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("primary", "kept"), [("yes", "u1/a/x,u2/b/y\n"), ("no", None)])
def test_the_members_of_a_whole_cluster_are_kept(
    tmp_path: Path, primary: str, kept: str | None
) -> None:
    source = files("cloudwright.services.mariadb").joinpath("program", "notify.sh").read_text()
    script = source.replace("/var/lib/mysql/", f"{tmp_path}/")
    script = script.replace("/run/mysqld/", f"{tmp_path}/")
    words = ["--status", "synced", "--uuid", HISTORY, "--primary", primary]
    words += ["--members", "u1/a/x,u2/b/y", "--index", "0"]
    subprocess.run(["sh", "-c", script, "notify", *words], check=True)
    view = tmp_path / "cloudwright.view"
    assert (view.read_text() if view.exists() else None) == kept
    assert (tmp_path / "members").read_text() == "u1/a/x,u2/b/y\n"


class Cluster:
    """What a server that lost its majority says of it, on a clock of its own."""

    def __init__(self, path: Path, adapter: object, monkeypatch: pytest.MonkeyPatch) -> None:
        self.members, self.adapter, self.now, self.tries = path / "members", adapter, 0.0, 0
        self.made = True
        (path / "cloudwright.view").write_text("u1/a/x,u2/b/y,u3/w/\n")
        self.status = {"wsrep_cluster_status": "non-Primary"}
        monkeypatch.setattr(galera, "THERE", self.members)
        monkeypatch.setattr(galera, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(galera, "is_first", lambda *_: True)
        monkeypatch.setattr(galera, "tell", self.tell)
        monkeypatch.setattr(adapter, "_status", lambda: self.status)

    def tell(self, statement: str) -> int:
        assert "pc_bootstrap" in statement
        self.tries += 1
        return 0 if self.made else 1

    def stuck_after(self, seconds: float, *members: str) -> bool:
        """Whether it is to be started anew, once these were there for so long."""
        self.members.write_text(",".join(members) + "\n")
        end = self.now + seconds
        while self.now < end:
            self.now += 2
            if self.adapter.is_stuck():  # type: ignore[attr-defined]
                return True
        return False


def test_who_is_cut_off_alone_is_started_anew(
    tmp_path: Path, adapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, adapter, monkeypatch)
    assert not cluster.stuck_after(18, "u1/a/x")
    assert cluster.stuck_after(6, "u1/a/x")
    assert cluster.tries == 0


def test_a_majority_whose_views_flap_is_left_running(
    tmp_path: Path, adapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, adapter, monkeypatch)
    cluster.made = False  # a view that changes meanwhile refuses it
    for _ in range(10):
        assert not cluster.stuck_after(6, "u1/a/x", "u3/w/")
        assert not cluster.stuck_after(6, "u1/a/x")
    assert cluster.tries == 20


def test_a_majority_that_lacks_something_is_started_anew(
    tmp_path: Path, adapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made a cluster, and what it became is none: only an absent member knows the rest."""
    cluster = Cluster(tmp_path, adapter, monkeypatch)
    assert cluster.stuck_after(30, "u1/a/x", "u3/w/")
    assert cluster.tries == 1


def test_a_majority_that_went_on_does_so_again(
    tmp_path: Path, adapter: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, adapter, monkeypatch)
    assert not cluster.stuck_after(6, "u1/a/x", "u3/w/")
    cluster.status["wsrep_cluster_status"] = "Primary"
    assert not cluster.stuck_after(6, "u1/a/x", "u2/b/y", "u3/w/")
    cluster.status["wsrep_cluster_status"] = "non-Primary"
    assert not cluster.stuck_after(6, "u1/a/x", "u3/w/")
    assert cluster.tries == 2


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
    assert member.told().state == agent.FOUNDING
    member.running = adapter.up = True
    assert member.told().state == agent.UP
    adapter.up = False
    assert member.told() is None
    member.running = False
    assert member.told().state == agent.DOWN


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
    server = agent._Server(("127.0.0.1", 0), agent._handler(member))
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


def test_a_founder_without_the_dead_begins_a_new_history(tmp_path: Path, adapter: object) -> None:
    (tmp_path / "grastate.dat").write_text(f"uuid:    {HISTORY}\nseqno:   12\n")
    adapter.look()  # type: ignore[attr-defined]
    words = adapter.command(found=True, anew=True)  # type: ignore[attr-defined]
    assert words == ["mariadbd", "--wsrep-new-cluster"]
    assert not (tmp_path / "grastate.dat").exists()
    # The server ended before it wrote anything: it never began.
    assert adapter.look()[:2] == (HISTORY, 12)  # type: ignore[attr-defined]
    adapter.command(found=True, anew=True)  # type: ignore[attr-defined]
    (tmp_path / "grastate.dat").write_text("uuid:    new\nseqno:   1\n")
    assert adapter.look()[:2] == ("new", 1)  # type: ignore[attr-defined]
    (tmp_path / "grastate.dat").unlink()  # by a transfer that was interrupted, much later
    assert adapter.look()[0] == ""  # type: ignore[attr-defined]
