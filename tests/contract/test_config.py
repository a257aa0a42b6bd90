"""What stands in config directories, read from a real file system through a real shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cloudwright.execute.config import Difference, config_differences, write_config
from cloudwright.plan.steps import ConfigFile, WriteFiles
from cloudwright.transport.local import LocalHost

OLD, NEW = "⟦secret:a:1⟧", "⟦secret:a:2⟧"
VALUES = {OLD: "first-value-of-it", NEW: "second-value-of-it"}


def wanted(folder: Path, text: str) -> WriteFiles:
    files = (ConfigFile(name="a.conf", text=text), ConfigFile(name="b c.txt", text="b\n"))
    return WriteFiles(directory=str(folder / "etc"), files=files)


def look(folder: Path, text: str, asked: list[str]) -> dict[str, Difference]:
    def kept() -> dict[str, str]:
        asked.append("kept")
        return VALUES

    action = wanted(folder, text)
    return asyncio.run(config_differences(LocalHost(), {"step": action}, VALUES, kept))


def write(folder: Path, text: str) -> None:
    asyncio.run(write_config(LocalHost(), wanted(folder, text), VALUES))


def test_no_directory_no_answer(tmp_path: Path) -> None:
    assert look(tmp_path, "x\n", []) == {}


def test_where_nothing_differs_no_content_is_read(tmp_path: Path) -> None:
    write(tmp_path, f"p = {OLD}\n")
    asked: list[str] = []
    assert look(tmp_path, f"p = {OLD}\n", asked) == {"step": Difference()}
    assert asked == []


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
