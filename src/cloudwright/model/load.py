"""A `cloud.yaml` becomes a Cloud, or every problem in it at once, each with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model import rules
from cloudwright.model.cloud import OVERRIDES, Cloud, Host, Images, NetworkChoices, Ssh
from cloudwright.model.decode import Notes, read_fields
from cloudwright.model.document import MAX_BYTES, Items, Keys, Scalar, Tree, parse
from cloudwright.model.draft import Draft

LAB_DIRECTORY = Path(".cloudwright") / "lab"
"""Beside `cloud.yaml`: where a lab leaves the key and the host keys of its hosts."""


def load(path: str | Path, releases: tuple[str, ...] | None = None) -> Cloud:
    """The cloud that the file at `path` describes; InvalidCloud with all that is wrong in it.

    Its release is one of `releases`, when these are given. Paths of SSH keys are taken from the
    file's directory on; where the file names none and a lab stands beside it, its hosts are
    reached with the lab's.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = "`cloudwright init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise InvalidCloud((Problem(file=str(path), text=why, hint=hint),)) from error
    cloud = read(content, str(path), releases)
    hosts = tuple(_with_key_files(host, path.parent) for host in cloud.hosts)
    return dataclasses.replace(cloud, hosts=hosts)


def read(content: bytes, file: str, releases: tuple[str, ...] | None = None) -> Cloud:
    """The cloud that a text describes (`file` is what problems call it; `releases` as for `load`).
    Touches nothing else."""
    tree, problems = parse(content, file)
    if tree is None:
        raise InvalidCloud(problems)
    if not isinstance(tree, Keys):
        text = "a cloud.yaml is a group of keys (name, sites, hosts, networks, api)"
        problem = Problem(file=file, line=tree.line, column=tree.column, text=text)
        raise InvalidCloud((*problems, problem))
    notes = Notes(file)
    fields, whole = read_fields(_inherit_ssh(tree), Cloud, (), notes)
    draft = dataclasses.replace(_draft(tree, fields, notes), releases=releases)
    found = (*problems, *notes.problems, *rules.check(draft))
    if found or not whole:
        raise InvalidCloud(found)
    return Cloud(**fields)


def outline(path: Path) -> tuple[str, frozenset[str] | None] | None:
    """Of a `cloud.yaml` that is wrong: the folder of its overrides, and the names of its hosts
    (None when they cannot be read). None when it is no YAML."""
    try:
        with path.open("rb") as file:
            tree, _ = parse(file.read(MAX_BYTES + 1), str(path))
    except OSError:
        return None
    if not isinstance(tree, Keys):
        return None
    folder, hosts = tree.get("overrides_dir"), tree.get("hosts")
    named = frozenset(key.text for key, _ in hosts.pairs) if isinstance(hosts, Keys) else None
    said = isinstance(folder, Scalar) and folder.kind != "null" and folder.text
    return said or OVERRIDES, named


def _draft(tree: Keys, fields: dict[str, Any], notes: Notes) -> Draft:
    images: Images | None = fields.get("images")
    network: NetworkChoices | None = fields.get("network")
    return Draft(
        file=notes.file,
        name=fields.get("name", ""),
        release=fields.get("release", ""),
        region=fields.get("region", ""),
        prefix=images.prefix if images else "",
        base=images.base if images else "",
        ha=network.ha if network else "",
        survive=fields.get("survive", "site"),
        sites=fields.get("sites", ()),
        hosts=fields.get("hosts", ()),
        networks=fields.get("networks"),
        api=fields.get("api"),
        ssh=fields.get("ssh"),
        whole=all(len(fields.get(key, ())) == _count(tree.get(key)) for key in ("sites", "hosts")),
        places=notes.places,
    )


def _count(tree: Tree | None) -> int:
    match tree:
        case Keys(pairs=pairs):
            return len(pairs)
        case Items(items=items):
            return len(items)
        case Scalar() | None:
            return -1  # unreadable: never equal to a number of things


def _inherit_ssh(tree: Keys) -> Keys:
    """`tree` with each key of the cloud's `ssh` in every host's that does not have it."""
    hosts, ours = tree.get("hosts"), tree.get("ssh")
    if not isinstance(hosts, Keys) or not isinstance(ours, Keys):
        return tree
    alone = Notes("")
    read_fields(ours, Ssh, ("ssh",), alone)
    if alone.problems:
        return tree  # said once, of the cloud's own, and not again for every host
    pairs = tuple(
        (name, _with_ssh(host, ours) if isinstance(host, Keys) else host)
        for name, host in hosts.pairs
    )
    merged = dataclasses.replace(hosts, pairs=pairs)
    return dataclasses.replace(
        tree,
        pairs=tuple((key, merged if value is hosts else value) for key, value in tree.pairs),
    )


def _with_ssh(host: Keys, ours: Keys) -> Keys:
    own = host.get("ssh")
    if own is None:
        key = Scalar(text="ssh", kind="str", line=ours.line, column=ours.column)
        return dataclasses.replace(host, pairs=(*host.pairs, (key, ours)))
    if not isinstance(own, Keys):
        return host
    given = {key.text for key, _ in own.pairs}
    added = tuple(pair for pair in ours.pairs if pair[0].text not in given)
    merged = dataclasses.replace(own, pairs=(*own.pairs, *added))
    return dataclasses.replace(
        host, pairs=tuple((key, merged if value is own else value) for key, value in host.pairs)
    )


def _with_key_files(host: Host, directory: Path) -> Host:
    ssh: Ssh = dataclasses.replace(
        host.ssh,
        key=_key_file(host.ssh.key, directory, "id_ed25519"),
        known_hosts=_key_file(host.ssh.known_hosts, directory, "known_hosts"),
    )
    return dataclasses.replace(host, ssh=ssh)


def _key_file(given: str | None, directory: Path, lab_name: str) -> str | None:
    if given is not None:
        return str(directory / Path(given).expanduser())
    of_lab = directory / LAB_DIRECTORY / lab_name
    return str(of_lab) if of_lab.is_file() else None
