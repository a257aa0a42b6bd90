"""Config directories on a host: what really stands in them, and how they are written."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudwright.execute.host.judge import (
    MARKS,
    REREAD,
    STARTING,
    UNREAD,
    WRITTEN,
    Config,
    Found,
    changed,
    config_of,
)
from cloudwright.model.secrets import fill, unfill
from cloudwright.plan.render import CONFIG_DIRECTORY
from cloudwright.plan.steps import ConfigFile, WriteFiles
from cloudwright.transport.host import File, Host

MAX_BYTES = 256 * 1024
"""No file of ours is larger; of one that is, it is said that it differs, and not how."""


def real_files(action: WriteFiles, values: Mapping[str, str]) -> tuple[File, ...]:
    """The files with their secrets' values, as they go to the host."""
    return tuple(
        File(
            path=f"{action.directory}/{file.name}",
            content=fill(file.text, values).encode(),
            mode=int(file.mode, 8),
        )
        for file in action.files
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """Step id → its directory as found (absent when there is none), and the names of directories
    that we wrote and that are none of these."""

    configs: Mapping[str, Config]
    others: frozenset[str]


async def look(
    host: Host,
    wanted: Mapping[str, WriteFiles],
    values: Mapping[str, str],
    kept: Callable[[], Mapping[str, str]],
    around: str = CONFIG_DIRECTORY,
) -> Looked:
    """Every config directory of the host below `around`; `wanted` are all that are declared.

    One round trip reads the real content (as digests), mode and owner of every file; only where
    some differ a second one reads those. `kept` gives the placeholder → value of all secrets,
    old generations too, and is called in that case alone.
    """
    found = await _found(host, [a.directory for a in wanted.values()], around)
    declared = {action.directory for action in wanted.values()}
    configs = {
        id: config_of(action, _sums(real_files(action, values)), found[action.directory])
        for id, action in wanted.items()
        if action.directory in found
    }
    paths = {id: [f"{wanted[id].directory}/{n}" for n in c.others] for id, c in configs.items()}
    contents = await _contents(host, [path for own in paths.values() for path in own], kept)
    return Looked(
        configs={
            id: replace(config, found=tuple(contents[p] for p in paths[id] if p in contents))
            for id, config in configs.items()
        },
        others=frozenset(path.rpartition("/")[2] for path in found.keys() - declared),
    )


async def _contents(
    host: Host, paths: Sequence[str], kept: Callable[[], Mapping[str, str]]
) -> dict[str, ConfigFile]:
    """Path → the file as it stands on the host, where it is text and not too large to be ours."""
    if not paths:
        return {}
    done = await host.run(
        f'while IFS= read -r f; do head -c {MAX_BYTES + 1} "$f" | base64 -w0; echo; done',
        stdin="".join(f"{path}\n" for path in paths).encode(),
    )
    secrets = await asyncio.to_thread(kept)
    found = {}
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        content = base64.b64decode(line)
        if len(content) <= MAX_BYTES and b"\0" not in content:
            text = unfill(content.decode(errors="replace"), secrets)
            found[path] = ConfigFile(name=path.rpartition("/")[2], text=text)
    return found


def _sums(files: tuple[File, ...]) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.content).hexdigest() for f in files}


async def _found(host: Host, directories: list[str], around: str = "") -> dict[str, Found]:
    """Every directory that is there; few processes, however many directories. With nothing but
    its name, each one below `around` that has a mark of ours."""
    quoted = " ".join(shlex.quote(d) for d in directories)
    marks = " -o ".join(f"-name {name}" for name in MARKS)
    asked = ""
    if around:
        here = shlex.quote(around)
        asked += f"find {here} -mindepth 2 -maxdepth 2 \\( {marks} \\) -printf 'D %h\\n'; "
    if directories:
        asked += (
            f"find {quoted} -maxdepth 0 -type d -printf 'D %p\\n'; "
            f"find {quoted} -type f -printf 'F %m %u:%g %p\\n'; "
            f"find {quoted} -type f -exec sha256sum {{}} + | sed 's/^/S /'; "
            f"find {quoted} -maxdepth 1 -type f \\( {marks} \\) -exec grep -H '' {{}} + "
            "| sed 's/^/M /'; "
        )
    if not asked:
        return {}
    done = await host.run(f"{{ {asked}}} 2>/dev/null; true")
    return _parse(done.stdout)


def _parse(text: str) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "D":
            found.setdefault(rest, Found())
        elif kind == "F":
            mode, owner, path = rest.split(" ", 2)
            directory, name = _place(path, found)
            directory.modes[name] = f"{mode} {owner}"
        elif kind == "S":
            digest, _, path = rest.partition("  ")
            directory, name = _place(path, found)
            directory.sums[name] = digest
        elif kind == "M":
            path, _, value = rest.partition(":")
            directory, name = _place(path, found)
            directory.marks.setdefault(name, []).append(value)
    return found


def _place(path: str, found: Mapping[str, Found]) -> tuple[Found, str]:
    """The directory of ours that a path is below, and the rest of the path."""
    top = path.rpartition("/")[0]
    while top not in found:
        top = top.rpartition("/")[0]
    return found[top], path[len(top) + 1 :]


async def write_config(host: Host, action: WriteFiles, values: Mapping[str, str]) -> None:
    """Make the directory hold exactly these files.

    First it is marked which of them nobody has read, last what was written: cut anywhere, the
    next look finds what a running container does not know.
    """
    files = real_files(action, values)
    sums = _sums(files)
    found = (await _found(host, [action.directory])).get(action.directory, Found())
    unread = sorted(found.unread | set(changed(sums, found)))
    written = [f"{sum}  {name}" for name, sum in sums.items()]
    await host.put((_mark(action, UNREAD, unread), *files, _mark(action, WRITTEN, written)))
    if extra := found.extra(sums):
        paths = " ".join(shlex.quote(f"{action.directory}/{name}") for name in extra)
        await host.run(f"rm -f -- {paths}")


def _mark(action: WriteFiles, name: str, lines: list[str]) -> File:
    text = "".join(f"{line}\n" for line in lines)
    return File(path=f"{action.directory}/{name}", content=text.encode(), mode=0o600)


def starting_command(directory: str) -> str:
    """The shell command before a container is made: it is not healthy yet."""
    return f"(umask 077; mkdir -p {shlex.quote(directory)}; : > {_at(directory, STARTING)})"


def started_command(directory: str) -> str:
    """The shell command once it is healthy: it has read everything as it started."""
    marks = " ".join(_at(directory, name) for name in (UNREAD, REREAD, STARTING))
    return f"rm -f -- {marks}"


async def note_reread(host: Host, directory: str, container_id: str, digest: str) -> None:
    """Write down that this running container has read its files as they are now."""
    content = f"{container_id} {digest}\n".encode()
    await host.put([File(path=f"{directory}/{REREAD}", content=content, mode=0o600)])
    await host.run(f"rm -f -- {_at(directory, UNREAD)}")


def _at(directory: str, name: str) -> str:
    return shlex.quote(f"{directory}/{name}")
