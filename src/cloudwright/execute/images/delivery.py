"""Send container images to a host: one stream, no image and no layer that it has already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing

from cloudwright.engine.api import Engine
from cloudwright.errors import EngineError, HostError, StepFailed
from cloudwright.execute.images.layers import without_layers
from cloudwright.execute.images.store import archive
from cloudwright.plan.steps import BringImages

MIB = 1024**2
TELL_SECONDS = 1.0
"""Between two words about how far a stream is."""


async def bring_images(engine: Engine, action: BringImages, tell: Callable[[str], None]) -> None:
    """Send what the host lacks of the action's images, and see that it has them by their ids.

    `tell` takes how far it is. Raises HostError when the host has no space, EngineError when its
    engine refuses, CommandFailed when this machine cannot read an image.
    """
    there = await _ids(engine)
    lacking = [r for r, id in action.images.items() if id not in there]
    if not lacking:
        return
    held = await _layers(engine, action.images)
    try:
        # Closed here, whoever stops reading: it holds a process.
        async with aclosing(archive(lacking)) as whole:
            await engine.load(_told(without_layers(whole, held), tell))
    except EngineError as error:
        raise _space(error) if "no space left" in error.why else error from error
    ids = await _ids(engine)
    if lost := [r for r in lacking if action.images[r] not in ids]:
        raise StepFailed(
            "images arrived with another content than they left with",
            where=engine.host,
            why="\n".join(lost),
            hint="were they built anew meanwhile? `apply` again",
        )


async def _ids(engine: Engine) -> frozenset[str]:
    return frozenset(image.id for image in await engine.images())


async def _layers(engine: Engine, references: Iterable[str]) -> frozenset[str]:
    """The layers of those images of the host that may share some with these: of their folders."""
    folders = {reference.rpartition("/")[0] for reference in references}
    related = {
        image.id
        for image in await engine.images()
        for tag in image.tags
        if tag.rpartition("/")[0] in folders
    }
    found = await asyncio.gather(*(engine.layers(id) for id in related))
    return frozenset(layer for layers in found for layer in layers)


async def _told(chunks: AsyncIterable[bytes], tell: Callable[[str], None]) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    sent, told = 0, clock()
    async for chunk in chunks:
        yield chunk
        sent += len(chunk)
        if clock() - told >= TELL_SECONDS:
            told = clock()
            tell(f"{sent / MIB:.0f} MiB sent")
    tell(f"{sent / MIB:.0f} MiB sent; the engine takes them in")


def _space(error: EngineError) -> HostError:
    return HostError(
        "no space for container images",
        where=error.where,
        why=error.why,
        hint="the engine takes an archive in before it unpacks it, which needs twice its size;"
        " `podman image prune` (or `docker image prune`) removes old builds",
    )
