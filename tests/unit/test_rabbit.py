"""What the agent beside RabbitMQ prepares: whom its server joins, and what it may start with."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.unit.member import program

room = program("cloudwright.services.rabbitmq", "room.py")
rabbit = program("cloudwright.services.rabbitmq", "rabbit.py")
NODES = {"a": "rabbit@10.0.0.1", "b": "rabbit@10.0.0.2", "c": "rabbit@10.0.0.3"}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What members that are up are asked; their cluster knows nobody by this one's name."""
    asked: list[list[str]] = []

    def control(words: list[str], seconds: float) -> str:
        asked.append(words)
        return 'Error:\n{:not_a_cluster_node, ~c"..."}' if "eval" not in words else "false"

    monkeypatch.setattr(rabbit, "_control", control)
    return asked


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "mnesia" / NODES["a"]


def adapter(kept: Path, port: int = 1) -> Any:
    return rabbit.Adapter(
        {
            "data": str(kept),
            "nodes": NODES,
            "name": "a",
            "address": "127.0.0.1",
            "port": port,
            "names": str(kept / "inetrc"),
            "room": 200_000_000,
        }
    )


def formation(kept: Path) -> list[str]:
    lines = (kept / "conf.d" / "cluster.conf").read_text().splitlines()
    return [line.partition(" = ")[2] for line in lines if ".nodes." in line]


def holds(store: Path) -> None:
    store.mkdir(parents=True)
    (store / "schema.DAT").write_bytes(b"data")


def test_a_founder_joins_nobody_and_begins_a_history_of_its_own(tmp_path: Path) -> None:
    one = adapter(tmp_path)
    assert one.look() == ("", rabbit.FRESH, ())
    assert one.command(found=True, anew=False) == [rabbit.SERVER]
    assert formation(tmp_path) == [NODES["a"]]
    first = one.history()
    one.command(found=True, anew=False)
    assert first != one.history()


def test_who_joins_asks_one_that_is_up_and_never_begins_beside_it(tmp_path: Path) -> None:
    one = adapter(tmp_path)
    one.command(found=False, anew=False, history="new", others=("c", "b"))
    assert formation(tmp_path) == [NODES["a"], NODES["b"]]
    assert "discovery_retry_limit" in (tmp_path / "conf.d" / "cluster.conf").read_text()
    assert one.history() == "new"


def test_data_without_a_history_are_those_of_before_there_were_agents(
    tmp_path: Path, store: Path
) -> None:
    holds(store)
    assert adapter(tmp_path).look() == (rabbit.FIRST, 0, ())


def test_what_is_given_up_is_thrown_away_and_what_half_a_join_brought_too(
    tmp_path: Path, store: Path
) -> None:
    holds(store)
    one = adapter(tmp_path)
    one.command(found=False, anew=True, history="new", others=("b",))
    assert not store.exists()
    holds(store)  # the join began, and the power failed
    again = adapter(tmp_path)
    assert again.look() == ("", rabbit.FRESH, ())
    again.command(found=False, anew=False, history="new", others=("b",))
    assert not store.exists()


def test_a_join_is_done_once_the_server_answers(tmp_path: Path, store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = adapter(tmp_path, server.getsockname()[1])
        one.command(found=False, anew=False, history="new", others=("b",))
        holds(store)
        assert one.is_up()
        one.attend(())
    assert not one.is_up()
    assert one.look() == ("new", 0, ())


def test_a_member_that_starts_with_what_it_holds_keeps_it(tmp_path: Path, store: Path) -> None:
    holds(store)
    one = adapter(tmp_path)
    one.command(found=False, anew=False, history=rabbit.FIRST, others=("b",))
    assert one.look() == (rabbit.FIRST, 0, ())


def test_who_joins_with_nothing_has_the_cluster_forget_what_was_here_before(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(["Error: must be stopped before it can be removed", "Removing node from cluster"])

    def control(words: list[str], seconds: float) -> str:
        asked.append(words)
        return next(said)

    waited: list[float] = []
    monkeypatch.setattr(rabbit, "_control", control)
    monkeypatch.setattr(rabbit.time, "sleep", waited.append)
    adapter(tmp_path).command(found=False, anew=False, history="new", others=("c", "b"))
    assert asked == [["--node", NODES["b"], "forget_cluster_node", NODES["a"]]] * 2
    assert waited == [rabbit.AGAIN_SECONDS]  # until the others saw that it is down


def test_who_was_taken_out_while_it_was_away_joins_anew(
    tmp_path: Path, store: Path, asked: list[list[str]]
) -> None:
    holds(store)
    adapter(tmp_path).command(found=False, anew=False, history="old", others=("b",))
    assert store.exists() and not asked  # a start like any other asks nobody
    adapter(tmp_path).command(found=False, anew=False, history="old", others=("b",))
    assert not store.exists()  # it never came up, and nobody knows it
    assert formation(tmp_path) == [NODES["a"], NODES["b"]]


def test_who_came_up_is_not_asked_after(
    tmp_path: Path, store: Path, asked: list[list[str]]
) -> None:
    holds(store)
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = adapter(tmp_path, server.getsockname()[1])
        one.command(found=False, anew=False, history="old", others=("b",))
        one.attend(("a",))
    asked.clear()
    adapter(tmp_path).command(found=False, anew=False, history="old", others=("b",))
    assert store.exists() and not asked


def test_who_begins_with_what_it_knows_waits_for_no_other(
    tmp_path: Path, store: Path, asked: list[list[str]]
) -> None:
    holds(store)
    adapter(tmp_path).command(found=False, anew=False, history="old", others=("a",))
    assert (store / "force_load").exists() and not asked
    assert formation(tmp_path) == [NODES["a"]]


def free(monkeypatch: pytest.MonkeyPatch, *megabytes: int) -> list[int]:
    """What the disk has left, look by look; the last for ever."""
    left = [m * 1_000_000 for m in megabytes]
    monkeypatch.setattr(room, "_free", lambda _: left.pop(0) if len(left) > 1 else left[0])
    return left


def test_on_a_full_disk_a_member_goes_where_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = adapter(tmp_path)
    free(monkeypatch, 199)
    one.attend(("a", "b"))
    assert not one.is_stuck()  # b alone is no majority
    one.attend(("a", "b", "c"))
    assert one.is_stuck()
    free(monkeypatch, 200)
    assert not one.is_stuck()


def test_a_member_that_stayed_on_a_full_disk_is_started_anew_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = adapter(tmp_path)
    one.attend(("a",))
    free(monkeypatch, 0, 50, 250)
    assert [one.is_stuck() for _ in range(4)] == [False, False, True, False]


def test_a_member_starts_once_it_has_room_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(room.time, "sleep", waited.append)
    left = free(monkeypatch, 0, 250, 300)
    assert adapter(tmp_path).command(found=True, anew=False) == [rabbit.SERVER]
    assert len(waited) == 2 and len(left) == 1


def test_one_that_has_yet_to_tell_its_queues_is_not_up(tmp_path: Path, store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = adapter(tmp_path, server.getsockname()[1])
        assert one.is_up()
        one.command(found=True, anew=True, others=("b", "c"))
        assert not one.is_up()


def test_a_founding_without_the_dead_that_was_interrupted_is_none_or_is_ended(
    tmp_path: Path, store: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(store)
    write = rabbit._write
    for path, begun in (("cloudwright.alone", False), ("cloudwright.history", True)):

        def written(to: Path, text: str, last: str = path) -> None:
            write(to, text)
            if to.name == last:
                raise KeyboardInterrupt

        monkeypatch.setattr(rabbit, "_write", written)
        with pytest.raises(KeyboardInterrupt):
            adapter(tmp_path).command(found=True, anew=True, others=("b", "c"))
        monkeypatch.setattr(rabbit, "_write", write)
        assert asked == []
        one = adapter(tmp_path)
        assert (one.look()[0] != rabbit.FIRST) is begun
        one.command(found=False, anew=False)
        forgets = [["forget_cluster_node", "--offline", NODES[name]] for name in "bc"]
        assert asked == (forgets if begun else [])


def test_an_open_member_is_ready_once_its_copies_run_or_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(rabbit.time, "monotonic", lambda: now)
    settled = tmp_path / "cloudwright.settled"
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = adapter(tmp_path, server.getsockname()[1])
        settled.touch()  # of the server before
        one.command(found=True, anew=False)
        assert one.is_up() and not one.is_ready()
        settled.touch()
        assert one.is_ready()
        settled.unlink()
        now += rabbit.SETTLE_SECONDS
        assert not one.is_ready()
        now += 1
        assert one.is_ready()
    assert not one.is_ready()


def test_a_server_knows_no_name_but_its_own(tmp_path: Path) -> None:
    adapter(tmp_path).command(found=True, anew=False)
    lines = (tmp_path / "inetrc").read_text().splitlines()
    assert lines[:2] == ["{lookup, [file]}.", '{hosts_file, ""}.']
    name = socket.gethostname().partition(".")[0]
    assert lines[-1].startswith(f'{{host, {{127, 0, 0, 1}}, ["{name}"')


def test_doors_that_were_open_and_stay_closed_call_for_a_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, now = adapter(tmp_path), 1000.0
    monkeypatch.setattr(rabbit.time, "monotonic", lambda: now)
    answers = False
    monkeypatch.setattr(one, "_answers", lambda: answers)
    assert not one.is_stuck()  # it starts, and waits for the others for as long as it takes
    now += 1000
    assert not one.is_stuck()
    answers = True
    assert not one.is_stuck()
    answers = False
    now += rabbit.STUCK_SECONDS
    assert not one.is_stuck()
    now += 1
    assert one.is_stuck()
    one.command(found=False, anew=False)
    assert not one.is_stuck()


def test_who_is_apart_from_others_that_it_reaches_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = adapter(tmp_path)
    monkeypatch.setattr(one, "_answers", lambda: True)
    assert not one.is_stuck()
    (tmp_path / "cloudwright.apart").write_text("['rabbit@10.0.0.2']")  # who looks wrote it
    assert one.is_stuck()
    one.command(found=False, anew=False)
    assert not one.is_stuck()
