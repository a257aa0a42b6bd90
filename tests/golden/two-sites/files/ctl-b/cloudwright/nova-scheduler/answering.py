"""Which hosts have stopped to answer: a new server is not sent to one of them.

Nova holds a compute host to be well until its reports have been missing for `service_down_time`,
and what is sent to a dead one meanwhile waits for its return. A kernel that is alive answers who
asks for any port, if only with a refusal; so silence says within a second what the reports say
after twenty. A host that never answered is not held to be dead: a firewall may be silent for it.
"""

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Collection

DISCARD_PORT = 9
"""Nobody listens there (RFC 863), so that nobody is disturbed."""

ANSWER_SECONDS = 1.25
"""One that was lost is sent again after a second (RFC 6298, section 2.1)."""

KEEP_SECONDS = 3.0
"""How long what was found counts: servers are asked for in bursts."""

UNDER_WAY = (0, errno.EINPROGRESS)
ANSWERS = (0, errno.ECONNREFUSED)


class Answering:
    """Asks hosts by their addresses, and remembers who ever answered and what was found last."""

    def __init__(self, port: int, keep_seconds: float) -> None:
        self._port = port
        self._keep = keep_seconds
        self._known: set[str] = set()
        self._found: dict[str, tuple[float, bool]] = {}

    def silent(self, addresses: Collection[str]) -> set[str]:
        """Those of `addresses` that answered once and do not now; nobody when all are silent, for
        then it is this host that is cut off."""
        now = time.monotonic()
        old = [
            a for a in addresses if now - self._found.get(a, (-self._keep, True))[0] >= self._keep
        ]
        answered = ask(old, self._port)
        self._known |= answered
        self._found.update({address: (now, address in answered) for address in old})
        silent = {a for a in addresses if a in self._known and not self._found[a][1]}
        return silent if silent != {*addresses} else set()


def ask(addresses: Collection[str], port: int, seconds: float = ANSWER_SECONDS) -> set[str]:
    """Those that take or refuse a connection to `port` in so many seconds; all asked at once."""
    answered = set()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as doors:
        for address in addresses:
            door = doors.enter_context(socket.socket())
            door.setblocking(False)
            if door.connect_ex((address, port)) in UNDER_WAY:
                selector.register(door, selectors.EVENT_WRITE, (door, address))
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                door, address = key.data
                selector.unregister(door)
                if door.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in ANSWERS:
                    answered.add(address)
    return answered
