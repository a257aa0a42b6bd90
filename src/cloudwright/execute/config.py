"""Config directories on a host: what really stands in them, and how they are written."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cloudwright.model.secrets import fill, unfill
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
class Difference:
    """What is wrong with a config directory, in words; empty when nothing is.

    `found` are the files that differ or are not ours, as they stand on the host, with
    placeholders for every secret that is known here.
    """

    why: str = ""
    found: tuple[ConfigFile, ...] = ()


async def config_differences(
    host: Host,
    wanted: Mapping[str, WriteFiles],
    values: Mapping[str, str],
    kept: Callable[[], Mapping[str, str]],
) -> dict[str, Difference]:
    """Step id → what differs in its directory; absent when there is no such directory.

    One round trip reads the real content (as digests), mode and owner of every file; only where
    some differ a second one reads those. `kept` gives the placeholder → value of all secrets,
    old generations too, and is called in that case alone.
    """
    if not wanted:
        return {}
    directories = " ".join(shlex.quote(a.directory) for a in wanted.values())
    done = await host.run(
        f"for d in {directories}; do "
        'if [ -d "$d" ]; then echo "D $d"; '
        'find "$d" -type f -printf "F %m %u:%g %p\\n"; '
        'find "$d" -type f -exec sha256sum {} + | sed "s/^/S /"; fi; done'
    )
    there, modes, sums = _parse(done.stdout)
    there_too = {id: action for id, action in wanted.items() if action.directory in there}
    others = {id: _others(action, values, sums) for id, action in there_too.items()}
    contents = await _contents(host, [path for paths in others.values() for path in paths], kept)
    return {
        id: Difference(
            why=_difference(action, values, modes, sums),
            found=tuple(contents[path] for path in others[id] if path in contents),
        )
        for id, action in there_too.items()
    }


def _others(
    action: WriteFiles, values: Mapping[str, str], sums: Mapping[str, str]
) -> tuple[str, ...]:
    """The files of a directory whose content is another than declared, or that are not ours."""
    wanted = {f.path: hashlib.sha256(f.content).hexdigest() for f in real_files(action, values)}
    return tuple(
        path
        for path, digest in sums.items()
        if path.startswith(f"{action.directory}/") and wanted.get(path) != digest
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


def _parse(text: str) -> tuple[set[str], dict[str, str], dict[str, str]]:
    there: set[str] = set()
    modes: dict[str, str] = {}
    sums: dict[str, str] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "D":
            there.add(rest)
        elif kind == "F":
            mode, owner, path = rest.split(" ", 2)
            modes[path] = f"{mode} {owner}"
        elif kind == "S":
            digest, _, path = rest.partition("  ")
            sums[path] = digest
    return there, modes, sums


def _difference(
    action: WriteFiles,
    values: Mapping[str, str],
    modes: Mapping[str, str],
    sums: Mapping[str, str],
) -> str:
    wanted = {f.path: f for f in real_files(action, values)}
    found = {path for path in sums if path.startswith(f"{action.directory}/")}
    words = []
    for path, file in wanted.items():
        if path not in found:
            words.append(f"{file.name} is missing")
        elif sums[path] != hashlib.sha256(file.content).hexdigest():
            words.append(f"{file.name} differs")
        elif modes[path] != f"{file.mode:o} root:root":
            words.append(f"{file.name} has mode or owner {modes[path]}")
    words += [f"{path.rpartition('/')[2]} is not ours" for path in sorted(found - wanted.keys())]
    return ", ".join(words)


async def write_config(host: Host, action: WriteFiles, values: Mapping[str, str]) -> None:
    """Make the directory hold exactly these files."""
    files = real_files(action, values)
    keep = " ".join(f"! -name {shlex.quote(f.name)}" for f in action.files)
    await host.put(files)
    await host.run(f"find {shlex.quote(action.directory)} -type f {keep} -delete")
