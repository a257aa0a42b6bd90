"""What voters send each other: sealed, and an answer to what was said a moment ago."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from views import SILENT_SECONDS, View

LONGEST = 8192
"""Bytes; what is longer is nobody's word."""


@dataclass
class Line:
    """What goes to and fro between this voter and another.

    Each word has a new number, which the other's next word repeats. A word that repeats one of
    our last numbers was said after we said that: nobody else can have it, and none from before.
    """

    own: str
    other: str
    secret: bytes
    said: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=64))
    last: str = ""

    def say(self, views: Mapping[str, View], now: float) -> bytes:
        """The next word."""
        number = secrets.token_hex(8)
        self.said.append((number, now))
        body = json.dumps(
            {
                "from": self.own,
                "to": self.other,
                "number": number,
                "repeats": self.last,
                "views": {n: [now - v.at, sorted(v.hears), v.newest] for n, v in views.items()},
            }
        ).encode()
        return self._seal(body) + body

    def take(self, word: bytes, now: float) -> dict[str, View] | None:
        """The views in a word; None when it is not the other's, or answers nothing recent."""
        seal, body = word[:64], word[64:]
        if len(word) > LONGEST or not hmac.compare_digest(seal, self._seal(body)):
            return None
        told = json.loads(body)
        if (told["from"], told["to"]) != (self.other, self.own):
            return None
        self.last = told["number"]
        recent = {number for number, at in self.said if now - at < SILENT_SECONDS}
        if told["repeats"] not in recent:
            return None
        return {
            name: View(now - float(age), frozenset(hears), int(newest))
            for name, (age, hears, newest) in told["views"].items()
        }

    def _seal(self, body: bytes) -> bytes:
        return hmac.new(self.secret, body, hashlib.sha256).hexdigest().encode()
