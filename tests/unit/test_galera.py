"""The agent beside a member of the database: what Galera left, and what is done with it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.member import HISTORY, agreement, down, galera


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
        "secret": "s",
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


WHOLE = {"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "4"}


@pytest.mark.parametrize(
    ("founds", "was_whole", "up", "stuck"),
    [
        (False, False, False, True),
        (False, False, True, False),  # which takes its time to give it all
        (False, True, False, False),  # it is frozen: that has nothing to do with the others
        (True, False, False, False),  # it recovers, for as long as its data take
    ],
)
def test_who_joins_a_cluster_that_is_gone_is_started_anew(
    tmp_path: Path,
    adapter: object,
    monkeypatch: pytest.MonkeyPatch,
    *,
    founds: bool,
    was_whole: bool,
    up: bool,
    stuck: bool,
) -> None:
    others = [replace(down("b", 12), state=agreement.UP)] if up else [down("b", 12)]
    monkeypatch.setattr(galera, "ask_all", lambda addresses, secret: others)
    cluster = Cluster(tmp_path, adapter, monkeypatch)
    adapter.command(found=founds, anew=False)  # type: ignore[attr-defined]
    if was_whole:
        cluster.status = WHOLE
        assert not cluster.stuck_after(6)
    cluster.status = {}  # it does not answer
    assert not cluster.stuck_after(28)
    assert cluster.stuck_after(6) is stuck


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
