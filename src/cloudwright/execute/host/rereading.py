"""A running container reads changed files again: they are put at their places, then it is told."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cloudwright.engine.api import Engine
from cloudwright.errors import StepFailed
from cloudwright.execute.host.config import note_reread
from cloudwright.plan.render import CONFIG_DIRECTORY, CONFIG_MOUNT
from cloudwright.plan.steps import PlacedFile, ReadAgain, Step
from cloudwright.transport.host import Host


async def tell_to_read(engine: Engine, step: Step, action: ReadAgain) -> None:
    """Put the files at their places in the container and run its command; StepFailed if refused.

    A service that refuses goes on with what it has: nothing was stopped.
    """
    script = f"{place_command(action.files)}\n{shlex.join(action.command)}"
    done = await engine.exec(action.container, ("sh", "-c", script), user="root")
    if done.exit_code != 0:
        names = ", ".join(f.name for f in action.files)
        raise StepFailed(
            f"{action.container} did not take its new {names}",
            where=step.id,
            why=done.output.strip(),
            hint="it goes on with what it read before; correct the file, then `apply` again",
        )


async def note(host: Host, engine: Engine, step: Step, action: ReadAgain) -> None:
    """Leave the evidence: this very container has read this."""
    state = await engine.inspect(action.container)
    await note_reread(host, f"{CONFIG_DIRECTORY}/{action.container}", state.id, step.digest)


def place_command(files: Sequence[PlacedFile]) -> str:
    """The shell lines that copy each file from the config directory, as the start program would.

    A rename is atomic, so that a key that is read at each use is never missing.
    """
    lines = ["set -e"]
    for file in files:
        user, _, group = file.owner.partition(":")
        source = shlex.quote(f"{CONFIG_MOUNT}/{file.name}")
        new, path = shlex.quote(f"{file.path}.new"), shlex.quote(file.path)
        owner = f"-o {shlex.quote(user)} -g {shlex.quote(group or user)} -m {file.mode}"
        lines.append(f"install {owner} {source} {new}")
        lines.append(f"mv -f {new} {path}")
    return "\n".join(lines)
