"""Which host keys of an existing server are pinned: only confirmed ones."""

from __future__ import annotations

import pytest

from alvps.errors import HostKeyRefused
from alvps.provision.existing import Existing
from alvps.ssh.hostkeys import generate

KEYS = tuple(generate().key for _ in range(2))


def existing(**options: object) -> Existing:
    return Existing(name="demo", host="example.org", **options)  # type: ignore[arg-type]  # each test gives valid ones


@pytest.mark.parametrize("form", ["{}", "{}=", " {} "])
@pytest.mark.parametrize("bare", [True, False])
def test_an_expected_fingerprint_pins_that_key_alone(form: str, bare: bool) -> None:
    fingerprint = KEYS[1].fingerprint
    written = form.format(fingerprint.removeprefix("SHA256:") if bare else fingerprint)
    assert existing(fingerprint=written)._confirmed(KEYS) == (KEYS[1],)


def test_another_fingerprint_is_refused_and_what_was_shown_is_told() -> None:
    with pytest.raises(HostKeyRefused, match="nothing was sent") as caught:
        existing(fingerprint=generate().key.fingerprint, confirm=lambda _keys: True)._confirmed(KEYS)
    for key in KEYS:
        assert key.fingerprint in (caught.value.detail or "")


def test_a_confirmed_host_has_all_its_keys_pinned() -> None:
    asked: list[object] = []

    def confirm(keys: object) -> bool:
        asked.append(keys)
        return True

    assert existing(confirm=confirm)._confirmed(KEYS) == KEYS
    assert asked == [KEYS]


@pytest.mark.parametrize("options", [{}, {"confirm": lambda _keys: False}])
def test_without_a_yes_nothing_is_pinned(options: dict[str, object]) -> None:
    with pytest.raises(HostKeyRefused, match="was not confirmed"):
        existing(**options)._confirmed(KEYS)
