"""What git says of the directory that a cloud is described in."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from cloudwright.execute.journal.source import source_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", "-C", directory, *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_commit_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("name: c\n")
    outside = asyncio.run(source_of(path, "config"))
    assert (outside.commit, outside.dirty) == ("", False)

    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "cloud.yaml")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "notes.txt").write_text("not of the cloud")
    clean = asyncio.run(source_of(path, "config"))
    assert clean.commit == git(tmp_path, "rev-parse", "HEAD")
    assert not clean.dirty

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "nova.conf").write_text("[DEFAULT]\n")
    dirty = asyncio.run(source_of(path, "config"))
    assert dirty.dirty
    assert (dirty.commit, dirty.digest) != (clean.commit, clean.digest)
