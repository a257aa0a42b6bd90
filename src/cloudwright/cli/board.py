"""The live part of a terminal: how much is done, what runs and for how long, and what is next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REFRESH_PER_SECOND = 8
ROWS = 14
"""What runs is shown up to here; the terminal may be small."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One piece of work under way, since so many seconds; `host` and `waits` may be empty."""

    seconds: float
    name: str
    host: str = ""
    waits: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """A moment of the work; `left` is how long it will still take, `path` what decides that, both
    empty when nobody knows, and `following` what comes next."""

    done: int
    total: int
    seconds: float
    running: Sequence[Row]
    left: str = ""
    path: str = ""
    following: Sequence[str] = ()

    def __rich__(self) -> RenderableType:
        """As the terminal draws it."""
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=max(self.total, 1), completed=self.done, width=30),
            f"{self.done} of {self.total}",
            f"{self.total - self.done} left",
            f"{self.seconds:.0f} s",
            self.left,
        )
        table = Table.grid(padding=(0, 2))
        hosts = any(row.host for row in self.running)
        for row in self.running[:ROWS]:
            table.add_row(
                Text(f"{row.seconds:5.1f} s", style="cyan"),
                *([Text(row.host)] if hosts else []),
                Text(row.name),
                Text(row.waits, style="yellow", overflow="ellipsis", no_wrap=True),
            )
        more = len(self.running) - ROWS
        lines: list[RenderableType] = [head, table]
        if more > 0:
            lines.append(Text(f"  and {more} more", style="dim"))
        if self.path:
            lines.append(Text(self.path, style="dim", overflow="ellipsis", no_wrap=True))
        if self.following:
            lines.append(Text("next: " + ", ".join(self.following), style="dim"))
        return Group(*lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Screen:
    """Renders the board anew at every refresh, so that the seconds go on between events."""

    board: Callable[[], Board]

    def __rich__(self) -> RenderableType:
        return self.board()


@contextmanager
def live(console: Console, board: Callable[[], Board]) -> Iterator[None]:
    """The board at the bottom of the terminal, for as long as the block runs."""
    screen = _Screen(board=board)
    with Live(screen, console=console, refresh_per_second=REFRESH_PER_SECOND, transient=True):
        yield
