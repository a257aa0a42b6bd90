"""nova-compute, as one that outlives its connection to libvirt.

Before each use of the connection Nova asks libvirt something, under a lock. If the connection is
found dead by that very question, libvirt's library reports the death at once, in the same thread,
to a function of Nova's that wants the same lock. With real threads, and they are all that Nova
2026.2 has here, that waits for ever, and with it every request to this host, while the service
goes on to report that it is well. A lock that its owner may take twice is all it needs.
"""

import sys
import threading
from typing import Any

from nova.cmd import compute  # before all else of Nova's: it chooses the kind of threads
from nova.virt.libvirt import host

_make = host.Host.__init__


def _make_reentrant(self: Any, *given: Any, **named: Any) -> None:
    _make(self, *given, **named)
    self._wrapped_conn_lock = threading.RLock()


host.Host.__init__ = _make_reentrant

if __name__ == "__main__":
    sys.argv[0] = "nova-compute"  # it names its log and its files after itself
    sys.exit(compute.main())
