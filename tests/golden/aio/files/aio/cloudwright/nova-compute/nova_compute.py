"""nova-compute, as one that outlives its connection to libvirt, and ends when it is told to.

- Before each use of the connection Nova asks libvirt something, under a lock. If the connection
  is found dead by that very question, libvirt's library reports the death at once, in the same
  thread, to a function of Nova's that wants the same lock. With real threads, and they are all
  that Nova 2026.2 has here, that waits for ever, and with it every request to this host, while the
  service goes on to report that it is well. A lock that its owner may take twice is all it needs.
- Nova never ends its own thread of connection events, and waits for it at each stop until the time
  is over that was for tasks under way. Here the thread is given an event that ends it.
- Pools, listeners and the process end as those of the other daemons (`nova_daemon.py`).
"""

import sys
import threading
from typing import Any, NoReturn

from nova.cmd import compute  # before all else of Nova's: it chooses the kind of threads
from nova.virt.libvirt import host
from nova_daemon import end_at_once, end_pools_at_once, stop_listening_at_once

_make = host.Host.__init__
_clean_up = host.Host.cleanup


class Ended(BaseException):
    """No error of a handler, which the thread would outlive."""


def end() -> NoReturn:
    """End the thread that takes this for an event."""
    raise Ended


def make_reentrant(self: Any, *given: Any, **named: Any) -> None:
    """A host with a lock that its owner may take twice."""
    _make(self, *given, **named)
    self._wrapped_conn_lock = threading.RLock()


def clean_up_all(self: Any) -> None:
    """End what Nova ends, and the thread of connection events."""
    _clean_up(self)
    self._conn_event_handler_queue.put(end)


host.Host.__init__ = make_reentrant
host.Host.cleanup = clean_up_all

if __name__ == "__main__":
    sys.argv[0] = "nova-compute"  # it names its log and its files after itself
    end_pools_at_once()
    stop_listening_at_once()
    end_at_once(compute.main)
