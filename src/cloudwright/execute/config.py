"""Config directories on a host: what really stands in them, and how they are written."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping

from cloudwright.model.secrets import fill
from cloudwright.plan.steps import WriteFiles
from cloudwright.transport.host import File, Host


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


async def config_differences(
    host: Host, wanted: Mapping[str, WriteFiles], values: Mapping[str, str]
) -> dict[str, str]:
    """Step id → what differs in its directory ("" when nothing); absent when there is none.

    One round trip reads the real content (as digests), mode and owner of every file.
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
    return {
        id: _difference(action, values, modes, sums)
        for id, action in wanted.items()
        if action.directory in there
    }


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
