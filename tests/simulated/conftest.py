"""What several tests of this tier begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulated.site import EXAMPLE, Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    (tmp_path / "cloud.yaml").write_text(EXAMPLE.read_text())
    return Site(folder=tmp_path)
