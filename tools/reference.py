"""Write the pages of docs/reference that come from the code: the verbs' own help, the errors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloudwright.cli.main import VERBS, cloudwright

sys.path.insert(0, str(Path(__file__).parent))
import errors_page

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 92


def pages() -> dict[Path, str]:
    """Every page that is made here, and where it stands."""
    return {
        REFERENCE / "command-line.md": command_line(),
        REFERENCE / "errors.md": errors_page.page(),
    }


def command_line() -> str:
    """The page of the verbs: a section for each verb, and for each verb of a verb."""
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
    for path, text in pages().items():
        path.write_text(text)
    sys.exit(0)
