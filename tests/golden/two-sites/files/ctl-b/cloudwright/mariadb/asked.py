"""What a host asks its own self-fence over UDP, from its own address.

Runs inside containers as well, on the standard library alone.
"""

from __future__ import annotations

STATE = b"?"
"""Whether all is well: WELL, or what an operator must know."""

WELL = b"well"

ASIDE = b"aside?"
"""Whether the host stands aside: YES or NO."""

FIRST = b"first?"
"""Whether the host goes on, and is the first of those who do: YES or NO."""

YES, NO = b"y", b"n"

NEWEST = b"newest "
"""No question: the number of the newest whole cluster that the database of this host was in."""
