"""Make the locks of a release anew: `python -m cloudwright.execute.images.relock 2026.2`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from cloudwright.errors import CloudError, CommandFailed
from cloudwright.execute.images.tools import find_uv
from cloudwright.images.release import Release, load_release, lock_entries, split_locks
from cloudwright.model.cloud import DEFAULT_RELEASE


async def relock(name: str) -> dict[str, str]:
    """Resolve all projects of a release together and return its locks, by their names.

    Asks the package index that this machine's pip uses. Raises CommandFailed when the projects
    cannot be had together.
    """
    release = load_release(name)
    uv = await find_uv()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.txt"
        wanted = [*release.common, *(r for p in release.projects.values() for r in p)]
        whole.write_text(await _compile(uv, release, wanted, "--generate-hashes"), "utf-8")
        needs = {
            project: frozenset(
                lock_entries(
                    await _compile(uv, release, list(project_wants), "--constraint", str(whole))
                )
            )
            for project, project_wants in release.projects.items()
        }
        return split_locks(whole.read_text("utf-8"), needs)


async def _compile(uv: str, release: Release, wanted: list[str], *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        *("--python-version", release.python, "--python-platform", release.platform),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    text, errors = await process.communicate("\n".join(wanted).encode())
    if process.returncode:
        raise CommandFailed("uv pip compile", process.returncode, errors.decode())
    return text.decode()


def main() -> int:
    """Write the locks into the source tree's folder of the release named on the command line."""
    name = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_RELEASE
    folder = Path(__file__).parents[2] / "releases" / name
    try:
        locks = asyncio.run(relock(name))
    except CloudError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for lock, text in locks.items():
        (folder / f"{lock}.txt").write_text(text, "utf-8")
        print(f"{lock}: {len(lock_entries(text))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
