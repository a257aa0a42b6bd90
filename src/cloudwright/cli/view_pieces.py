"""Work in named pieces on a terminal or as plain lines: what is done, what runs, what is next."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from cloudwright.execute.pieces import (
    PieceBegan,
    PieceDone,
    PieceEvent,
    PiecesBegan,
    Said,
    TellPiece,
)

if TYPE_CHECKING:
    from cloudwright.cli.board import Board

NEXT = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """What is said when all begins, and when one piece begins and ends, as templates of
    `str.format`; empty: nothing."""

    all: str = ""
    begins: str = ""
    done: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """The lines of a kind of work, where they are all that is seen and above a live view."""

    plain: Lines
    live: Lines


_BUILT = Lines(all="{total} images to build: {names}", done="{count} {name} in {seconds:.1f} s")
_DONE = Lines(done="✓ {name} ({seconds:.1f} s)")

BUILDS = Wording(plain=replace(_BUILT, begins="begins {name}"), live=_BUILT)
PARTS = Wording(plain=_DONE, live=_DONE)
HOSTS = Wording(plain=Lines(), live=_DONE)
CURES = Wording(plain=Lines(begins="{name}"), live=_DONE)


@dataclass(slots=True)
class PiecesView:
    """What is known of the pieces; `say` prints a line."""

    say: Callable[[str], None]
    lines: Lines
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    needs: dict[str, frozenset[str]] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def __call__(self, event: PieceEvent) -> None:
        """Take one event in."""
        match event:
            case Said(text=text):
                self.say(text)
            case PiecesBegan(needs=needs):
                self._begin(needs)
            case PieceBegan(name=name):
                self.running[name] = self.clock()
                self._line(self.lines.begins, name=name)
            case PieceDone(name=name, seconds=seconds):
                self.running.pop(name, None)
                self.done.add(name)
                width = len(str(len(self.needs)))
                count = f"{len(self.done):>{width}}/{len(self.needs)}"
                self._line(self.lines.done, name=name, seconds=seconds, count=count)

    def board(self) -> Board:
        """The live part, as it is now."""
        from cloudwright.cli.board import Board, Row

        now = self.clock()
        return Board(
            done=len(self.done),
            total=len(self.needs),
            seconds=now - self.began if self.needs else 0.0,
            running=[Row(seconds=now - at, name=name) for name, at in self.running.items()],
            following=self.following(),
        )

    def following(self) -> tuple[str, ...]:
        """What lacks nothing but what is being done now."""
        here = self.done | self.running.keys()
        ready = (n for n, needs in self.needs.items() if n not in here and needs <= here)
        return tuple(name for name, _ in zip(ready, range(NEXT), strict=False))

    def _begin(self, needs: Mapping[str, frozenset[str]]) -> None:
        if not self.needs:
            self.began = self.clock()
        self.needs.update(needs)
        self._line(self.lines.all, total=len(needs), names=", ".join(needs))

    def _line(self, template: str, **values: object) -> None:
        if template:
            self.say(template.format(**values))


@contextmanager
def watch_pieces(wording: Wording, *, plain: bool = False) -> Iterator[TellPiece]:
    """A consumer for the events: a live view on a terminal, else plain lines."""
    if plain or not sys.stdout.isatty():
        yield PiecesView(say=click.echo, lines=wording.plain)
        return
    from rich.console import Console
    from rich.markup import escape

    from cloudwright.cli.board import live

    console = Console()

    def say(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    view = PiecesView(say=say, lines=wording.live)
    with live(console, view.board):
        yield view
