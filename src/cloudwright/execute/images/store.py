"""The container images of this machine: which there are, and an archive of some as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence

from cloudwright.errors import CommandFailed, Missing
from cloudwright.execute.images.tools import call

CHUNK = 1 << 20
"""Bytes of an archive at a time."""


async def local_image_ids(prefix: str) -> Mapping[str, str]:
    """Reference → id of every image below `prefix` here; none on a machine without Podman."""
    try:
        # Podman looks into every layer of each image that it lists: only ours are asked for.
        ours = f"reference={prefix}/*"
        listed = await call(("podman", "images", "--filter", ours, "--format", "json"))
    except (Missing, CommandFailed):
        return {}
    return {
        name: str(image["Id"])
        for image in json.loads(listed) or ()
        for name in image.get("Names") or ()
        if name.startswith(f"{prefix}/")
    }


async def archive(references: Sequence[str]) -> AsyncGenerator[bytes]:
    """These images as one archive that Podman and Docker load; a shared layer is in it once.

    Raises CommandFailed with Podman's own words when it cannot read one of them.
    """
    command = ("podman", "save", "--quiet", "--multi-image-archive", *references)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    words = asyncio.create_task(process.stderr.read())
    try:
        while chunk := await process.stdout.read(CHUNK):
            yield chunk
        code = await process.wait()
        if code:
            raise CommandFailed(" ".join(command[:2]), code, (await words).decode())
    finally:
        if process.returncode is None:
            process.kill()
            # asyncio sees the end of a process with the end of its pipes, which must be read.
            await process.stdout.read()
            await process.wait()
        await words
