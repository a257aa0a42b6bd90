"""nova-scheduler and nova-conductor, which start and stop without waiting for idle threads.

- Before it forks, and before it ends, Nova ends its thread pools and waits for their threads. An
  idle thread of futurist looks once a second whether it shall end (`ThreadWorker.MAX_IDLE_FOR`):
  two pools, one after the other, took 1.0 of the 2.2 s in which a scheduler started. Here each
  thread is given a piece of nothing to do, so that it looks at once.
- A listener of oslo.messaging that has had nothing to do for a while looks every 1.7 s whether it
  shall stop. Here it does four times a second.
"""

import importlib
import sys
from typing import Any

LOOK_SECONDS = 0.25


class Nothing:
    """A piece of work that only wakes who takes it."""

    def run(self) -> None:
        """Do nothing."""


def end_pools_at_once() -> None:
    """Have idle threads see at once that their pool is shut down."""
    from futurist import ThreadPoolExecutor

    shutdown = ThreadPoolExecutor.shutdown

    def shutdown_awake(self: Any, wait: bool = True, **named: Any) -> None:
        with self._shutdown_lock:  # its owner may take it again
            if wait and not self._shutdown:
                self._work_queue.join()
            shutdown(self, wait=False, **named)
        for _ in self._workers:
            self._work_queue.put(Nothing())
        shutdown(self, wait=wait, **named)

    ThreadPoolExecutor.shutdown = shutdown_awake


def stop_listening_at_once() -> None:
    """Have idle listeners look often whether they shall stop."""
    from oslo_messaging._drivers import amqpdriver, impl_rabbit  # noqa: F401 (it takes the old one)

    amqpdriver.ACK_REQUEUE_EVERY_SECONDS_MAX = LOOK_SECONDS


def main() -> int:
    """Be the daemon that the last argument names: `scheduler`, `conductor`."""
    name = sys.argv.pop()
    sys.argv[0] = f"nova-{name}"  # it names its log and its files after itself
    daemon = importlib.import_module(f"nova.cmd.{name}")  # first: it chooses the kind of threads
    end_pools_at_once()
    stop_listening_at_once()
    return int(daemon.main() or 0)


if __name__ == "__main__":
    sys.exit(main())
