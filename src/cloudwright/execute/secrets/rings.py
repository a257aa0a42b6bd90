"""Keys that follow each other: which is in use, and the next turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.secrets import FernetRing, Secret


def in_use(vault: Vault, secrets: Iterable[Secret]) -> Mapping[str, int]:
    """`Secret.lineage` → the generation that is used now, of each ring among `secrets`.

    It is the last but one in the vault: the last one is given out and waits.
    """
    lineages = (s.lineage for s in secrets if isinstance(s.recipe, FernetRing))
    return {lineage: max(1, vault.last(lineage) - 1) for lineage in lineages}


def turn(vault: Vault, secret: Secret) -> int:
    """Use the key that waits from now on, and make the one after it; returns its generation.

    Only for a ring of which every host has what `in_use` says: else some would not know the key
    that others use.
    """
    used = in_use(vault, [secret])[secret.lineage] + 1
    vault.values([replace(secret, generation=used + 1)])
    return used
