"""`al env check` and `logs`, and a project whose own files name the server, against a real host."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

MARK = "only-the-agents-log-has-this"


def file_of(product: Product, name: str) -> Path:
    return product.home / ".action-llama/environments" / f"{name}.toml"


def test_the_machine_s_journal_is_without_what_agents_say(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": f"echo {MARK}; echo {MARK} >&2; exit 3"}})
    product.ok("push", "-E", vps.name, cwd=project_folder, timeout=600)
    product.run("run", "voice", "-f", "-E", vps.name)
    vps.sh("logger -p user.err a warning of another program; logger -p user.info chatter of another program")
    lines = product.ok("env", "logs", vps.name, "-n", "5000")
    assert "a warning of another program" in lines
    assert "chatter" not in lines
    assert MARK not in lines
    assert "action-llama" in lines
    everything = product.ok("env", "logs", vps.name, "-n", "5000", "--all")
    assert MARK in everything
    assert "chatter of another program" in everything
    as_json = [json.loads(line) for line in product.ok("env", "logs", vps.name, "-n", "3", "--json").splitlines()]
    assert len(as_json) == 3
    assert all("MESSAGE" in line for line in as_json)


def test_a_check_says_by_its_exit_code_how_a_host_is(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"one": {"script": "true"}})
    product.ok("push", "-E", vps.name, cwd=project_folder, timeout=600)
    healthy = product.run("env", "check", vps.name)
    assert (healthy.code, "0 errors" in healthy.out) == (0, True), str(healthy)
    vps.sh("systemctl stop action-llama-launcher")
    try:
        sick = product.run("env", "check", vps.name, "--json")
        assert sick.code == 1
        assert any(one["level"] == "error" for one in json.loads(sick.out))
    finally:
        vps.sh("systemctl start action-llama-launcher")
    text = file_of(product, vps.name).read_text()
    elsewhere = file_of(product, "elsewhere")
    try:
        elsewhere.write_text('[server]\nhost = "127.0.0.1"\nport = 1\n')
        assert product.run("env", "check", "elsewhere").code == 3
        elsewhere.write_text("".join(f"{line}\n" for line in text.splitlines() if "knownHosts" not in line))
        stranger = product.run("env", "check", "elsewhere")
        assert (stranger.code, "nothing was sent" in stranger.err) == (4, True), str(stranger)
    finally:
        elsewhere.unlink()


def test_a_server_that_the_project_s_files_name_is_refused_until_it_is_set_up(
    product: Product, vps: Vps, project_folder: Path
) -> None:
    write_project(project_folder, {"one": {"script": "true"}})
    shown = json.loads(product.ok("env", "show", vps.name, "--json"))
    cloud = f'[cloud]\nprovider = "vps"\nhost = "{shown["host"]}"\nsshPort = {shown["port"]}\n'
    with (project_folder / "config.toml").open("a") as config:
        config.write(f'{cloud}sshKeyPath = "{shown["key"]["path"]}"\n')
    refused = product.run("push", cwd=project_folder)
    assert refused.code == 4, str(refused)
    name = f"{vps.name}-named"
    fingerprint = shown["pinned"]["keys"][0].split()[1]
    made = product.run("setup", "cloud", "--name", name, "--fingerprint", fingerprint, cwd=project_folder, timeout=600)
    assert made.code == 0, str(made)
    try:
        assert f'environment = "{name}"' in (project_folder / ".env.toml").read_text()
        product.ok("push", "--replace", cwd=project_folder, timeout=600)
        assert f" on {name} " in product.ok("status", "-c", cwd=project_folder)
        assert "is ready" in product.ok("start", cwd=project_folder)
    finally:
        product.ok("teardown", name, "--forget", "--yes", cwd=project_folder)
    # The binding went with it; the section as well, as it names the same server.
    assert "environment" not in (project_folder / ".env.toml").read_text()
    assert "[cloud]" not in (project_folder / "config.toml").read_text()
