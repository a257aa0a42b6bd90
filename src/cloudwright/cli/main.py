"""The one door: finds the verb, runs it, and alone prints errors and decides how we exit."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence

import click

from cloudwright import __version__
from cloudwright.cli.options import clip
from cloudwright.errors import OUTPUT_LINES, CloudError, InvalidCloud, of_this_machine

BUG = 70
INTERRUPTED = 130

VERBS = {
    "init": ("cloudwright.cli.init:init", "Write a commented cloud.yaml for a few hosts."),
    "check": ("cloudwright.cli.check:check", "Validate cloud.yaml, and the hosts with --hosts."),
    "plan": ("cloudwright.cli.plan:plan", "Show what would change and why. Touches nothing."),
    "apply": ("cloudwright.cli.apply:apply", "Make the hosts what cloud.yaml describes."),
    "what-if": ("cloudwright.cli.what_if:what_if", "Say what a failure would take away."),
    "drill": ("cloudwright.cli.drill:drill", "Break something on purpose, under load."),
    "recover": ("cloudwright.cli.recover:recover", "Show and end what a power cut left."),
    "evacuate": (
        "cloudwright.cli.evacuate:evacuate",
        "Bring up a dead host's instances elsewhere.",
    ),
    "failover": (
        "cloudwright.cli.failover:failover",
        "Have a site go on without a majority, on your word.",
    ),
    "failback": ("cloudwright.cli.failback:failback", "Watch a lost site come back to the rest."),
    "status": ("cloudwright.cli.status:status", "Show every container, and whether it is well."),
    "logs": ("cloudwright.cli.logs:logs", "Show the logs of a container, wherever it runs."),
    "shell": ("cloudwright.cli.shell:shell", "Open a shell in a container, wherever it runs."),
    "smoke": ("cloudwright.cli.smoke:smoke", "Boot an instance and reach it over SSH."),
    "images": ("cloudwright.cli.images:images", "Build and list the container images."),
    "lab": ("cloudwright.cli.lab:lab", "Stand-in hosts for a cloud.yaml, on this machine."),
    "stop": ("cloudwright.cli.power:stop", "Stop every container. Everything is kept."),
    "start": ("cloudwright.cli.power:start", "Start what `stop` stopped."),
    "lock": ("cloudwright.cli.lock:lock", "Show who is changing the cloud, or break their lock."),
    "rotate": ("cloudwright.cli.rotate:rotate", "Replace secrets by new ones, without a gap."),
    "history": ("cloudwright.cli.history:history", "Show who changed the cloud, when and how."),
    "explain": (
        "cloudwright.cli.explain:explain",
        "Say where options come from, or what a run waited for.",
    ),
    "destroy": ("cloudwright.cli.destroy:destroy", "Remove the cloud from its hosts."),
    "doctor": (
        "cloudwright.cli.doctor:doctor",
        "Look for what stands in the way on this machine.",
    ),
}
"""Verb → (module:command, one line of help). A verb's module is imported when it is called."""


class LazyGroup(click.Group):
    """Reads `VERBS`. Click has no other way than a subclass to import a command late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        if cmd_name not in VERBS:
            close = difflib.get_close_matches(cmd_name, VERBS, n=1)
            ctx.fail(
                f"there is no verb {cmd_name!r}" + (f"; did you mean {close[0]}?" if close else "")
            )
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their lines, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudwright")
def cloudwright() -> None:
    """Builds and keeps an OpenStack cloud in containers, from one cloud.yaml.

    \b
    A first cloud on one machine:
      cloudwright doctor --fix
      cloudwright images build
      cloudwright lab up examples/aio.yaml
      cloudwright apply examples/aio.yaml
      cloudwright smoke examples/aio.yaml
    """


def main() -> None:
    """The program."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # told by now; Python would try again as it ends, and end with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one verb and return the exit code; everything that goes wrong is told on stderr."""
    try:
        code = cloudwright.main(list(arguments), prog_name="cloudwright", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("error: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone, as `head` does
        return 1
    except Exception as error:
        return _tell(error)


def _tell(error: Exception) -> int:
    """Print each error in `error`; the first decides the exit code, and a bug before all.

    What this machine refused us is no bug, and who raised it had nothing to add."""
    leaves = list(_leaves(error))
    bugs = [leaf for leaf in leaves if not isinstance(leaf, CloudError)]
    if bugs:
        _tell_bug(bugs[0])
        return BUG
    known = [leaf for leaf in leaves if isinstance(leaf, CloudError)]
    for leaf in known:
        click.echo(error_text(leaf), err=True)
    return known[0].exit_code


def _tell_bug(error: BaseException) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(
        "error: this is a bug in cloudwright, not something that you did\n"
        "hint: run the verb again, nothing is lost by it; and send us the lines above",
        err=True,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif isinstance(error, OSError):
        yield of_this_machine(error) or error
    else:
        yield error


def error_text(error: CloudError) -> str:
    """An error as a person reads it: what, where, why (its last 20 lines), and what to do next."""
    lines = []
    if isinstance(error, InvalidCloud):
        lines += [str(problem) for problem in error.problems]
        return "\n".join([*lines, f"error: {error.what}; nothing was touched"])
    lines.append(f"error: {error.what}")
    if error.where:
        lines.append(f"  where: {error.where}")
    why = [clip(line) for line in error.why.splitlines()[-OUTPUT_LINES:]]
    if len(why) == 1:
        lines.append(f"  why: {why[0]}")
    elif why:
        lines += ["  why:", *(f"    {line}" for line in why)]
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    return "\n".join(lines)
