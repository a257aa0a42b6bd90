"""Starts a member of a cluster: found it, join it, or wait, as all members together decide.

Runs inside the container, on the standard library alone. What is particular to a kind of cluster
is in an adapter, a Python file beside this one. Every member tells the others what it holds, also
while its server is down; so a cluster that lost power everywhere comes up by itself, from the
member that knows most, and nobody founds a second one beside it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

PAUSE_SECONDS = 0.2
"""Between two rounds of questions."""

WATCH_SECONDS = 2.0
"""Between two looks at a server that runs."""

NOTICE_SECONDS = 1.5
"""After which every load balancer has asked whether this member is ready (twice a second)."""

OTHERS_SECONDS = 5.0
"""For another member to say that it is up, before users are cut off without being handed over."""

LEAVE_SECONDS = 15.0
"""How long what somebody is in the middle of may go on before the server stops all the same."""

STOP_SECONDS = 60
"""How long a stuck server may take to stop before it is killed."""

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
# Files beside this one.
import statements  # noqa: E402
from agreement import (  # noqa: E402
    DOWN,
    FRESH,
    UP,
    Found,
    Join,
    Told,
    Wait,
    decide,
    next_view,
    rejoin,
)
from member import Adapter, Member, respond  # noqa: E402
from questions import ask, ask_all  # noqa: E402


def settle(member: Member, addresses: Mapping[str, str]) -> tuple[Join | Found, Sequence[Told]]:
    """Ask all `addresses` and decide, until there is something to start; what was told for it."""
    others = {n: a for n, a in addresses.items() if n != member.name}
    last = ""
    while True:
        told = {t.name: t for t in ask_all(others, member.secret)}
        if member.adapter.kept:
            statements.hear(member.adapter.kept, told)
        decision = choose(member.adapter, member.holds, told, tuple(addresses))
        if not isinstance(decision, Wait):
            member.founding = isinstance(decision, Found)
            return decision, tuple(told.values())
        if decision.reason != last:
            last = decision.reason
            print(f"waits: {last}", flush=True)
        time.sleep(PAUSE_SECONDS)


def choose(
    adapter: Adapter, own: Told, told: Mapping[str, Told], members: tuple[str, ...]
) -> Join | Found | Wait:
    """What a member that holds `own`, and whose server is down, does by what the others told."""
    dead = statements.dead(adapter.kept, own.view)
    settled = adapter.rejoins and own.position != FRESH
    return (rejoin if settled else decide)(own, told, members, dead)


def prepare(member: Member, decision: Join | Found, told: Sequence[Told]) -> list[str]:
    """Make what the server is to start with, and give its arguments.

    Who founds keeps what it gives up before anything depends on it, and has not given it up as
    long as its data say so; who throws something away has done that before it keeps why. So
    whatever ends this in the middle, nothing has happened, or all of it.
    """
    adapter, kept = member.adapter, member.adapter.kept
    left = set(member.holds.left).union(*(t.left for t in told))
    command: list[str]
    if isinstance(decision, Found):
        left.update([member.holds.history] if decision.without else [])
        keep(member, left)
        command = adapter.command(True, member.holds.history in left, others=decision.without)
        if kept and adapter.rejoins and decision.without:
            statements.note_whole(kept, [member.name])
    else:
        command = adapter.command(False, decision.anew, decision.history, decision.through)
        keep(member, left)
        if kept and decision.anew:
            statements.note_whole(kept, [])
    if kept:
        statements.end(kept)
    return command


def keep(member: Member, left: set[str]) -> None:
    """Keep which histories were given up, and tell it from now on."""
    if member.adapter.kept:
        statements.give_up(member.adapter.kept, left)
        member.holds = replace(member.holds, left=tuple(sorted(h for h in left if h)))


def load_adapter(path: str, settings: Mapping[str, object]) -> Adapter:
    """The adapter in the Python file `path`, made with the member's settings."""
    spec = importlib.util.spec_from_file_location("adapter", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    adapter: Adapter = module.Adapter(settings)
    return adapter


def main() -> int:
    """Serve what this member holds, settle who founds, then be the server's parent."""
    settings = json.loads((HERE / "member.json").read_text())
    adapter = load_adapter(str(HERE / "adapter.py"), settings)
    member = Member(
        secret=settings["secret"].encode(),
        adapter=adapter,
        holds=look(settings["name"], adapter),
    )
    if adapter.kept:
        statements.end(adapter.kept)
    addresses: dict[str, str] = settings["members"]
    respond(member, addresses[member.name])
    while True:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # there is no server to stop
        decision, told = settle(member, addresses)
        print(f"{type(decision).__name__.lower()}s at {member.holds.position}", flush=True)
        command = prepare(member, decision, told)
        code = run(member, command, addresses)
        if code is not None:
            return code
        member.founding = False
        member.holds = look(member.name, adapter)


def look(name: str, adapter: Adapter) -> Told:
    """What the member `name` holds while its server is down."""
    history, position, view = adapter.look()
    if adapter.rejoins:
        view = statements.last_whole(adapter.kept)
    # What it still holds was not given up: it ended before a founding was done.
    left = tuple(h for h in statements.given_up(adapter.kept) if h != history)
    return Told(name=name, state=DOWN, history=history, position=position, view=view, left=left)


def run(member: Member, command: list[str], addresses: Mapping[str, str]) -> int | None:
    """Be the server's parent until it ends: its code, or None when it was stuck and is stopped."""
    # The container's init may signal a whole process group: the server stops on our word alone.
    process = subprocess.Popen(command, start_new_session=member.adapter.has_users)
    member.running = True
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda n, _: stop(member, addresses, process, n))
    stuck = False
    while not stuck:
        try:
            code = process.wait(WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            note(member, addresses)
            stuck = member.adapter.is_stuck() or is_to_settle(member)
            if member.adapter.has_users and is_up(member, before(member, addresses)):
                member.adapter.part()  # users belong to the first one that is up
        else:
            return code if code >= 0 else 128 - code
    print("the server is stopped: the members agree anew", flush=True)
    member.running = False
    process.terminate()
    try:
        process.wait(0 if member.adapter.is_deaf else STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def note(member: Member, addresses: Mapping[str, str]) -> None:
    """Note when what it founds is there, and keep with whom it is up."""
    told = member.told()
    kept = member.adapter.kept
    if told is None or kept is None or not member.adapter.rejoins:
        return
    if told.state != UP:
        member.adapter.attend(())
        return
    others = {n: a for n, a in addresses.items() if n != member.name}
    answers = ask_all(others, member.secret)
    up = [t.name for t in answers if t.state == UP and t.history == told.history]
    view = next_view(told.view, [member.name, *up])
    if view != tuple(sorted(told.view)):
        statements.note_whole(kept, view)
    member.adapter.attend((member.name, *up))


def is_to_settle(member: Member) -> bool:
    """Whether a person's word calls for an agreement that the running server knows nothing of."""
    adapter = member.adapter
    view = statements.last_whole(adapter.kept) if adapter.rejoins else ()
    return adapter.rejoins and bool(statements.dead(adapter.kept, view))


def stop(
    member: Member, addresses: Mapping[str, str], process: subprocess.Popen[bytes], number: int
) -> None:
    """Hand users over to another member, then pass the signal on; at once when asked again."""
    if member.leaving or number != signal.SIGTERM:
        process.send_signal(number)
        return
    member.leaving = True

    def leave() -> None:
        others = {n: a for n, a in addresses.items() if n != member.name}
        if member.adapter.has_users and others and within(OTHERS_SECONDS, member, others):
            hand_over(member.adapter)
        process.send_signal(number)

    threading.Thread(target=leave, daemon=True).start()


def hand_over(adapter: Adapter) -> None:
    """Wait until nobody is in the middle of anything; who comes back is sent elsewhere."""
    deadline = time.monotonic() + LEAVE_SECONDS
    time.sleep(NOTICE_SECONDS)
    while adapter.part() and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)


def within(seconds: float, member: Member, others: Mapping[str, str]) -> bool:
    """Whether one of the others says in so many seconds that it is up; a busy one may be late."""
    deadline = time.monotonic() + seconds
    while not (up := is_up(member, others)) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return up


def before(member: Member, addresses: Mapping[str, str]) -> dict[str, str]:
    """The members to which load balancers rather send users."""
    names = list(addresses)
    return {name: addresses[name] for name in names[: names.index(member.name)]}


def is_up(member: Member, addresses: Mapping[str, str]) -> bool:
    """Whether one of the members at these addresses says that it is up."""
    told = (ask(address, member.secret) for address in addresses.values())
    return any(one.state == UP for one in told if one is not None)


if __name__ == "__main__":
    sys.exit(main())
