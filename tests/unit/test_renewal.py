"""A certificate with less than a third of its life left gives way to the next generation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudwright.declare.at import AUTHORITY
from cloudwright.execute.secrets.vault import IDENTITY_VARIABLE, Vault
from cloudwright.model.renewal import Kept, first_to_end, generations
from cloudwright.model.secrets import Certificate, Secret, current, taken_apart

MADE = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def kept(lineage: str, generation: int, begins: datetime, days: int) -> Kept:
    ends = begins + days * DAY
    return Kept(lineage=lineage, generation=generation, begins=begins, ends=ends)


def certificate(*names: str) -> Secret:
    recipe = Certificate(common_name="a", names=names, issuer=AUTHORITY)
    return Secret(name="tls/glance-api@ctl-1", recipe=recipe)


@pytest.mark.parametrize(
    ("day", "generation"), [(0, 1), (199, 1), (200, 1), (201, 2), (299, 2), (400, 2)]
)
def test_less_than_a_third_left_is_old(day: int, generation: int) -> None:
    assert generations([kept("a", 1, MADE, 300)], MADE + day * DAY) == {"a": generation}


def test_the_last_generation_decides() -> None:
    both = [kept("a", 2, MADE + 250 * DAY, 300), kept("a", 1, MADE, 300), kept("b", 1, MADE, 900)]
    assert generations(both, MADE + 260 * DAY) == {"a": 2, "b": 1}
    first = first_to_end(both, [("a", 2), ("b", 1)])
    assert first and (first.lineage, first.generation) == ("a", 2)
    assert first_to_end(both, [("c", 1)]) is None


def test_other_names_are_another_certificate() -> None:
    one, other = certificate("10.0.0.1"), certificate("10.0.0.2")
    assert one.lineage != other.lineage
    assert taken_apart(one.key) == (one.lineage, 1)
    assert taken_apart(AUTHORITY.key) == (AUTHORITY.lineage, 1)
    renewed = current(one, {one.lineage: 7, other.lineage: 3})
    assert (renewed.generation, renewed.lineage) == (7, one.lineage)
    assert str(renewed) != str(one)


def test_the_vault_keeps_the_old_one_and_makes_the_new_one_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)
    secret = certificate("10.0.0.1")
    first = Vault(tmp_path, clock=lambda: MADE).values([secret])
    later = MADE + 600 * DAY
    vault = Vault(tmp_path, clock=lambda: later)
    found = generations(vault.certificates(), later)
    assert found[secret.lineage] == 2
    second = vault.values([current(secret, found)])
    assert set(first.values()).isdisjoint(second.values())
    assert generations(vault.certificates(), later)[secret.lineage] == 2
    assert first.items() <= vault.kept().items()
