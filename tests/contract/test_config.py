"""What stands in config directories, read from a real file system through a real shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from cloudwright.execute.host import config
from cloudwright.execute.host.config import write_config
from cloudwright.execute.host.judge import UNREAD, WRITTEN, Config
from cloudwright.plan.steps import ConfigFile, WriteFiles
from cloudwright.transport.local import LocalHost

OLD, NEW = "⟦secret:a:1⟧", "⟦secret:a:2⟧"
VALUES = {OLD: "first-value-of-it", NEW: "second-value-of-it"}


def wanted(folder: Path, text: str) -> WriteFiles:
    files = (ConfigFile(name="a.conf", text=text), ConfigFile(name="b c.txt", text="b\n"))
    return WriteFiles(directory=str(folder / "etc"), files=files)


def look(folder: Path, text: str, asked: list[str]) -> dict[str, Config]:
    def kept() -> dict[str, str]:
        asked.append("kept")
        return VALUES

    looked = look_around(folder, {"step": wanted(folder, text)}, kept)
    return dict(looked.configs)


def look_around(
    folder: Path, declared: dict[str, WriteFiles], kept: Callable[[], dict[str, str]] = dict
) -> config.Looked:
    return asyncio.run(config.look(LocalHost(), declared, VALUES, kept, str(folder)))


def write(folder: Path, text: str) -> None:
    asyncio.run(write_config(LocalHost(), wanted(folder, text), VALUES))


def test_no_directory_no_answer(tmp_path: Path) -> None:
    assert look(tmp_path, "x\n", []) == {}


def test_where_nothing_differs_no_content_is_read(tmp_path: Path) -> None:
    write(tmp_path, f"p = {OLD}\n")
    asked: list[str] = []
    found = look(tmp_path, f"p = {OLD}\n", asked)["step"]
    assert (found.why, found.found, asked) == ("", (), [])


def test_what_differs_comes_with_placeholders(tmp_path: Path) -> None:
    write(tmp_path, f"p = {OLD}\n")
    (tmp_path / "etc" / "mine.txt").write_text("by hand, ümlaut\n")
    (tmp_path / "etc" / "picture").write_bytes(b"\0\1")
    asked: list[str] = []
    found = look(tmp_path, f"p = {NEW}\n", asked)["step"]
    assert asked == ["kept"]
    assert {file.name: file.text for file in found.found} == {
        "a.conf": f"p = {OLD}\n",
        "mine.txt": "by hand, ümlaut\n",
    }
    assert "a.conf differs" in found.why and "mine.txt is not ours" in found.why


def test_a_mode_alone_has_no_content_to_tell(tmp_path: Path) -> None:
    write(tmp_path, "x\n")
    (tmp_path / "etc" / "a.conf").chmod(0o644)
    found = look(tmp_path, "x\n", [])["step"]
    assert found.found == () and "has mode or owner 644" in found.why


def test_a_directory_of_ours_that_nothing_declares_is_told(tmp_path: Path) -> None:
    write(tmp_path, "x\n")
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    (by_hand / "a.conf").write_text("nobody's\n")
    assert look_around(tmp_path, {"step": wanted(tmp_path, "x\n")}).others == frozenset()
    assert look_around(tmp_path, {}).others == {"etc"}
    (tmp_path / "etc" / WRITTEN).unlink()  # a run was cut before it wrote all
    (tmp_path / "etc" / UNREAD).touch()
    assert look_around(tmp_path, {}).others == {"etc"}


def read(folder: Path) -> None:
    """As a container that has started, and is healthy."""
    command = config.started_command(str(folder / "etc"))
    asyncio.run(LocalHost().run(command))


def test_what_was_written_is_stale_until_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, "x\n")
    assert look(tmp_path, "x\n", [])["step"].stale == {"a.conf", "b c.txt"}
    read(tmp_path)
    assert look(tmp_path, "x\n", [])["step"].stale == frozenset()
    write(tmp_path, "y\n")
    assert (tmp_path / "etc" / UNREAD).read_text() == "a.conf\n"
    assert look(tmp_path, "y\n", [])["step"].stale == {"a.conf"}


def test_what_is_declared_otherwise_now_is_not_stale_and_what_was_edited_is(
    tmp_path: Path,
) -> None:
    write(tmp_path, "x\n")
    read(tmp_path)
    assert look(tmp_path, "y\n", [])["step"].stale == frozenset()
    (tmp_path / "etc" / "a.conf").write_text("by hand\n")
    found = look(tmp_path, "y\n", [])["step"]
    assert found.stale == {"a.conf"}
    assert found.why == "a.conf differs"


def test_a_container_that_starts_says_so_until_it_is_healthy(tmp_path: Path) -> None:
    write(tmp_path, "x\n")
    asyncio.run(LocalHost().run(config.starting_command(str(tmp_path / "etc"))))
    assert look(tmp_path, "x\n", [])["step"].starting
    read(tmp_path)
    assert not look(tmp_path, "x\n", [])["step"].starting


def test_who_read_again_is_written_down(tmp_path: Path) -> None:
    write(tmp_path, "x\n")
    asyncio.run(config.note_reread(LocalHost(), str(tmp_path / "etc"), "container", "digest"))
    found = look(tmp_path, "x\n", [])["step"]
    assert found.reread == ("container", "digest")
    assert found.stale == frozenset()
    assert found.why == ""
