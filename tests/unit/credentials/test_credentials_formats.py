"""What is said of values without asking anybody: the right things, and never the value."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import TYPES, formats, keys
from tests.support.ssh_keys import key_pair

PRIVATE, PUBLIC = key_pair()
PKCS8, _ = key_pair("rsa", form="PKCS8")


def account(**more: object) -> str:
    return json.dumps({"type": "service_account", "client_email": "a@b.example", "private_key": PKCS8, **more})


def said(id_: str, **fields: str) -> list[str]:
    type_ = TYPES[id_]
    return formats.complaints(type_, formats.completed(type_, fields))


GOOD = [
    ("github_token", {"token": "ghp_abcdefgh"}),
    ("github_token", {"token": "0123456789abcdef0123456789abcdef01234567"}),
    ("anthropic_key", {"token": "sk-ant-api03-abc"}),
    ("anthropic_key", {"token": "sk-ant-oat01-abc"}),
    ("openai_key", {"token": "sk-proj-abc"}),
    ("openrouter_key", {"token": "sk-or-v1-abc"}),
    ("groq_key", {"token": "gsk_abcdef"}),
    ("xai_key", {"token": "xai-abcdef"}),
    ("google_key", {"token": "AIzaSyabc"}),
    ("mistral_key", {"token": "abcdefghij"}),
    ("custom_key", {"token": "x"}),
    ("custom_key", {"token": "sk-ant-x"}),
    ("linear_webhook_secret", {"secret": "12345678"}),
    ("slack_signing_secret", {"secret": "eight ch"}),
    ("generic_webhook_secret", {"secret": "ünïcödé!"}),
    ("git_ssh", {"id_rsa": PRIVATE, "username": "A. Ü. Thor", "email": "a@b"}),
    ("git_ssh", {"id_rsa": "", "username": "A", "email": "a@b"}),
    ("git_ssh", {"username": "A", "email": "a@b"}),
    ("vps_ssh", {"private_key": PRIVATE}),
    ("vps_ssh", {"private_key": PRIVATE, "public_key": PUBLIC}),
    ("discord_bot", {"application_id": "1234567890", "public_key": "aF" * 32, "bot_token": "abc.def-ghi"}),
    ("gcp_service_account", {"key_json": account()}),
    (
        "reddit_oauth",
        {"client_id": "a", "client_secret": "12345678", "username": "u", "password": "p w", "user_agent": "me (v1)"},
    ),
    ("x_twitter_api", {"consumer_key": "12345678", "consumer_secret": "12345678", "bearer_token": "AAA%3D%2F="}),
    (
        "x_twitter_api",
        dict.fromkeys(("api_key", "api_secret", "bearer_token", "access_token", "access_token_secret"), "12345678"),
    ),
]


@pytest.mark.parametrize(("id_", "fields"), GOOD, ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_is_said_of_what_is_right(id_: str, fields: dict[str, str]) -> None:
    assert said(id_, **fields) == []


@pytest.mark.parametrize(
    ("id_", "fields", "words"),
    [
        ("github_token", {"token": ""}, "token is empty"),
        ("github_token", {}, "token is missing"),
        ("github_token", {"token": "abcdefgh", "tokn": "x"}, "tokn is no field of github_token; its fields: token"),
        ("github_token", {"token": "abcdefg"}, "shorter than 8"),
        ("github_token", {"token": "abcd efgh"}, "no token has"),
        ("github_token", {"token": "“abcdefgh”"}, "no token has"),
        ("github_token", {"token": " abcdefgh"}, "begins or ends with a space"),
        ("github_token", {"token": "abcdefgh\u00a0"}, "begins or ends with a space"),
        ("github_token", {"token": "abcd\nefgh"}, "more than one line"),
        ("github_token", {"token": "abcdefg\x1bh"}, "control character"),
        ("github_token", {"token": "a" * 8193}, "longer than 8192"),
        ("anthropic_key", {"token": "sk-abcdefgh"}, 'does not begin with "sk-ant-"'),
        ("openai_key", {"token": "abcdefghij"}, 'does not begin with "sk-"'),
        ("openai_key", {"token": "sk-ant-abcdefgh"}, "that is what anthropic_key is for"),
        ("openai_key", {"token": "sk-or-abcdefgh"}, "that is what openrouter_key is for"),
        ("groq_key", {"token": "sk-abcdefgh"}, 'does not begin with "gsk_"'),
        ("xai_key", {"token": "sk-abcdefgh"}, 'does not begin with "xai-"'),
        ("openrouter_key", {"token": "sk-abcdefgh"}, 'does not begin with "sk-or-"'),
        *(
            (f"{name}_webhook_secret", {"secret": "1234567"}, "secret is shorter than 8")
            for name in ("github", "linear", "mintlify", "generic")
        ),
        ("sentry_client_secret", {"secret": "1234567"}, "secret is shorter than 8"),
        ("slack_signing_secret", {"secret": "1234567"}, "secret is shorter than 8"),
        ("git_ssh", {"username": "A"}, "email is missing"),
        ("git_ssh", {"username": "A", "email": "a@b <x>"}, "no e-mail address"),
        ("git_ssh", {"username": "A\nB", "email": "a@b"}, "username has more than one line"),
        ("git_ssh", {"id_rsa": PUBLIC, "username": "A", "email": "a@b"}, "id_rsa is a public key"),
        ("git_ssh", {"id_rsa": "abc", "username": "A", "email": "a@b"}, 'no "PRIVATE KEY" in it'),
        ("vps_ssh", {"public_key": PUBLIC}, "private_key is missing"),
        ("vps_ssh", {"private_key": PRIVATE, "public_key": "ssh-ed25519 AAAA"}, "public_key is no public key"),
        ("vps_ssh", {"private_key": PRIVATE, "public_key": key_pair("ecdsa")[1]}, "does not belong to private_key"),
        ("discord_bot", {"application_id": "x1", "public_key": "00" * 32, "bot_token": "abcdefgh"}, "is not a number"),
        ("discord_bot", {"application_id": "1", "public_key": "0" * 63, "bot_token": "abcdefgh"}, "64 hexadecimal"),
        ("gcp_service_account", {"key_json": "abc"}, "is not JSON"),
        ("gcp_service_account", {"key_json": "[]"}, 'not "service_account"'),
        ("gcp_service_account", {"key_json": account(type="authorized_user")}, 'not "service_account"'),
        ("gcp_service_account", {"key_json": account(client_email=None)}, 'has no "client_email"'),
        ("gcp_service_account", {"key_json": account(private_key=7)}, 'has no "private_key"'),
        ("gcp_service_account", {"key_json": account(private_key="x")}, '"private_key" that is no private key'),
        ("x_twitter_api", {"consumer_key": "12345678", "api_secret": "12345678"}, "api_secret is no field of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(id_: str, fields: dict[str, str], words: str) -> None:
    assert words in "\n".join(said(id_, **fields))


def test_everything_that_is_wrong_is_said_together() -> None:
    found = said("reddit_oauth", client_id="a\tb", client_secret="short", username="u", user_agent="")
    assert [line.split()[0] for line in found] == ["password", "client_id", "client_secret", "user_agent"]


@pytest.mark.parametrize(
    ("id_", "field", "given", "kept"),
    [
        ("github_token", "token", "abc\r\n\n", "abc"),
        ("github_token", "token", " abc ", " abc "),
        ("github_webhook_secret", "secret", "ab\ncd\n", "ab\ncd"),
        ("git_ssh", "id_rsa", "\r\nA\r\nB\r\n\r\n", "A\nB\n"),
        ("git_ssh", "id_rsa", "A\nB", "A\nB\n"),
        ("gcp_service_account", "key_json", "\n{}\n", "{}"),
        ("own", "x", "", ""),
    ],
)
def test_what_copying_added_is_taken_off(id_: str, field: str, given: str, kept: str) -> None:
    if id_ in TYPES:
        assert formats.completed(TYPES[id_], {field: given}) == {field: kept}


def test_a_public_key_is_made_from_the_private_one() -> None:
    made = formats.completed(TYPES["vps_ssh"], {"private_key": PRIVATE, "public_key": "\n"})
    assert made["public_key"].split() == PUBLIC.split()[:2]
    assert formats.completed(TYPES["vps_ssh"], {"private_key": PRIVATE, "public_key": PUBLIC})["public_key"] == (
        PUBLIC.strip()
    )
    assert "public_key" not in formats.completed(TYPES["vps_ssh"], {"private_key": "x"})


@pytest.mark.parametrize(
    "pair",
    [
        key_pair("ed25519"),
        key_pair("ecdsa"),
        key_pair("rsa"),
        key_pair("rsa", form="PEM"),
        key_pair("rsa", form="PKCS8"),
        key_pair("ecdsa", form="PKCS8"),
    ],
    ids=["ed25519", "ecdsa", "rsa", "rsa PEM", "rsa PKCS8", "ecdsa PKCS8"],
)
def test_keys_that_ssh_makes_are_read(pair: tuple[str, str]) -> None:
    private, public = pair
    assert keys.is_same(keys.public_of(private), public)
    assert said("vps_ssh", private_key=private.replace("\n", "\r\n"), public_key=public) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (key_pair(passphrase="hunter2")[0], "passphrase"),
        (key_pair("rsa", passphrase="hunter2", form="PEM")[0], "passphrase"),
        (key_pair("rsa", passphrase="hunter2", form="PKCS8")[0], "passphrase"),
        (PRIVATE[:100] + PRIVATE[200:], "copied whole"),
        (PRIVATE[: len(PRIVATE) // 2], "is not whole"),
        (PRIVATE.replace("\n", " "), "is not whole"),
        (PRIVATE.replace("\n", "\\n"), "is not whole"),
        (PRIVATE + PRIVATE, "is not whole"),
        (PUBLIC, "a public key"),
        ("", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\n\ud800\n-----END PRIVATE KEY-----\n", "copied whole"),
        *(
            (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), words)
            for key, words in (
                (x25519.X25519PrivateKey.generate(), "of a kind"),
                (ed448.Ed448PrivateKey.generate(), "of a kind"),
                (ec.generate_private_key(ec.SECP256K1()), "cannot be read"),
            )
        ),
    ],
    ids=lambda value: "" if len(value) > 30 else value,  # keys are other ones in each process
)
def test_keys_that_cannot_be_used(text: str, words: str) -> None:
    with pytest.raises(keys.BadKey, match=words) as caught:
        keys.public_of(text)
    assert not any(line in str(caught.value) for line in text.split("\n") if len(line) > 20)


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_no_complaint_repeats_a_value(id_: str, data: st.DataObject) -> None:
    secret = "Zq7-canary-XY" + data.draw(st.text(max_size=10))
    fields = {field.name: secret for field in TYPES[id_].fields}
    assert not any("Zq7-canary" in line for line in said(id_, **fields))


@given(st.sampled_from(sorted(TYPES)), st.text(max_size=40))
def test_cleaning_twice_changes_nothing_more(id_: str, value: str) -> None:
    type_ = TYPES[id_]
    once = formats.completed(type_, {field.name: value for field in type_.fields})
    assert formats.completed(type_, once) == once
