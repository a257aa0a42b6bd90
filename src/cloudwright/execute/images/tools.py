"""The tools that a build needs on this machine: podman, mmdebstrap and uv."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloudwright.errors import CommandFailed, Missing
from cloudwright.transport.local import end_group, start_group


async def call(
    command: Sequence[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command on this machine and return what it printed.

    With `log`, both its streams go to that file instead. Raises CommandFailed for a status
    other than 0, and Missing when there is no such program. Once we are cancelled the command ends
    with all its children, and none is left when this returns.
    """
    sink = log.open("wb") if log else None
    try:
        process = await start_group(
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink or asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if sink else asyncio.subprocess.PIPE,
            env={**os.environ, **environment} if environment else None,
        )
        out, errors = await _end(process)
    except FileNotFoundError as error:
        raise Missing(
            f"no {command[0]} on this machine", hint=f"apt-get install {command[0]}"
        ) from error
    finally:
        if sink:
            sink.close()
    if process.returncode:
        output = log.read_text("utf-8", "replace") if log else (out + errors).decode()
        hint = f"the whole log: {log}" if log else ""
        raise CommandFailed(" ".join(command[:3]), process.returncode, output, hint=hint)
    return out.decode()


async def _end(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    try:
        out, errors = await process.communicate()
    except asyncio.CancelledError:
        await end_group(process)
        raise
    return out or b"", errors or b""


def cache_directory() -> Path:
    """Where what builds may use again is kept between them, and nothing that must be kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "cloudwright"


async def find_uv() -> str:
    """The path of uv: beside this Python, on PATH, or fetched once by this Python's pip."""
    fetched = cache_directory() / "tools" / "bin" / "uv"
    beside = Path(sys.executable).parent / "uv"
    for path in (str(beside), shutil.which("uv"), str(fetched)):
        if path and os.access(path, os.X_OK):
            return path
    target = str(fetched.parent.parent)
    await call((sys.executable, "-m", "pip", "install", "--quiet", "--target", target, "uv"))
    return str(fetched)
