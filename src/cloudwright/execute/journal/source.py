"""From which description a plan is made: its digest, and the git commit where there is one."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """`digest` is of cloud.yaml and every file of its overrides; `commit` is empty without git.

    `dirty`: whether the directory held what is not in that commit.
    """

    digest: str
    commit: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return f"not in git, digest {self.digest}"
        return f"commit {self.commit[:12]}" + (", with changes not committed" * self.dirty)


def description_digest(path: Path, overrides: str) -> str:
    """A digest of what the operator wrote: the file at `path`, and the directory of overrides."""
    whole = hashlib.sha256()
    directory = path.parent / overrides
    files = sorted(p for p in directory.rglob("*") if p.is_file()) if directory.is_dir() else []
    for file in (path, *files):
        name = "cloud.yaml" if file == path else str(file.relative_to(directory))
        content = file.read_bytes()
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]


async def source_of(path: Path, overrides: str) -> Source:
    """The digest of the description at `path`, and what git says of its directory."""
    digest = await asyncio.to_thread(description_digest, path, overrides)
    commit, changes = await asyncio.gather(
        _git(path.parent, "rev-parse", "HEAD"),
        _git(path.parent, "status", "--porcelain", "--", path.name, overrides),
    )
    return Source(digest=digest, commit=(commit or "").strip(), dirty=bool(commit and changes))


async def _git(directory: Path, *arguments: str) -> str | None:
    """What git says; None when there is no git, no repository, or no answer."""
    try:
        process = await asyncio.create_subprocess_exec(
            *("git", "-C", str(directory), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), GIT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None
