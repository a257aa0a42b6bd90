"""What work in named pieces tells as it goes on: image builds, the smoke test, a lab, a cure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PiecesBegan:
    """All that will be done: each piece, and which of them must be done before it."""

    needs: Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceBegan:
    """The piece is being done."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceDone:
    """The piece is done; it took so many seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """Something else that is worth a line."""

    text: str


PieceEvent = PiecesBegan | PieceBegan | PieceDone | Said
TellPiece = Callable[[PieceEvent], None]


def begin(tell: TellPiece, name: str) -> Callable[[], float]:
    """Tell that a piece begins; what is returned tells its end, and returns its seconds."""
    began = time.monotonic()
    tell(PieceBegan(name=name))

    def done() -> float:
        seconds = time.monotonic() - began
        tell(PieceDone(name=name, seconds=seconds))
        return seconds

    return done
