"""nova-scheduler and nova-conductor, which wait for no idle threads and send nothing to the dead.

- Before it forks, and before it ends, Nova ends its thread pools and waits for their threads. An
  idle thread of futurist looks once a second whether it shall end (`ThreadWorker.MAX_IDLE_FOR`):
  two pools, one after the other, took 1.0 of the 2.2 s in which a scheduler started. Here each
  thread is given a piece of nothing to do, so that it looks at once.
- A listener of oslo.messaging that has had nothing to do for a while looks every 1.7 s whether it
  shall stop. Here it does ten times a second.
- A process that is done with its work still takes its two thousand modules apart, for about half
  a second, and gives back what the system takes back anyway. Here it ends (`end_at_once`).
- The scheduler leaves out hosts that have stopped to answer (`answering.py`).
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

LOOK_SECONDS = 0.1


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


def end_at_once(daemon: Callable[[], object]) -> NoReturn:
    """Be this daemon, and end the process with its exit code once it has ended in good order."""
    try:
        code = daemon()
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):  # as the interpreter does
        print(code, file=sys.stderr)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def leave_out_silent_hosts() -> None:
    """Have the scheduler send nothing to a host that has stopped to answer."""
    import answering
    from nova.scheduler.filters.compute_filter import ComputeFilter

    filter_all = ComputeFilter.filter_all
    asked = answering.Answering(answering.DISCARD_PORT, answering.KEEP_SECONDS)

    def filter_answering(self: Any, hosts: Iterable[Any], spec: Any) -> list[Any]:
        up = list(filter_all(self, hosts, spec))
        silent = asked.silent({str(host.host_ip) for host in up})
        return [host for host in up if str(host.host_ip) not in silent]

    ComputeFilter.filter_all = filter_answering


def main() -> NoReturn:
    """Be the daemon that the last argument names: `scheduler`, `conductor`."""
    name = sys.argv.pop()
    sys.argv[0] = f"nova-{name}"  # it names its log and its files after itself
    daemon = importlib.import_module(f"nova.cmd.{name}")  # first: it chooses the kind of threads
    end_pools_at_once()
    stop_listening_at_once()
    if name == "scheduler":
        leave_out_silent_hosts()
    end_at_once(daemon.main)


if __name__ == "__main__":
    main()
