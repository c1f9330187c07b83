"""The user-data of a first boot: what is in it, where secrets are, and that no value can end its own place."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.project.environment import Web
from alvps.provision import bootstrap
from alvps.provision.cloudinit import BOOTSTRAP_PATH, FirstBoot, fill, meta_data, user_data
from alvps.ssh.hostkeys import generate

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BOOT = FirstBoot(
    hostname="demo",
    authorized_key="ssh-ed25519 AAAA al-demo",
    host_key=generate("demo"),
    bootstrap=b"#!/bin/sh\necho \xc3\xa4\n",
    authorities=(PEM,),
)


def value(text: str, key: str) -> object:
    """The JSON value of a top-level key that has one on its line."""
    match = re.search(rf"^ *{key}: (.*)$", text, re.MULTILINE)
    assert match, key
    return json.loads(match[1])


def test_it_is_a_cloud_config_without_comments() -> None:
    lines = user_data(BOOT).splitlines()
    assert lines[0] == "#cloud-config"
    assert not [line for line in lines[1:] if line.lstrip().startswith("#") or not line.strip()]


def test_it_says_what_the_machine_has_to_know() -> None:
    text = user_data(BOOT)
    assert value(text, "hostname") == "demo"
    assert "locale: C.UTF-8\n" in text
    assert "ssh_pwauth: false\n" in text
    assert "disable_root: false\n" in text
    assert "ssh_authorized_keys: [" + json.dumps(BOOT.authorized_key) + "]" in text
    assert value(text, "ed25519_private") == BOOT.host_key.private
    assert value(text, "ed25519_public") == BOOT.host_key.public
    assert value(text, "ca_certs") == {"remove_defaults": False, "trusted": [PEM]}


def test_the_script_arrives_byte_for_byte_and_is_run_with_its_own_digest() -> None:
    text = user_data(BOOT)
    files = value(text, "write_files")
    assert isinstance(files, list)
    script = next(entry for entry in files if entry["path"] == BOOTSTRAP_PATH)
    assert (script["encoding"], script["permissions"]) == ("gz+b64", "0700")
    assert gzip.decompress(base64.b64decode(script["content"])) == BOOT.bootstrap
    assert f'- ["sh", "{BOOTSTRAP_PATH}", "--digest", "{bootstrap.digest(BOOT.bootstrap)}"]\n' in text


def test_the_script_is_told_what_the_world_shall_see() -> None:
    text = user_data(replace(BOOT, web=Web(domain="agents.example.com", dashboard=True)))
    assert f'"{bootstrap.digest(BOOT.bootstrap)}", "--domain", "agents.example.com", "--dashboard"]\n' in text
    assert bootstrap.web_arguments(Web(expose=True)) == ("--expose",)


def test_authorities_are_also_put_where_later_steps_look_for_them() -> None:
    files = value(user_data(BOOT), "write_files")
    assert isinstance(files, list)
    assert [entry["content"] for entry in files if entry["path"].startswith("/usr/local/share/ca-certificates/")] == [
        PEM
    ]


@pytest.mark.parametrize("authorities", [(), (PEM,), (PEM, PEM)])
def test_ca_certs_is_what_cloud_inits_schema_allows(authorities: tuple[str, ...]) -> None:
    """cc_ca_certs: no empty list, no empty section."""
    section = value(user_data(replace(BOOT, authorities=authorities)), "ca_certs")
    assert section == {"remove_defaults": False, **({"trusted": list(authorities)} if authorities else {})}


def test_the_same_input_gives_the_same_text() -> None:
    assert user_data(BOOT) == user_data(BOOT)


def test_the_real_script_leaves_room_below_what_any_provider_allows() -> None:
    boot = FirstBoot(hostname="h" * 50, authorized_key="k" * 120, host_key=generate("x"), bootstrap=bootstrap.script())
    assert len(user_data(boot)) < 24_000  # Hetzner allows 32 KiB


def test_secrets_are_in_no_repr() -> None:
    secret = BOOT.host_key.private.splitlines()[1]
    assert secret not in repr(BOOT)
    assert secret in user_data(BOOT).replace("\\n", "\n")


def test_meta_data_names_machine_and_instance() -> None:
    assert json.loads(meta_data(BOOT, instance="al-1")) == {"instance-id": "al-1", "local-hostname": "demo"}


@given(st.text(), st.lists(st.text(), max_size=3))
def test_no_value_can_leave_its_line(text: str, items: list[str]) -> None:
    filled = fill("#cloud-config\n# why\na: {{ a }}\nb: {{ b }}\n", {"a": text, "b": items})
    first, a, b, rest = filled.split("\n")
    assert (first, rest) == ("#cloud-config", "")
    assert json.loads(a.removeprefix("a: ")) == text
    assert json.loads(b.removeprefix("b: ")) == items
    assert filled.isascii()


def test_a_template_and_values_that_do_not_fit_are_a_defect() -> None:
    with pytest.raises(KeyError):
        fill("#cloud-config\na: {{ a }}\n", {})
    with pytest.raises(ValueError, match="no place for b"):
        fill("#cloud-config\na: {{ a }}\n", {"a": 1, "b": 2})
