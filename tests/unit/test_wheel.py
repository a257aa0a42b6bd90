"""What is installed is what is kept: the wheel has every file of the package, data too."""

from __future__ import annotations

import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name → content of all that is in the wheel, as pyproject.toml says."""
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling makes the wheel")
    folder = str(tmp_path_factory.mktemp("wheel"))
    builder = builders.WheelBuilder(str(ROOT))
    [made] = builder.build(directory=folder, versions=["standard"])
    with ZipFile(made) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def kept() -> list[str]:
    """The files of the package that git knows, by their name in the wheel."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: nobody knows what is kept")
    argv = ["git", "ls-files", "-z", "--", "cloudwright"]
    listed = subprocess.run(argv, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (SOURCE / name).exists()]


def test_the_wheel_has_every_file_of_the_package(wheel: dict[str, bytes]) -> None:
    names = kept()
    assert sum(not name.endswith(".py") for name in names) > 20
    assert [name for name in names if wheel.get(name) != (SOURCE / name).read_bytes()] == []
    assert [name for name in wheel if "__pycache__" in name] == []


def test_the_wheel_has_the_programs(wheel: dict[str, bytes]) -> None:
    [points] = [text for name, text in wheel.items() if name.endswith("/entry_points.txt")]
    for program in ("cloudwright", "cw"):
        assert f"{program} = cloudwright.cli.main:main" in points.decode()
