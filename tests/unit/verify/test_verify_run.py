"""How checks are run and told, against a host that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError, HostUnreachable
from alvps.project.environment import Environment
from alvps.verify.run import CHECKS, Check, check

HOST = Environment(name="prod", host="192.0.2.7")
IMPORTS = "import pytest\n"


def module(folder: Path, text: str) -> Path:
    """A file of checks; pytest knows a module again by its name, so each test's is another."""
    file = folder / f"test_of_{folder.name}.py"
    file.write_text(text)
    return file


def checked(folder: Path, text: str, host: Any = None) -> list[Check]:
    file = module(folder, IMPORTS + text)
    told: list[Check] = []
    assert list(check(host, HOST, told.append, [file])) == told
    return told


def test_a_claim_and_its_reasons(tmp_path: Path) -> None:
    text = (
        "@pytest.mark.parametrize(('unit', 'limit'), [('a.service', 1.5), ('b.service', 0.5)])\n"
        "def test_sandbox(host, unit, limit):\n"
        "    '''{unit} is below {limit}'''\n"
        "    assert host < limit, f'it is at {host}'\n"
        "def test_skipped(environment):\n"
        "    '''it has a name'''\n"
        "    pytest.skip(f'{environment.name} has one')\n"
        "def test_wrong_by_itself():\n"
        "    '''it works'''\n"
        "    {}['key']\n"
    )
    assert checked(tmp_path, text, host=1) == [
        Check(id="sandbox-a.service", claim="a.service is below 1.5", result="passed"),
        Check(id="sandbox-b.service", claim="b.service is below 0.5", result="failed", reason="it is at 1"),
        Check(id="skipped", claim="it has a name", result="skipped", reason="prod has one"),
        Check(id="wrong-by-itself", claim="it works", result="failed", reason="KeyError: 'key'"),
    ]


def test_a_lost_connection_ends_it(tmp_path: Path) -> None:
    text = (
        "def test_one():\n    '''one'''\n"
        "def test_two():\n    '''two'''\n    raise RuntimeError('ssh: connection reset')\n"
        "def test_three():\n    '''three'''\n    raise AssertionError('was run')\n"
    )
    told: list[Check] = []
    with pytest.raises(HostUnreachable) as caught:
        check(None, HOST, told.append, [module(tmp_path, text)])
    assert caught.value.detail == "ssh: connection reset"
    assert [one.claim for one in told] == ["one"]


def test_ctrl_c_is_ctrl_c(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        checked(tmp_path, "def test_one():\n    '''one'''\n    raise KeyboardInterrupt\n")


def test_a_suite_that_is_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(AlError, match="could not be run") as caught:
        checked(tmp_path, "import no_such_module\n")
    assert "no_such_module" in str(caught.value.detail)


def test_every_check_of_the_suite_has_a_claim() -> None:
    import ast

    assert {path.name for path in CHECKS} == {path.name for path in CHECKS[0].parent.glob("test_*.py")}
    for path in CHECKS:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                claim = ast.get_docstring(node)
                assert claim, f"{path.name}: {node.name}"
                assert "\n" not in claim
                assert not claim.endswith(".")
