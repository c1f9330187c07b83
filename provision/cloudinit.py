"""The user-data of a first boot, from a frozen description: text in, text out.

Every value is filled in as JSON, which is YAML, so nothing can end its own scalar; ASCII only, because YAML has no
surrogate pairs. Formats: cloud-init's cloud-config (modules ssh, users_groups, ca_certs, write_files, runcmd) and the
NoCloud data source's meta-data.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass, field

from alvps.project.environment import Web
from alvps.provision.bootstrap import digest, web_arguments
from alvps.provision.resources import resource
from alvps.ssh.hostkeys import KeyPair

# cloud-init's own folder: what it holds belongs to the first boot and nobody takes it for configuration.
BOOTSTRAP_PATH = "/var/lib/cloud/action-llama-bootstrap.sh"
FINAL_MESSAGE = "al: the first boot is over"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """What a machine learns at its first boot.

    authorities: PEM certificates of a company's own CAs. bootstrap: the script's bytes. web: what the world shall see.
    """

    hostname: str
    authorized_key: str
    host_key: KeyPair = field(repr=False)
    bootstrap: bytes = field(repr=False)
    authorities: tuple[str, ...] = ()
    web: Web = field(default_factory=Web)


def user_data(boot: FirstBoot) -> str:
    """The `#cloud-config` document. Holds a private host key: hand it over only where the machine alone reads it."""
    files: list[dict[str, str]] = [
        {
            "path": f"/usr/local/share/ca-certificates/company-{number}.crt",
            "owner": "root:root",
            "permissions": "0644",
            "content": pem,
        }
        for number, pem in enumerate(boot.authorities, 1)
    ]
    # Compressed: Hetzner allows 32 KiB. mtime=0 keeps the same input the same output.
    packed = base64.b64encode(gzip.compress(boot.bootstrap, mtime=0)).decode()
    files.append(
        {
            "path": BOOTSTRAP_PATH,
            "owner": "root:root",
            "permissions": "0700",
            "encoding": "gz+b64",
            "content": packed,
        }
    )
    return fill(
        resource("cloud-init", "user-data.yaml").read_text(encoding="utf-8"),
        {
            "hostname": boot.hostname,
            "authorized_key": boot.authorized_key,
            "host_key_private": boot.host_key.private,
            "host_key_public": boot.host_key.public,
            "ca_certs": _ca_certs(boot.authorities),
            "files": files,
            "bootstrap": ["sh", BOOTSTRAP_PATH, "--digest", digest(boot.bootstrap), *web_arguments(boot.web)],
            "final_message": FINAL_MESSAGE + "\n",
        },
    )


def _ca_certs(authorities: tuple[str, ...]) -> dict[str, object]:
    """cloud-init's schema wants neither an empty list nor an empty section."""
    return {"remove_defaults": False, **({"trusted": list(authorities)} if authorities else {})}


def meta_data(boot: FirstBoot, *, instance: str) -> str:
    """The NoCloud meta-data. instance: another one makes cloud-init take the machine for a new one."""
    return json.dumps({"instance-id": instance, "local-hostname": boot.hostname}) + "\n"


def fill(template: str, values: dict[str, object]) -> str:
    """The template without its comment lines and with every `{{ name }}` replaced by that value as JSON.

    Raises KeyError for a name without a value and ValueError for a value without a place: a template and its caller
    that do not fit are a defect, not a machine half made.
    """
    first, *rest = template.splitlines()
    lines = [first, *(line for line in rest if line.strip() and not line.lstrip().startswith("#"))]
    used: set[str] = set()

    def value(match: re.Match[str]) -> str:
        used.add(match[1])
        return json.dumps(values[match[1]])

    text = re.sub(r"\{\{ (\w+) \}\}", value, "\n".join(lines)) + "\n"
    if unused := values.keys() - used:
        raise ValueError(f"the template has no place for {', '.join(sorted(unused))}")
    return text
