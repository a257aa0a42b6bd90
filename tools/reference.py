"""Write docs/reference/command-line.md from the verbs' own help."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloudwright.cli.main import VERBS, cloudwright

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"
WIDTH = 92


def page() -> str:
    """The whole page: a section for each verb, and for each verb of a verb."""
    parts = [
        "# The command line\n",
        "`cloudwright`, or `cw`. Written by `make reference` from each verb's own `--help`.\n",
    ]
    top = click.Context(cloudwright, info_name="cloudwright", terminal_width=WIDTH)
    for verb in VERBS:
        command = cloudwright.get_command(top, verb)
        if command is None:
            raise LookupError(verb)
        parts += sections(command, verb, top)
    return "\n".join(parts)


def sections(command: click.Command, name: str, parent: click.Context) -> list[str]:
    """A command's help, and that of its own commands."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
    level = "#" * (context.command_path.count(" ") + 1)
    parts = [f"{level} {context.command_path}\n", f"```\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                parts += sections(found, inner, context)
    return parts


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
