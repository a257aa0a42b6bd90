"""Build container images side by side, those alone whose recipe changed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.declare.image import Image
from cloudwright.errors import CommandFailed, Interrupted, Missing
from cloudwright.execute.images.debian import Apt, find_apt, mmdebstrap
from cloudwright.execute.images.settings import (
    MOUNT,
    PythonIndex,
    authority_file,
    lay_out,
    pip_settings,
    python_index,
)
from cloudwright.execute.images.tools import cache_directory, call, find_uv
from cloudwright.execute.interrupts import in_thread
from cloudwright.execute.pieces import PiecesBegan, Said, TellPiece, begin
from cloudwright.images.recipe import (
    DEBIAN_PACKAGES,
    DIGEST_LABEL,
    PREFIX,
    Recipe,
    build_scripts,
    make_recipes,
    reference,
    scaffold_reference,
    start_files,
)
from cloudwright.images.release import Release, load_release
from cloudwright.transport.local import LocalHost

AGAIN = "`cloudwright images build` goes on where this stopped"
DEBIAN = "debian"
"""What the bare system under the base is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """An image as this machine has it; `size` in bytes; `state` current, stale or missing (a base:
    here or missing)."""

    name: str
    reference: str
    id: str = ""
    size: int = 0
    state: str = "missing"


@dataclass(kw_only=True, slots=True)
class _Work:
    """One run of builds: what is shared by all of them."""

    release: Release
    prefix: str
    folder: Path
    index: PythonIndex
    logs: Path
    tell: TellPiece
    turns: asyncio.Semaphore
    done: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    built: dict[str, str] = field(default_factory=dict)


async def build(
    images: Sequence[Image],
    release: str,
    *,
    tell: TellPiece,
    prefix: str = PREFIX,
    only: Sequence[str] = (),
    fresh: bool = False,
    jobs: int = 2,
    base_from: str | None = None,
) -> dict[str, str]:
    """Build what is missing or not as its recipe says; returns name → image ID of what was built.

    `prefix` is the registry and folder of their names; `only` names the images to see to, with
    what they stand on; `fresh` builds them in any case;
    `jobs` is how many at once; `base_from` is an image to begin with in place of a Debian of
    our own making. Raises Missing for an unknown name or a tool that is not there, and
    CommandFailed, with the log's path, for a build that went wrong; the others are stopped. Once
    it is cancelled all are stopped, and it raises Interrupted.
    """
    known = load_release(release)
    recipes = _chosen(make_recipes(images, known, prefix=prefix, base_from=base_from), only)
    async with _alone(tell):
        there = {row.name: row for row in await _found(recipes, release, prefix)}
        wanted = [r for r in recipes if fresh or there[r.name].state != "current"]
        if not wanted:
            return {}
        return await _build_all(wanted, known, prefix, tell, jobs, debian=base_from is None)


async def found_images(
    images: Sequence[Image], release: str, prefix: str = PREFIX, base_from: str | None = None
) -> list[FoundImage]:
    """Each declared image and what it stands on, as this machine's store has it."""
    recipes = make_recipes(images, load_release(release), prefix=prefix, base_from=base_from)
    return await _found(recipes, release, prefix)


async def found_base(reference: str) -> FoundImage:
    """The image that the others begin with, as this machine's store has it: here, or missing."""
    try:
        form = "{{.Id}} {{.Size}}"
        said = await call(("podman", "image", "inspect", "--format", form, reference))
    except CommandFailed:
        return FoundImage(name=reference, reference=reference)
    id, size = said.split()
    return FoundImage(name=reference, reference=reference, id=id, size=int(size), state="here")


@contextlib.asynccontextmanager
async def _alone(tell: TellPiece) -> AsyncIterator[None]:
    """One run of builds on a machine at a time: the next finds what this one made."""
    path = cache_directory() / "build.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(Said(text="waiting for another build of images on this machine"))
            await in_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield


async def _build_all(
    wanted: Sequence[Recipe],
    release: Release,
    prefix: str,
    tell: TellPiece,
    jobs: int,
    *,
    debian: bool,
) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="cloudwright-build.", dir="/var/tmp") as scratch:
        work = await _prepare(Path(scratch), release, prefix, tell, jobs)
        makes_debian = debian and any(not recipe.parent for recipe in wanted)
        tell(PiecesBegan(needs=_needs(wanted, DEBIAN if makes_debian else "")))
        try:
            if makes_debian:
                await _make_debian(work)
            await _run_all(work, wanted)
        except asyncio.CancelledError:
            left = len(wanted) - len(work.built)
            raise Interrupted(
                f"interrupted: {len(work.built)} images built, {left} left", hint=AGAIN
            ) from None
        return work.built


def _needs(wanted: Sequence[Recipe], debian: str) -> dict[str, frozenset[str]]:
    names = {debian, *(recipe.name for recipe in wanted)} - {""}
    needs = {r.name: frozenset((r.parent or debian, *r.needs)) & names for r in wanted}
    return {debian: frozenset(), **needs} if debian else needs


async def _found(recipes: Sequence[Recipe], release: str, prefix: str) -> list[FoundImage]:
    listed = json.loads(await call(("podman", "images", "--format", "json")) or "[]")
    tagged = {name: entry for entry in listed for name in entry.get("Names") or ()}
    rows = []
    for recipe in recipes:
        names = [reference(name, release, prefix) for name in (recipe.name, *recipe.names)]
        entries = [tagged.get(name, {}) for name in names]
        digests = {(entry.get("Labels") or {}).get(DIGEST_LABEL) for entry in entries}
        state = "current" if digests == {recipe.digest} else "stale"
        rows.append(
            FoundImage(
                name=recipe.name,
                reference=names[0],
                id=str(entries[0].get("Id", "")),
                size=int(entries[0].get("Size", 0)),
                state=state if entries[0] else "missing",
            )
        )
    return rows


def _chosen(recipes: Sequence[Recipe], only: Sequence[str]) -> list[Recipe]:
    by_name = {recipe.name: recipe for recipe in recipes}
    aliases = {alias: recipe.name for recipe in recipes for alias in recipe.names}
    chosen: set[str] = set()
    for asked in only or by_name:
        name = aliases.get(asked, asked)
        if name not in by_name:
            raise Missing(f"no image {asked}", hint=f"known: {', '.join(by_name)}")
        _add(name, by_name, chosen)
    return [recipe for recipe in recipes if recipe.name in chosen]


def _add(name: str, by_name: Mapping[str, Recipe], chosen: set[str]) -> None:
    """The recipe of that name, and all that it stands on or needs."""
    chosen.add(name)
    recipe = by_name[name]
    for other in (recipe.parent, *recipe.needs):
        if other:
            _add(other, by_name, chosen)


async def _prepare(
    scratch: Path, release: Release, prefix: str, tell: TellPiece, jobs: int
) -> _Work:
    apt, pip, uv = await asyncio.gather(find_apt(LocalHost()), pip_settings(), find_uv())
    index = python_index(pip, os.environ)
    folder = scratch / "mnt"
    folder.mkdir(mode=0o700)
    lay_out(
        folder,
        apt=apt,
        suite=release.debian,
        index=index,
        authorities=authority_file(pip, os.environ),
        scripts={script.name: script.read_text("utf-8") for script in build_scripts()},
        locks=release.locks,
        uv=uv,
    )
    context = scratch / "context"
    context.mkdir()
    for file in start_files():
        (context / file.name).write_text(file.read_text("utf-8"), "utf-8")
    logs = cache_directory() / "build-logs"
    for path in (logs, *(target for target, _ in _kept())):
        path.mkdir(parents=True, exist_ok=True)
    turns = asyncio.Semaphore(jobs)
    return _Work(
        release=release,
        prefix=prefix,
        folder=folder,
        index=index,
        logs=logs,
        tell=tell,
        turns=turns,
    )


def _kept() -> tuple[tuple[Path, str], ...]:
    """What the next build can use again: downloads, here → as the build sees them."""
    cache = cache_directory() / "build"
    return (cache / "archives", f"{MOUNT}/archives"), (cache / "uv", f"{MOUNT}/uv-cache")


def debian_of(release: Release, apt: Apt) -> str:
    """The command that makes the tree of the first image, of the Debian that the release names."""
    return mmdebstrap(apt, suite=release.debian, packages=DEBIAN_PACKAGES)


async def _make_debian(work: _Work) -> None:
    done = begin(work.tell, DEBIAN)
    tag = scaffold_reference(work.release, work.prefix)
    apt = await find_apt(LocalHost())
    tree = work.folder.parent / "debian.tar"
    script = debian_of(work.release, apt)
    await call(
        ("sh", "-ec", script), log=work.logs / "debian.log", environment={"target": str(tree)}
    )
    await call(("podman", "import", "--quiet", str(tree), tag))
    tree.unlink()
    done()


async def _run_all(work: _Work, wanted: Sequence[Recipe]) -> None:
    failed: BaseExceptionGroup[Exception] | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for recipe in wanted:
                work.done[recipe.name] = group.create_task(_build(work, recipe))
    except* Exception as errors:
        failed = errors
    if failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first


async def _build(work: _Work, recipe: Recipe) -> None:
    for name in (recipe.parent, *recipe.needs):
        if other := work.done.get(name):
            await other
    async with work.turns:
        done = begin(work.tell, recipe.name)
        file = work.folder.parent / f"Containerfile.{recipe.name}"
        file.write_text(recipe.text, "utf-8")
        for name, text in recipe.files.items():
            (work.folder.parent / "context" / name).write_text(text, "utf-8")
        log = work.logs / f"{recipe.name}.log"
        await call(_command(work, recipe, file), log=log)
        release, prefix = work.release.name, work.prefix
        tags = [reference(name, release, prefix) for name in (recipe.name, *recipe.names)]
        if tags[1:]:
            await call(("podman", "tag", *tags))
        found = await call(("podman", "image", "inspect", "--format", "{{.Id}}", tags[0]))
        work.built[recipe.name] = found.strip()
        done()


def _command(work: _Work, recipe: Recipe, file: Path) -> tuple[str, ...]:
    volumes: Mapping[str, str] = {
        MOUNT: str(work.folder),
        **{inside: str(here) for here, inside in _kept()},
    }
    mounts = [f"--volume={here}:{inside}" for inside, here in volumes.items()]
    mounts += [f"--volume={here}:{inside}:ro" for inside, here in work.index.folders.items()]
    return (
        *("podman", "build", "--layers=false", "--pull=never", "--http-proxy=false"),
        # No engine's sandbox: the recipes are ours, and a machine's limits cannot get in the way.
        *("--isolation=chroot", "--network=host", *mounts),
        f"--label={DIGEST_LABEL}={recipe.digest}",
        f"--tag={reference(recipe.name, work.release.name, work.prefix)}",
        f"--file={file}",
        str(work.folder.parent / "context"),
    )
