"""Steps aside when most voters see each other and not us, although one of them sees us.

Galera, RabbitMQ and raft each settle a clean cut by majority. Where a line is cut between two that
both see a third they do not: members flap, or all of them stop. Voters tell each other here whom
they hear; each works out from that who goes on, and who does not go on cuts itself off from those
who do, so that the cut is a clean one. Nothing is decided here that a majority would not allow:
who steps aside only ever loses his vote.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
# Files beside this one.
from asked import ASIDE, FIRST, NEWEST, NO, STATE, WELL, YES  # noqa: E402
from asking import ask, family  # noqa: E402
from rule import together  # noqa: E402
from views import Views  # noqa: E402
from words import LONGEST, Line  # noqa: E402

BEAT_SECONDS = 0.25
"""Between two words to each other voter."""

ASIDE_SECONDS = 1.0
"""How long it must be so before we step aside: views of one change come at different moments."""

BACK_SECONDS = 3.0
"""How long all must see each other before we come back: lines that come up flap."""

ASK_SECONDS = 3.0
"""Within the time that a look at a container's health has."""

TABLE = "cloudwright_self_fence"


@dataclass
class Aside:
    """Whether we stand aside, and for whom: changed only by what has been so for a while."""

    own: str
    behind: frozenset[str] = frozenset()  # those who go on without us; empty when we do, too
    wish: frozenset[str] = frozenset()
    held: float = 0.0

    def settle(self, best: frozenset[str], seconds: float) -> bool:
        """Take in who is to go on, `seconds` after the last time; whether anything changed.

        A process that slept learns late: such a pause counts as two beats, and no more.
        """
        wish = frozenset() if self.own in best else best
        if wish != self.wish:
            self.wish, self.held = wish, 0.0
        else:
            self.held += min(seconds, 2 * BEAT_SECONDS)
        enough = ASIDE_SECONDS if self.wish else BACK_SECONDS
        if self.wish == self.behind or self.held < enough:
            return False
        self.behind = self.wish
        return True


@dataclass
class Barrier:
    """What keeps the members of every cluster here from those who go on: TCP between the hosts,
    and to the addresses `shared` that one of them has. Who waits for an answer from there is told
    at once that none will come.

    Instances' traffic, VRRP, ping and the ways in of `spared` ports (SSH) stay open.
    """

    addresses: Mapping[str, str]
    shared: Sequence[str]
    spared: Sequence[int]
    run: Callable[[str], None]

    def against(self, names: frozenset[str]) -> None:
        """Put it up against exactly these; take it down for none."""
        clear = f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\n"
        if not names:
            self.run(clear)
            return
        found = [*(self.addresses[name] for name in sorted(names)), *self.shared]
        chains = "".join(
            self._chain(hook, family, way, of, verdict)
            for hook, way, verdict in (
                ("input", "saddr", "drop"),
                # Those here see at once that the others are gone.
                ("output", "daddr", "reject with tcp reset"),
            )
            for family, of in (
                ("ip", [a for a in found if ":" not in a]),
                ("ip6", [a for a in found if ":" in a]),
            )
            if of
        )
        self.run(f"{clear}table inet {TABLE} {{\n{chains}}}\n")

    def _chain(
        self, hook: str, family: str, way: str, addresses: Sequence[str], verdict: str
    ) -> str:
        ports = ", ".join(map(str, self.spared))
        return (
            f" chain {hook}_{family} {{\n"
            f"  type filter hook {hook} priority -10; policy accept;\n"
            f"  {family} {way} {{ {', '.join(addresses)} }}"
            f" tcp sport != {{ {ports} }} tcp dport != {{ {ports} }} {verdict}\n"
            " }\n"
        )


@dataclass
class Voter:
    """This host's own voice."""

    views: Views
    lines: Mapping[str, Line]
    aside: Aside
    barrier: Barrier
    looked: float
    reached: frozenset[str] = field(default_factory=frozenset)
    first: str = ""

    def take(self, name: str, word: bytes, now: float) -> None:
        """A word that came from the address of `name`."""
        try:
            views = self.lines[name].take(word, now)
        except (ValueError, KeyError, TypeError):
            return
        if views is not None:
            self.views.hear(name, now)
            self.views.learn(views)

    def look(self, now: float) -> None:
        """Settle whether we stand aside, and tell the log what changed."""
        order = self.views.best_first(now)
        best = together(order, self.views.links(now))
        self.first = next((name for name in order if name in best), "")
        reached = self.views.fresh(now)[self.views.own].hears
        for name in sorted(self.reached ^ reached):
            print(f"{name} is {'heard' if name in reached else 'out of reach'}")
        self.reached = reached
        if self.aside.settle(best, now - self.looked):
            self.barrier.against(self.aside.behind)
            print(self.state() or "goes on with the others")
        self.looked = now

    def answer(self, question: bytes) -> bytes:
        """What is told to this host's own questions."""
        told: bytes = self.state().encode() or WELL
        if question == ASIDE:
            told = YES if self.aside.behind else NO
        elif question == FIRST:
            first = not self.aside.behind and self.first == self.views.own
            told = YES if first else NO
        return told

    def state(self) -> str:
        """Empty when all is well here, else what an operator must know."""
        if not self.aside.behind:
            return ""
        lost = sorted(self.aside.behind - self.reached)
        why = f"{', '.join(lost)} out of reach" if lost else "the line is back, and is watched"
        return f"steps aside, {', '.join(sorted(self.aside.behind))} go on without it: {why}"


def nft(text: str) -> None:
    """Change the rules of this host's network, all of it or nothing."""
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True, timeout=30)


def serve(voter: Voter, addresses: Mapping[str, str], port: int) -> None:
    """Talk and settle until a signal ends it."""
    own = addresses[voter.views.own]
    names = {address: name for name, address in addresses.items()}
    with socket.socket(family(own), socket.SOCK_DGRAM) as ear:
        ear.bind((own, port))
        ear.setblocking(False)
        beat = time.monotonic()
        while True:
            ready, _, _ = select.select([ear], [], [], max(0.0, beat - time.monotonic()))
            if ready:
                hear(voter, ear, names)
            now = time.monotonic()
            if now < beat:
                continue
            beat = now + BEAT_SECONDS
            voter.look(now)
            speak(voter, ear, addresses, port)


def hear(voter: Voter, ear: socket.socket, names: Mapping[str, str]) -> None:
    """Take every word that waits."""
    own = voter.barrier.addresses[voter.views.own]
    while True:
        try:
            word, (address, port, *_) = ear.recvfrom(LONGEST + 1)
        except BlockingIOError:
            return
        except OSError:  # an ICMP answer to a word of ours
            continue
        name = names.get(address, "")
        if word in (STATE, ASIDE, FIRST):
            if address in (own, *voter.barrier.shared):
                send(ear, voter.answer(word), (address, port))
        elif word.startswith(NEWEST):
            if address == own and word[len(NEWEST) :].isdigit():
                voter.views.know(int(word[len(NEWEST) :]), time.monotonic())
        elif name in voter.lines:
            voter.take(name, word, time.monotonic())


def speak(voter: Voter, ear: socket.socket, addresses: Mapping[str, str], port: int) -> None:
    """Say to each other voter what is known here."""
    now = time.monotonic()
    fresh = voter.views.fresh(now)
    for name, line in voter.lines.items():
        send(ear, line.say(fresh, now), (addresses[name], port))


def send(ear: socket.socket, word: bytes, to: tuple[str, int]) -> None:
    """Words may get lost: the next one comes at once."""
    try:
        ear.sendto(word, to)
    except OSError:
        return


def tell(own: str, port: int) -> int:
    """Ask the voter of this host whether it is well, print what it says; its exit code."""
    answer = ask(own, port, STATE, ASK_SECONDS) or b"no answer"
    print(answer.decode())
    return 0 if answer == WELL else 1


def main(words: Sequence[str]) -> int:
    """Serve, or `ask` who serves here."""
    told = json.loads((HERE / "fence.json").read_text())
    own, addresses, port = told["name"], told["members"], told["port"]
    if list(words) == ["ask"]:
        return tell(addresses[own], port)
    barrier = Barrier(addresses, told["shared"], told["spared"], nft)
    order = list(addresses)
    voter = Voter(
        views=Views(own, order),
        lines={n: Line(own, n, told["secret"].encode()) for n in order if n != own},
        aside=Aside(own),
        barrier=barrier,
        looked=time.monotonic(),
    )

    def end(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    barrier.against(frozenset())  # what one that was killed left
    try:
        serve(voter, addresses, port)
    finally:
        barrier.against(frozenset())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
