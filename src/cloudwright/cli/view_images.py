"""Image builds on a terminal or as plain lines: what is done, what runs, and what is next."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from cloudwright.errors import number
from cloudwright.execute.images.events import (
    BuildBegan,
    BuildDone,
    BuildEvent,
    BuildsBegan,
    BuildsWait,
    TellBuild,
)

NEXT = 4


@dataclass(slots=True)
class BuildsView:
    """What is known of the builds; `say` prints a line, and with `each` also when one begins."""

    say: Callable[[str], None]
    each: bool = True
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def __call__(self, event: BuildEvent) -> None:
        """Take one event in."""
        match event:
            case BuildsWait():
                self.say("waiting for another build of images on this machine")
            case BuildsBegan(needs=needs):
                self.began, self.needs = self.clock(), needs
                self.say(f"{number(len(needs), 'image')} to build: {', '.join(needs)}")
            case BuildBegan(name=name):
                self.running[name] = self.clock()
                if self.each:
                    self.say(f"begins {name}")
            case BuildDone(name=name, seconds=seconds):
                self.running.pop(name, None)
                self.done.add(name)
                width = len(str(len(self.needs)))
                count = f"{len(self.done):>{width}}/{len(self.needs)}"
                self.say(f"{count} {name} in {seconds:.1f} s")

    def following(self) -> tuple[str, ...]:
        """What lacks nothing but what is being built now."""
        here = self.done | self.running.keys()
        ready = (n for n, needs in self.needs.items() if n not in here and needs <= here)
        return tuple(name for name, _ in zip(ready, range(NEXT), strict=False))


@contextmanager
def watch_builds(*, plain: bool = False) -> Iterator[TellBuild]:
    """A consumer for the builds' events: a live view on a terminal, else plain lines."""
    if plain or not sys.stdout.isatty():
        yield BuildsView(say=click.echo)
        return
    from rich.console import Console
    from rich.markup import escape

    from cloudwright.cli.board import Board, Row, live

    console = Console()
    view = BuildsView(say=lambda text: console.print(escape(text), soft_wrap=True), each=False)

    def board() -> Board:
        now = view.clock()
        return Board(
            done=len(view.done),
            total=len(view.needs),
            seconds=now - view.began if view.needs else 0.0,
            running=[Row(seconds=now - at, name=name) for name, at in view.running.items()],
            following=view.following(),
        )

    with live(console, board):
        yield view
