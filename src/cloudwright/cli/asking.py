"""What verbs that change something ask: whether to, of whom, and why."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from cloudwright.cli.options import Verb


def with_reason(verb: Verb) -> Verb:
    """Give the verb a `reason`: why it is called, for the lock and the history."""
    return click.option(
        "--reason", default="", metavar="TEXT", help="Why, for others who look at the history."
    )(verb)


def may_ask(yes: bool) -> bool:
    """Whether to ask before acting; a usage error where nobody could answer."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on: give --yes")
    return not yes


def confirmed(question: str) -> bool:
    """Ask, yes or no."""
    with _interruptible():
        return click.confirm(question)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C at a question ends the program as it does anywhere else."""
    # asyncio's own handler only cancels a task, which cannot run while we wait for a key.
    asking = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, asking)


def confirm_name(what: str, name: str, given: str | None) -> None:
    """Ask for the cloud's name, or compare the one that was given; a usage error when it differs.

    `what` says what will happen, as a sentence without its full stop.
    """
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"no terminal to ask on: give --name {name}")
        given = click.prompt(f"{what}. Its name, to go on")
    if given != name:
        raise click.UsageError(f"the cloud is not called {given!r}; nothing was touched")


def typed(wanted: str, given: str | None, untouched: str) -> bool:
    """Have `wanted` typed, or compare what was `given` on the command line; whether it was asked.

    A usage error that ends with `untouched` when they differ, or where nobody could answer.
    """
    asked = given is None
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"no terminal to ask on: give --statement '{wanted}'")
        with _interruptible():
            given = click.prompt(f"Type '{wanted}' to go on")
    if given != wanted:
        raise click.UsageError(f"that was not '{wanted}'; {untouched}")
    return asked
