"""What a user reads when `cloud.yaml` is wrong: each `errors/NAME.yaml` beside its text.

`CLOUDWRIGHT_GOLDEN=1` rewrites the texts; the difference in the commit is the review.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudwright.errors import InvalidCloud
from cloudwright.images.release import known_releases
from cloudwright.model.load import read

HERE = Path(__file__).parent / "errors"
REWRITE = "CLOUDWRIGHT_GOLDEN"


@pytest.mark.parametrize("wrong", sorted(HERE.glob("*.yaml")), ids=lambda path: path.stem)
def test_error_text(wrong: Path) -> None:
    with pytest.raises(InvalidCloud) as caught:
        read(wrong.read_bytes(), "cloud.yaml", known_releases())
    text = f"{caught.value}\n"
    golden = wrong.with_suffix(".txt")
    if os.environ.get(REWRITE):
        golden.write_text(text)
    assert text == golden.read_text()
