"""One setting of a file is changed, and nothing else of it; or the file is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from alvps.errors import UsageError
from alvps.project import binding, edit

COMMENTED = """\
# mine
projectName = "x"   # a name

environment  =  'old'   # which "host"

# about limits
[limits]
cost = 1
environment = "not this one"
"""


def test_a_key_is_set_where_it_stands() -> None:
    assert edit.with_key('a = 1\nenvironment = "old" # why\nb = 2\n', "environment", "new") == (
        'a = 1\nenvironment = "new" # why\nb = 2\n'
    )


def test_a_new_key_comes_before_the_first_table_and_its_comment() -> None:
    assert edit.with_key("# mine\na = 1\n\n# about b\n[b]\n", "environment", "new") == (
        '# mine\na = 1\nenvironment = "new"\n\n# about b\n[b]\n'
    )
    assert edit.with_key("", "environment", "new") == 'environment = "new"\n'
    assert edit.with_key("a = 1", "environment", "new") == 'a = 1\nenvironment = "new"\n'


def test_everything_else_stays_byte_by_byte() -> None:
    changed = edit.with_key(COMMENTED.replace("'old'", '"old"'), "environment", "new")
    assert changed == COMMENTED.replace("  =  'old'   #", ' = "new"   #')
    assert edit.without_key(COMMENTED, "environment") == COMMENTED.replace(
        "environment  =  'old'   # which \"host\"\n", "", 1
    )


@pytest.mark.parametrize(
    "text", ["a = [", 'environment = """\nold"""\n', "environment.x = 1\n", '"environment" = "a"\n']
)
def test_what_lines_cannot_change_is_left_alone(text: str) -> None:
    with pytest.raises(edit.CannotEdit):
        edit.with_key(text, "environment", "new")


def test_a_table_goes_with_those_below_it() -> None:
    text = 'a = 1\n[cloud]\nhost = "h"\n[cloud.x]\ny = 1\n[local]\nmemory = "1g"\n'
    assert edit.without_table(text, "cloud") == 'a = 1\n[local]\nmemory = "1g"\n'
    assert edit.without_table("a = 1\n", "cloud") == "a = 1\n"
    for hidden in ('cloud = {host = "h"}\n', 'cloud.host = "h"\n', '["cloud"]\nhost = 1\n'):
        with pytest.raises(edit.CannotEdit):
            edit.without_table(hidden, "cloud")


_value = (
    st.integers()
    | st.booleans()
    | st.text(st.characters(codec="ascii", exclude_characters='"\\\x7f', min_codepoint=32))
)
_line = st.sampled_from(["", "  ", "# environment = 1", "# [x]"]) | st.builds(
    lambda key, value: f"{key} = {str(value).lower() if not isinstance(value, str) else f'{chr(34)}{value}{chr(34)}'}",
    st.sampled_from(["a", "environments", "b", "environment"]),
    _value,
)


@given(st.lists(_line, max_size=6), st.lists(_line, max_size=4))
def test_setting_and_removing_say_the_same_as_the_parsed_file(top: list[str], below: list[str]) -> None:
    text = "\n".join([*top, "[t]", *below]) + "\n"
    try:
        before = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    try:
        assert tomli.loads(edit.with_key(text, "environment", "new")) == {**before, "environment": "new"}
    except edit.CannotEdit:
        assert not isinstance(before.get("environment"), str)
    without = tomli.loads(edit.without_key(text, "environment"))
    assert without == {key: value for key, value in before.items() if key != "environment"}


def test_files_keep_their_rights_and_links(tmp_path: Path) -> None:
    real = tmp_path / "shared.toml"
    real.write_text("a = 1\n")
    real.chmod(0o640)
    (tmp_path / ".env.toml").symlink_to(real)
    binding.bind(tmp_path, "prod")
    assert real.read_text() == 'a = 1\nenvironment = "prod"\n'
    assert (tmp_path / ".env.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    binding.unbind(tmp_path)
    assert real.read_text() == "a = 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env.toml", "shared.toml"]


def test_a_file_that_is_not_there_is_made_only_to_say_something(tmp_path: Path) -> None:
    binding.unbind(tmp_path)
    assert binding.drop_cloud(tmp_path) == ()
    assert not list(tmp_path.iterdir())
    binding.bind(tmp_path, "prod")
    assert (tmp_path / ".env.toml").read_text() == 'environment = "prod"\n'


def test_a_file_that_cannot_be_changed_stays_and_the_person_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".env.toml").write_text("a = [\n")
    with pytest.raises(UsageError) as raised:
        binding.bind(tmp_path, "prod")
    assert 'write environment = "prod" there' in str(raised.value.hint)
    assert (tmp_path / ".env.toml").read_text() == "a = [\n"
