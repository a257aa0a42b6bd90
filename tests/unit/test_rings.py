"""Keys that follow each other: no host ever meets a key that it does not know."""

from __future__ import annotations

from pathlib import Path

from cloudwright.declare.at import At
from cloudwright.execute.secrets.rings import in_use, turn
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.services.keystone import OLDER, TOKENS, token_keys

CLOUD = load(Path(__file__).parents[2] / "examples" / "aio.yaml")
HIGHEST = str(OLDER + 1)


def keys(generation: int) -> dict[str, int]:
    """Place → generation of the key there."""
    at = At(
        cloud=CLOUD,
        host=CLOUD.hosts[0],
        facts=Facts(host="aio"),
        generations={TOKENS.lineage: generation},
    )
    return {place: secret.generation for place, secret in token_keys(at).items()}


def test_the_first_keys() -> None:
    assert keys(1) == {"1": 1, "2": 1, "3": 1, "4": 1, "0": 2}


def test_later_keys() -> None:
    assert keys(7) == {"1": 4, "2": 5, "3": 6, "4": 7, "0": 8}


def test_a_host_knows_what_one_a_turn_ahead_uses_and_the_other_way_round() -> None:
    for generation in range(1, 9):
        behind, ahead = keys(generation), keys(generation + 1)
        assert ahead[HIGHEST] in behind.values()
        assert behind[HIGHEST] in ahead.values()


def test_no_key_is_missing_while_one_host_takes_the_new_ones() -> None:
    for generation in range(1, 9):
        now, then = keys(generation), keys(generation + 1)
        used = {now[HIGHEST]}
        for place in then:  # in the order in which they are put there
            now[place] = then[place]
            used.add(now[HIGHEST])
            assert used <= set(now.values())


def test_the_vault_says_which_is_used(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    assert in_use(vault, [TOKENS]) == {TOKENS.lineage: 1}
    first = turn(vault, TOKENS)
    assert (first, in_use(vault, [TOKENS])) == (2, {TOKENS.lineage: 2})
    assert turn(vault, TOKENS) == 3
    assert in_use(vault, [TOKENS]) == {TOKENS.lineage: 3}
