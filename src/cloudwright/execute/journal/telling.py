"""Of all that a program wrote before it failed, the lines that say why."""

from __future__ import annotations

import re

from cloudwright.errors import OUTPUT_LINES

LAST = 6
"""Lines shown as they came, whatever they say: how it ended."""

_SAYS_WHY = re.compile(
    r"error|critical|fatal|exception|fail|refused|denied|cannot|can't|could not|unable"
    r"|no such|not found|invalid|unknown|in use",
    re.IGNORECASE,
)
# A frame of a traceback, as Python prints it or as oslo.log does: the exception below it says all.
_FRAME = re.compile(r"(ERROR|CRITICAL) \S+ {2,}\S|^\s+File \"|[~^]{2,}\s*$")
_VARIES = re.compile(r"\d+")


def telling(text: str, count: int = OUTPUT_LINES) -> str:
    """At most `count` lines of `text`: its last ones, and before them those that name a trouble.

    Of lines that differ in numbers alone the last is kept: a program that tries again and again
    says the same, and its first trouble would be pushed out.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) <= count:
        return "\n".join(lines)
    before, last = lines[:-LAST], lines[-LAST:]
    told: dict[str, str] = {}
    for line in before:
        if _SAYS_WHY.search(line) and not _FRAME.search(line):
            shape = _VARIES.sub("0", line)
            told.pop(shape, None)
            told[shape] = line
    room = count - LAST
    chosen = list(told.values())[-room:]
    chosen = chosen or before[-room:]
    return "\n".join([*chosen, *last])
