"""How a running container reads changed files again, so that it need not be made anew."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Reload:
    """What makes it read files again, as root in the container, once they are at their places.

    `command` is for files that are marked `reload`; it ends with 0 only when they were taken, and
    is empty for files that are read at each use. `signal` (`SIGHUP`) is for processes that then
    take over those options of their files which their schema calls mutable, and no others.
    """

    command: tuple[str, ...] = ()
    signal: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """The command; with a signal, the one that sends it."""
        if not self.signal:
            return self.command
        number = int(signal.Signals[self.signal])
        return ("sh", "-c", _SEND, "send", str(number))


MUTABLE = Reload(signal="SIGHUP")
"""Of a process that oslo.service runs in workers: its master takes the options over and replaces
the workers, each of which ends what it has begun.

Not of nova-compute, which has no workers and ends at SIGHUP, and not of what uWSGI serves."""

# The process that matters is the first child of the container's init. One that does not catch the
# signal would end of it. It has taken its files once its workers are others than before.
_SEND = r"""
main=$(pgrep -P 1 | head -n 1); main=${main:-1}
caught=0x$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$main/status)
refuse() { echo "$1"; exit 1; }
[ $(( (caught >> ($1 - 1)) & 1 )) = 1 ] || refuse "process $main does not take signal $1"
old=$(pgrep -P $main) || refuse "process $main has no workers"
count=$(echo "$old" | wc -l)
kill -$1 $main
for turn in $(seq 600); do
    left=$(for pid in $old; do [ ! -d /proc/$pid ] || echo $pid; done)
    [ "$left" ] || [ $(pgrep -P $main | wc -l) -lt $count ] || exit 0
    sleep 0.1
done
refuse "a minute after signal $1 its workers are not all new: $left"
"""
