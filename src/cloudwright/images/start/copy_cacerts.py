#!/usr/bin/python3 -IS
"""Trust the certificate authorities that the deployer mounted beside the configuration.

Done anew at each start from the image's own list, so that one that was taken away is trusted no
more. It adds to the one file that programs read and, for those that look in the folder instead, a
link named by OpenSSL's hash; update-ca-certificates takes 20 times longer for the same.
`kolla-customca-*` is where the Kolla image contract puts the single ones.
"""

import glob
import os
import re
import subprocess
import sys

SOURCES = (
    "/var/lib/kolla/config_files/ca-certificates",
    "/var/lib/kolla/share/ca-certificates",
)
STORE = "/usr/local/share/ca-certificates"
FOLDER = "/etc/ssl/certs"
BUNDLE = f"{FOLDER}/ca-certificates.crt"
MARK = "# added at the start of the container\n"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def trust(root: str = "") -> None:
    """Make the trusted authorities those of the image and those below SOURCES."""
    forget(root)
    os.makedirs(f"{root}{STORE}", exist_ok=True)
    added = []
    for source in SOURCES:
        for path in sorted(glob.glob(f"{root}{source}/*")):
            name = os.path.basename(path)
            if not os.path.isfile(path) or not name.endswith((".crt", ".pem")):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read().strip() + "\n"
            added.append(text)
            add(root, name.removesuffix(".pem").removesuffix(".crt"), text)
    with open(f"{root}{BUNDLE}", encoding="utf-8") as file:
        own = file.read().partition(MARK)[0]
    write(f"{root}{BUNDLE}", own + MARK + "".join(added) if added else own)


def forget(root: str) -> None:
    """Remove what an earlier start added to STORE and FOLDER."""
    for old in glob.glob(f"{root}{STORE}/kolla-customca-*"):
        os.unlink(old)
    for entry in os.scandir(f"{root}{FOLDER}"):
        if entry.is_symlink() and "/kolla-customca-" in os.readlink(entry.path):
            os.unlink(entry.path)


def add(root: str, name: str, text: str) -> None:
    """Store the certificates of one file, a file each, since a hash stands for one of them."""
    for number, certificate in enumerate(CERTIFICATE.findall(text), 1):
        own = f"{STORE}/kolla-customca-{name}{f'-{number}' if number > 1 else ''}.crt"
        write(f"{root}{own}", certificate + "\n")
        done = subprocess.run(
            ["openssl", "x509", "-noout", "-subject_hash"],
            input=certificate.encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            print(f"kolla_copy_cacerts: {name} is no certificate", flush=True)
            continue
        link(f"{root}{FOLDER}/{done.stdout.decode().strip()}", own)


def link(path: str, target: str) -> None:
    """Make `path`.0, or the first number that no other authority with the same hash has."""
    number = 0
    while os.path.lexists(f"{path}.{number}"):
        number += 1
    os.symlink(target, f"{path}.{number}")


def write(path: str, text: str) -> None:
    """Write a file that everybody may read, whole or not at all."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(f"{path}.new", 0o644)
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    trust()
    sys.exit(0)
