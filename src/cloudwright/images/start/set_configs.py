#!/usr/bin/python3 -IS
"""Put a container's configuration in place, as the Kolla image contract says.

Without options: what `config.json` lists is copied, owned and permitted. `--start` also trusts
the deployer's certificate authorities and waits for what `wait.json` lists. `--check` changes
nothing and exits 1 when something is not as `config.json` says. `--root DIR` is for tests.
Exits 0, 1 for a configuration that cannot be put in place, 2 for one that makes no sense.
"""

from __future__ import annotations

import contextlib
import filecmp
import glob
import grp
import json
import os
import pwd
import re
import shutil
import stat
import sys

CONFIG = "/var/lib/kolla/config_files"
DEFAULTS = "/etc/kolla/defaults"
FILE_KEYS = {"source", "dest", "owner", "perm", "optional", "preserve_properties", "merge"}
PLACE_KEYS = {"path", "owner", "perm"}
PERMISSION_KEYS = {"path", "owner", "perm", "recurse", "exclude"}

TYPE_CHECKING = False  # importing typing for it would cost a third of the time of a start
if TYPE_CHECKING:
    from typing import Any

    Entry = dict[str, Any]
    Copies = list[tuple[Entry, str, str]]


class UnusableError(Exception):
    """The configuration cannot be put in place."""


class NonsenseError(Exception):
    """The configuration is not what the contract allows."""


class Place:
    """Where the tree begins; all paths of the contract are below it."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def at(self, path: str) -> str:
        return self.root + path

    def without(self, path: str) -> str:
        return path[len(self.root) :]


def say(text: str) -> None:
    print(f"kolla_set_configs: {text}", flush=True)


def ids(owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group or user).gr_gid
    except KeyError as error:
        raise UnusableError(f"no such user or group: {owner}") from error


def mode_of(text: str) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"0o[0-7]{1,4}|[0-7]{3,4}", text):
        raise NonsenseError(f"not a permission of 3 or 4 octal digits: {text!r}")
    return int(text.removeprefix("0o"), 8)


def own(path: str, owner: str | None, perm: str | None) -> None:
    """Give one path its owner and mode; a directory may be entered by whom may read it."""
    if owner is not None:
        os.chown(path, *ids(owner), follow_symlinks=False)
    if perm is None or os.path.islink(path):
        return
    mode = mode_of(perm)
    if os.path.isdir(path):
        mode |= (mode & 0o444) >> 2
    os.chmod(path, mode)


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def copy_as_is(source: str, dest: str) -> None:
    """Copy a file or a tree with owners, modes and times."""
    os.makedirs(os.path.dirname(dest), exist_ok=True)
    if os.path.isdir(source) and not os.path.islink(source):
        os.makedirs(dest, exist_ok=True)
        for name in os.listdir(source):
            copy_as_is(os.path.join(source, name), os.path.join(dest, name))
        shutil.copystat(source, dest)
    elif os.path.islink(source):
        remove(dest)
        os.symlink(os.readlink(source), dest)
    else:
        shutil.copy2(source, dest)
    info = os.lstat(source)
    os.chown(dest, info.st_uid, info.st_gid, follow_symlinks=False)


def copy_owned(source: str, dest: str, owner: str | None, perm: str | None) -> None:
    """Copy a file or a tree into `dest`, all of it with this owner and mode."""
    os.makedirs(os.path.dirname(dest), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(dest, exist_ok=True)
        for name in os.listdir(source):
            copy_owned(os.path.join(source, name), os.path.join(dest, name), owner, perm)
    else:
        # A secret is never readable in passing: the file is made with no rights for others.
        with (
            open(source, "rb") as reader,
            open(os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer,
        ):
            shutil.copyfileobj(reader, writer)
    own(dest, owner, perm)


def entries(config: Entry, key: str, allowed: set[str], required: set[str]) -> list[Entry]:
    found: list[Entry] = config.get(key, [])
    for entry in found:
        unknown, missing = set(entry) - allowed, required - set(entry)
        if unknown:
            raise NonsenseError(f"{key}: unknown {', '.join(sorted(unknown))}")
        if missing:
            raise NonsenseError(f"{key}: no {', '.join(sorted(missing))}")
    return found


def load(place: Place) -> Entry:
    path = place.at(f"{CONFIG}/config.json")
    try:
        with open(path, encoding="utf-8") as file:
            config: Entry = json.load(file)
    except OSError as error:
        raise UnusableError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UnusableError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("command"), str):
        raise UnusableError(f"{path} has no command")
    return config


def copies(place: Place, config: Entry) -> Copies:
    """Every (entry, source, dest) that is to be copied, with the patterns filled in."""
    result: Copies = []
    for entry in entries(config, "config_files", FILE_KEYS, {"source", "dest"}):
        if not entry.get("preserve_properties") and not {"owner", "perm"} <= set(entry):
            raise NonsenseError(f"config_files: {entry['dest']} has no owner or perm")
        sources = sorted(glob.glob(place.at(entry["source"])))
        if not sources and not entry.get("optional"):
            raise UnusableError(f"missing: {entry['source']}")
        for source in sources:
            dest = place.at(entry["dest"])
            if dest.endswith("/"):
                dest += os.path.basename(source)
            result += (
                leaves(entry, source, dest) if entry.get("merge") else [(entry, source, dest)]
            )
    return result


def leaves(entry: Entry, source: str, dest: str) -> Copies:
    """A merged tree file by file, so that what was there before stays and can be kept."""
    if not os.path.isdir(source):
        return [(entry, source, dest)]
    return [
        leaf
        for name in sorted(os.listdir(source))
        for leaf in leaves(entry, os.path.join(source, name), os.path.join(dest, name))
    ]


def restore(place: Place, state_path: str) -> Entry:
    """Undo what the last start put in place; returns what is known of the time before."""
    try:
        with open(state_path, encoding="utf-8") as file:
            state: Entry = json.load(file)
    except (OSError, ValueError):
        return {}
    for dest, kept in state.items():
        remove(place.at(dest))
        if kept is not None:
            copy_as_is(place.at(kept), place.at(dest))
    return state


def keep_defaults(place: Place, wanted: Copies) -> None:
    state_path = place.at(f"{DEFAULTS}/state")
    state = restore(place, state_path)
    for _, _, dest in wanted:
        inside = place.without(dest)
        if inside in state:
            continue
        kept = None
        if os.path.lexists(dest):
            kept = f"{DEFAULTS}{inside}"
            remove(place.at(kept))
            copy_as_is(dest, place.at(kept))
        state[inside] = kept
    os.makedirs(os.path.dirname(state_path), exist_ok=True)
    with open(f"{state_path}.new", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1, sort_keys=True)
    os.replace(f"{state_path}.new", state_path)


def make_places(place: Place, config: Entry) -> None:
    for entry in entries(config, "directories", PLACE_KEYS, PLACE_KEYS):
        path = place.at(entry["path"])
        os.makedirs(path, exist_ok=True)
        own(path, entry["owner"], entry["perm"])
    for entry in entries(config, "files", PLACE_KEYS, PLACE_KEYS):
        path = place.at(entry["path"])
        if os.path.islink(path) or os.path.isdir(path):
            raise UnusableError(f"not a plain file: {entry['path']}")
        try:
            open(path, "ab").close()
        except OSError as error:
            raise UnusableError(f"cannot make {entry['path']}: {error.strerror}") from error
        own(path, entry["owner"], entry["perm"])


def permit(place: Place, config: Entry) -> None:
    for entry in entries(config, "permissions", PERMISSION_KEYS, {"path", "owner"}):
        paths = glob.glob(place.at(entry["path"]))
        if not paths:
            say(f"no {entry['path']} to give to {entry['owner']}")
        patterns = [re.compile(text) for text in entry.get("exclude", ())]
        for top in paths:
            for path in tree(top) if entry.get("recurse") else [top]:
                # The contract passes over what every pattern matches, not what any does.
                inside = place.without(path)
                if not patterns or not all(p.search(inside) for p in patterns):
                    own(path, entry["owner"], entry.get("perm"))


def tree(top: str) -> list[str]:
    found = [top]
    for where, directories, files in os.walk(top):
        found += [os.path.join(where, name) for name in directories + files]
    return found


def set_configs(place: Place) -> None:
    strategy = os.environ.get("KOLLA_CONFIG_STRATEGY", "")
    if strategy not in ("COPY_ALWAYS", "COPY_ONCE"):
        raise UnusableError(f"KOLLA_CONFIG_STRATEGY is {strategy!r}, not COPY_ALWAYS or COPY_ONCE")
    if strategy == "COPY_ONCE" and os.path.exists(place.at("/configured")):
        say("the configuration was copied once and stays")
        return
    config = load(place)
    make_places(place, config)
    wanted = copies(place, config)
    keep_defaults(place, wanted)
    for entry, source, dest in wanted:
        if not entry.get("merge"):
            remove(dest)
        if entry.get("preserve_properties"):
            copy_as_is(source, dest)
        else:
            copy_owned(source, dest, entry["owner"], entry["perm"])
    permit(place, config)
    with open(place.at("/run_command"), "w", encoding="utf-8") as file:
        file.write(config["command"])
    os.chmod(place.at("/run_command"), 0o644)
    if strategy == "COPY_ONCE":
        open(place.at("/configured"), "wb").close()


def check(place: Place) -> None:
    config = load(place)
    try:
        with open(place.at("/run_command"), encoding="utf-8") as file:
            command = file.read()
        with open(place.at(f"{DEFAULTS}/state"), encoding="utf-8") as file:
            known = set(json.load(file))
    except (OSError, ValueError) as error:
        raise UnusableError(f"never started: {error}") from error
    if command != config["command"]:
        raise UnusableError("the command changed")
    wanted = copies(place, config)
    if known != {place.without(dest) for _, _, dest in wanted}:
        raise UnusableError("the list of files changed")
    for entry, source, dest in wanted:
        check_copy(place, entry, source, dest)


def check_copy(place: Place, entry: Entry, source: str, dest: str) -> None:
    inside = place.without(dest)
    if os.path.isdir(source):
        for name in os.listdir(source):
            check_copy(place, entry, os.path.join(source, name), os.path.join(dest, name))
        return
    if not os.path.isfile(dest) or not filecmp.cmp(source, dest, shallow=False):
        raise UnusableError(f"the content of {inside} differs")
    info = os.stat(dest)
    if entry.get("preserve_properties"):
        raise UnusableError(f"the properties of {inside} cannot be compared")
    if (info.st_uid, info.st_gid) != ids(entry["owner"]):
        raise UnusableError(f"the owner of {inside} differs")
    if stat.S_IMODE(info.st_mode) != mode_of(entry["perm"]):
        raise UnusableError(f"the permissions of {inside} differ")


def start(place: Place) -> None:
    """What else a start needs from root, in this process: a second one would cost its start."""
    sys.path.insert(0, "/usr/local/lib/kolla" if not place.root else os.path.dirname(__file__))
    if any(os.path.isdir(place.at(path)) for path in CA_PLACES):
        from copy_cacerts import trust  # type: ignore[import-not-found]

        trust(place.root)
    if os.path.exists(place.at(f"{CONFIG}/wait.json")):
        from wait_for import wait  # type: ignore[import-not-found]

        wait(place.at(f"{CONFIG}/wait.json"))


CA_PLACES = (f"{CONFIG}/ca-certificates", "/var/lib/kolla/share/ca-certificates")


def main(arguments: list[str]) -> int:
    root = ""
    if "--root" in arguments:
        # Whoever may run this by sudo must not choose what it reads and overwrites.
        if "SUDO_UID" in os.environ:
            raise UnusableError("--root is not for sudo")
        root = arguments[arguments.index("--root") + 1]
    place = Place(root)
    if "--check" in arguments:
        check(place)
        return 0
    set_configs(place)
    if "--start" in arguments:
        start(place)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UnusableError as error:
        say(str(error))
        sys.exit(1)
    except Exception as error:
        say(f"{type(error).__name__}: {error}")
        sys.exit(2)
