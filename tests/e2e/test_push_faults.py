"""A push is all or nothing: bad releases, cut connections, swapped host keys, two at once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps


def test_release_whose_daemon_cannot_start_is_rolled_back(
    product: Product, vps: Vps, project_folder: Path, tmp_path: Path
) -> None:
    write_project(project_folder, {"voice": {"script": "echo alive"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    live = vps.release()

    broken_venv = tmp_path / "venv"
    shutil.copytree(product.venv, broken_venv, symlinks=True)
    main = next(broken_venv.glob("lib/python3*/site-packages/alvps/daemon/__main__.py"))
    main.write_text("raise SystemExit('this daemon cannot start')\n")
    script = broken_venv / "bin" / "al"
    script.write_text(script.read_text().replace(str(product.venv), str(broken_venv)))
    broken = Product(venv=broken_venv, home=product.home)

    started = time.monotonic()
    outcome = broken.run("push", "-E", vps.name, cwd=project_folder)
    assert outcome.code == 5, str(outcome)
    assert time.monotonic() - started <= 20
    assert "this daemon cannot start" in outcome.err
    assert live in outcome.err
    assert vps.release() == live
    assert vps.control(f"/ready?release={live}")["ready"]
    assert "alive" in product.ok("run", "voice", "-f", "-E", vps.name)


def test_connection_cut_in_the_middle_of_the_transfer(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": "echo old"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    live = vps.release()

    (project_folder / "agents" / "voice" / "run.sh").write_text("echo new\n")
    with (project_folder / "big").open("wb") as big:
        for _ in range(100):
            big.write(os.urandom(1 << 20))
    pusher = product.start("push", "-E", vps.name, cwd=project_folder)
    # The receiver has begun to write the big file: cut now.
    vps.sh(
        "until find /opt/action-llama -size +1M -newer /opt/action-llama/lock -path '*blob*' | grep -q .; do :; done"
    )
    vps.sh("pkill -KILL -f '^sshd: root@' || pkill -KILL -f 'sshd: root'")
    _, err = pusher.communicate(timeout=60)
    assert pusher.returncode == 3, err
    assert vps.release() == live
    assert "old" in product.ok("run", "voice", "-f", "-E", vps.name)

    product.ok("push", "-E", vps.name, cwd=project_folder)
    assert vps.release() != live
    assert "new" in product.ok("run", "voice", "-f", "-E", vps.name)


def test_swapped_host_key_is_refused_before_authentication(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": "echo hello"}})
    vps.sh(
        "cd /etc/ssh && cp ssh_host_ed25519_key /root/kept && cp ssh_host_ed25519_key.pub /root/kept.pub"
        " && rm ssh_host_ed25519_key* && ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key"
        " && systemctl restart ssh"
    )
    try:
        # Whoever got in within this very second, before the keys were exchanged, is not meant.
        cursor = vps.sh("journalctl --sync; journalctl -q -n 1 --show-cursor").rpartition("cursor: ")[2]
        outcome = product.run("push", "-E", vps.name, cwd=project_folder)
        assert outcome.code == 4, str(outcome)
        assert "ssh-keygen -lf" in outcome.err
        log = vps.sh(f"journalctl --sync; journalctl -u ssh --after-cursor '{cursor}' --no-pager")
        assert "Accepted" not in log
        assert "Failed publickey" not in log
    finally:
        vps.sh(
            "cd /etc/ssh && mv /root/kept ssh_host_ed25519_key && mv /root/kept.pub ssh_host_ed25519_key.pub"
            " && systemctl restart ssh"
        )
    product.ok("push", "-E", vps.name, cwd=project_folder)


def test_two_pushes_at_once(product: Product, vps: Vps, project_folder: Path) -> None:
    dockerfile = "FROM al-agent:latest\nRUN sleep 5\n"
    write_project(project_folder, {"slow": {"files": {"Dockerfile": dockerfile}}})
    first = product.start("push", "-E", vps.name, cwd=project_folder)
    vps.sh("until docker ps --format '{{.Command}}' --no-trunc | grep -q 'sleep 5'; do :; done")
    second = product.run("push", "-E", vps.name, cwd=project_folder)
    assert second.code == 6, str(second)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err


def test_interrupted_push_says_so_and_leaves_nothing(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"slow": {"files": {"Dockerfile": "FROM al-agent:latest\nRUN sleep 60\n"}}})
    live = vps.release()
    pusher = product.start("push", "-E", vps.name, cwd=project_folder)
    vps.sh("until docker ps --format '{{.Command}}' --no-trunc | grep -q 'sleep 60'; do :; done")
    pusher.send_signal(signal.SIGINT)
    _, err = pusher.communicate(timeout=30)
    assert pusher.returncode == 130, err
    assert "Traceback" not in err
    assert vps.release() == live
    write_project(project_folder, {"slow": {"files": {"Dockerfile": "FROM al-agent:latest\n"}}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
