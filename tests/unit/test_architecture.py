"""Imports point one way and the laptop's paths stay light: kept true by reading the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from alvps.push.code_tree import code_tree

PACKAGE = Path(__file__).parent.parent.parent / "alvps"

# A room may import from itself, from the files every room may use, and from these.
EVERYWHERE = {"errors", "frames", "private_file", "__init__"}
ALLOWED: dict[str, set[str]] = {
    "schedule": set(),
    "credentials": set(),
    "prompt": {"credentials"},
    "webhooks": set(),
    "project": {"schedule", "credentials", "webhooks", "host"},  # host: what can work in a Dockerfile
    "journal": set(),
    "notify": set(),
    "store": set(),
    "gateway": {"daemon", "store", "project", "webhooks", "logs", "journal"},
    "daemon": {"store", "project", "schedule", "prompt", "credentials", "webhooks", "logs", "journal", "notify"},
    "launcher": {"project", "credentials", "logs", "journal", "notify"},
    "agent": set(),
    "session": {"agent"},  # alvps/agent/session: in a run's container, with an environment of its own
    "host": set(),
    "ssh": set(),
    "logs": {"ssh"},
    "push": {"project", "credentials", "ssh", "host", "agent", "provision"},
    "provision": {"project", "credentials", "ssh", "agent", "host"},
    "doctor": {"project", "credentials", "host"},  # host: the names of units
    "verify": {"project", "host"},
    "local": {"project", "credentials", "host", "push", "logs"},
    "cli": {
        "local",
        "doctor",
        "verify",
        "project",
        "credentials",
        "schedule",
        "webhooks",
        "ssh",
        "logs",
        "push",
        "provision",
        "host",
    },
}

# Where a process is put together out of its rooms; these files alone may reach further.
ASSEMBLY = {"daemon/main.py": {"gateway"}}

STANDARD_LIBRARY_ONLY = ("host", "agent")


def _imports(path: Path) -> set[str]:
    """The modules a file imports, full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            found.add(node.module or "")
    return found


def _rooms() -> list[tuple[str, Path]]:
    inside = [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in PACKAGE.rglob("*.py")]
    inside = [("session" if "agent/session" in path.as_posix() else room, path) for room, path in inside]
    linked = [("provision", path) for path in (PACKAGE / "provision").rglob("*.py")]  # rglob does not follow the link
    return [(room, path) for room, path in inside if room != "data"] + linked


def test_every_room_is_known() -> None:
    assert {room for room, _ in _rooms()} <= set(ALLOWED) | EVERYWHERE


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_point_one_way(room: str) -> None:
    wrong = []
    for owner, path in _rooms():
        if owner != room:
            continue
        allowed = {room} | EVERYWHERE | ALLOWED[room] | ASSEMBLY.get(path.relative_to(PACKAGE).as_posix(), set())
        for module in _imports(path):
            parts = module.split(".")
            if parts[0] == "alvps" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert not wrong


def test_the_libraries_for_models_stay_in_the_container() -> None:
    theirs = ("alvps.agent.session", "pydantic", "anthropic", "openai")
    for owner, path in _rooms():
        if owner != "session":
            wrong = {module for module in _imports(path) if module.startswith(theirs)}
            assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("room", STANDARD_LIBRARY_ONLY)
def test_travelling_rooms_need_nothing_installed(room: str) -> None:
    wrong = []
    for owner, path in _rooms():
        if owner == room:
            wrong += [
                f"{path.name} imports {module}"
                for module in _imports(path)
                if module.split(".")[0] not in sys.stdlib_module_names | {"alvps", "__future__"}
            ]
    assert not wrong


@pytest.mark.parametrize(
    ("argv", "forbidden"),
    [
        (["--help"], {"click", "paramiko", "fabric", "json", "asyncio", "alvps.project"}),
        (["--version"], {"click", "paramiko", "fabric", "json", "asyncio", "alvps.project"}),
        (["status", "--help"], {"paramiko", "fabric", "docker", "sanic", "croniter", "pydantic_ai", "alvps.daemon"}),
        (["verify", "--help"], {"paramiko", "fabric", "pytest", "testinfra"}),
        (["push", "--help"], {"paramiko", "fabric", "docker", "sanic", "croniter", "pydantic_ai", "alvps.daemon"}),
    ],
)
def test_laptops_paths_import_lazily(argv: list[str], forbidden: set[str]) -> None:
    program = (
        "import sys; before = set(sys.modules); from alvps.cli.main import run\n"
        f"code = run({argv!r})\n"
        "print('MODULES', *sorted(set(sys.modules) - before)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=60
    )
    loaded = set(done.stdout.rsplit("MODULES", 1)[1].split())
    assert not loaded & forbidden


def test_a_push_loads_nothing_of_how_machines_are_made() -> None:
    program = (
        "import sys; import alvps.push.push, alvps.push.wanted\n"
        "from alvps.provision import bootstrap; bootstrap.digest()\n"
        "print(*(name for name in sys.modules if name.startswith('alvps.provision')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=60
    )
    assert set(done.stdout.split()) == {f"alvps.provision{name}" for name in ("", ".bootstrap", ".resources")}


def test_what_travels_to_a_host_is_enough_there(tmp_path: Path) -> None:
    for name, path in code_tree().files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    program = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "import alvps.daemon.main, alvps.launcher.process, alvps.host.main\n"
        "assert alvps.__path__[0].startswith(sys.argv[1])\n"
        "assert not {'paramiko', 'fabric', 'click'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program, str(tmp_path)], check=True, timeout=60)


def test_no_shell_strings_anywhere() -> None:
    """`shell=True`, os.system and os.popen do not occur: nothing that a user writes can reach a shell on this side."""
    wrong = []
    for _, path in _rooms():
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "shell"
                and not (isinstance(node.value, ast.Constant) and node.value.value is False)
            ):
                wrong.append(f"{path.name}:{node.value.lineno} shell=")
            of_os = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
            if of_os and node.attr in {"system", "popen"}:
                wrong.append(f"{path.name}:{node.lineno} os.{node.attr}")
    assert not wrong
