"""No secret gets through, in whatever form and however it is cut; everything else does, byte for byte."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alvps.agent import views as reading
from alvps.agent.mask import HOLD, MAX_HELD, Masker
from alvps.agent.needles import PIECE, SHORTEST_LINE, forms
from alvps.agent.views import views

PEM_LINES = [f"{number}b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABlwAAAAdzc2" for number in range(10)]
PEM = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *PEM_LINES, "c2g=", "-----END OPENSSH PRIVATE KEY-----", ""])
TOKEN = "ghp_0123456789abcdefghij/+=&<>"

# The letters of the encodings themselves, and some that they escape. No `*`: a mask must not look like a secret.
texts = st.text(st.sampled_from("abAB019+/=-_%\\\"'&<> ünß€😀\t\n") | st.characters(exclude_categories=["Cs"])).map(
    lambda text: text.replace("*", "+").replace("\r", "\n")
)
secrets = texts.filter(lambda text: len(text.replace("\r", "").replace("\n", "").encode()) >= 4)
noise = (
    st.binary(max_size=60) | texts.map(str.encode) | st.sampled_from([b"\\", b"%", b"%2", b"\\u00", b"-----", b"=="])
)


def base64_in_something(value: bytes) -> bytes:
    return base64.b64encode(b"x" * (len(value) % 3) + value + b"yy")


def json_lower(value: bytes) -> bytes:
    return re.sub(rb"\\u[0-9a-f]{4}", lambda match: match[0].upper().replace(b"U", b"u"), json_text(value))


def json_text(value: bytes) -> bytes:
    return json.dumps(value.decode())[1:-1].encode()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda value: value,
    "base64": base64.b64encode,
    "base64 at another alignment": base64_in_something,
    "base64 for URLs": base64.urlsafe_b64encode,
    "base64 in JSON by PHP": lambda value: base64.b64encode(value).replace(b"/", b"\\/"),
    "base64 in a URL": lambda value: urllib.parse.quote(base64.b64encode(value), safe="").encode(),
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "hex with colons": lambda value: value.hex(":").encode(),
    "hex with spaces": lambda value: value.hex(" ").upper().encode(),
    "URL": lambda value: urllib.parse.quote(value).encode(),
    "URL, everything": lambda value: urllib.parse.quote(value, safe="").encode(),
    "URL, lower case": lambda value: re.sub(
        rb"%..", lambda match: match[0].lower(), urllib.parse.quote(value, safe="").encode()
    ),
    "URL, form": lambda value: urllib.parse.quote_plus(value).encode(),
    "URL, every byte": lambda value: b"".join(b"%%%02X" % byte for byte in value),
    "JSON": json_text,
    "JSON, upper case": json_lower,
    "JSON in UTF-8": lambda value: json.dumps(value.decode(), ensure_ascii=False)[1:-1].encode(),
    "JSON by PHP": lambda value: json_text(value).replace(b"/", b"\\/"),
    "JSON by Go": lambda value: json_text(value).replace(b"<", b"\\u003c").replace(b"&", b"\\u0026"),
    "JSON, every character": lambda value: b"".join(
        b"\\u%04x" % unit for unit in memoryview(value.decode().encode("utf-16-le")).cast("H")
    ),
}


def flat(text: bytes) -> bytes:
    return text.translate(None, b"\r\n")


def masked(secret: list[str], *chunks: bytes) -> bytes:
    masker = Masker(forms(secret))
    return b"".join([*(masker.feed(chunk) for chunk in chunks), masker.flush()])


def wrapped(text: bytes, width: int | None, end: bytes) -> bytes:
    """With a line end after every `width` bytes."""
    return text if width is None else end.join(text[at : at + width] for at in range(0, len(text), width))


def cut(text: bytes, borders: list[int]) -> list[bytes]:
    places = sorted({0, len(text), *(border % (len(text) + 1) for border in borders)})
    return [text[begin:end] for begin, end in pairwise(places)]


def readable(secret: list[str], text: bytes) -> list[bytes]:
    """The forms of the secrets that can be read in the text."""
    return [form for form in forms(secret) for view in views(flat(text)) if form in view.text]


@pytest.mark.parametrize("name", ENCODINGS)
@given(
    secret=secrets,
    before=noise,
    after=noise,
    width=st.none() | st.integers(1, 80),
    end=st.sampled_from([b"\n", b"\r\n"]),
    borders=st.lists(st.integers(0, 5000), max_size=12),
)
@example(secret=PEM, before=b"x", after=b"y", width=76, end=b"\n", borders=[100, 101, 300, 999])
@example(secret=TOKEN, before=b"", after=b"", width=1, end=b"\r\n", borders=list(range(200)))
def test_no_form_of_a_secret_can_be_read(
    name: str, secret: str, before: bytes, after: bytes, width: int | None, end: bytes, borders: list[int]
) -> None:
    encoded = ENCODINGS[name](secret.strip("\r\n").encode())
    if "JSON" in name or "URL" in name:
        before += b'"'  # text that is escaped does not begin in the middle of another escape
    text = before + wrapped(encoded, width, end) + after
    out = masked([secret], *cut(text, borders))
    assert flat(encoded) not in flat(out)
    assert not readable([secret], out)
    assert out.count(b"\n") == text.count(b"\n")


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize(
    "secret", [TOKEN, "ghp ~~~ ??? >>> 0123456789", 'Grüße, 😀 "quoted" C:\\new\\u0041', "%41\\/%2f+ %"]
)
def test_hardly_anything_is_left_of_a_secret(name: str, secret: str) -> None:
    out = masked([secret], b"[" + ENCODINGS[name](secret.encode()) + b"]")
    assert out.startswith(b"[")
    assert out.endswith(b"]")
    assert len(out.replace(b"***", b"")) <= 2 + 6  # of base64 the characters shared with neighbours, and the padding
    assert out.count(b"***") == 1


@given(
    given_secrets=st.lists(secrets, min_size=1, max_size=6),
    pieces=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(sorted(ENCODINGS)), noise), max_size=6),
    borders=st.lists(st.integers(0, 5000), max_size=12),
)
def test_many_secrets_in_one_stream(
    given_secrets: list[str], pieces: list[tuple[int, str, bytes]], borders: list[int]
) -> None:
    text = b"".join(
        ENCODINGS[name](given_secrets[number % len(given_secrets)].strip("\r\n").encode()) + between
        for number, name, between in pieces
    )
    assert not readable(given_secrets, masked(given_secrets, *cut(text, borders)))


@given(st.lists(secrets, max_size=4), st.binary(max_size=3000) | texts.map(str.encode), st.lists(st.integers(0, 3000)))
def test_text_without_secrets_passes_byte_for_byte(given_secrets: list[str], text: bytes, borders: list[int]) -> None:
    if not readable(given_secrets, text):
        assert masked(given_secrets, *cut(text, borders)) == text


@given(st.text("ab-", min_size=4, max_size=12), st.text("ab-", max_size=300), st.lists(st.integers(0, 300)))
def test_forms_that_overlap_themselves(secret: str, text: str, borders: list[int]) -> None:
    out = masked([secret], *cut(text.encode(), borders))
    assert secret.encode() not in out
    if secret not in text:
        assert out == text.encode()


@given(secrets.filter(lambda text: "\n" not in text), st.lists(st.integers(0, 100)))
def test_what_stands_around_a_secret_stays(secret: str, borders: list[int]) -> None:
    text = b"[[" + secret.encode() + b"]]"
    if readable([secret], b"[[") == readable([secret], b"]]") == [] and "[" not in secret and "]" not in secret:
        whole = masked([secret], text)
        assert whole == b"[[***]]"
        out = masked([secret], *cut(text, borders))
        assert out.startswith(b"[[")
        assert out.endswith(b"***]]")
        leaked = out[2:-5]
        assert len(leaked) < HOLD  # only if a border came within the first bytes
        assert secret.encode().startswith(leaked)


@given(st.binary(max_size=400).map(lambda data: data.replace(b"\0", b"%")), st.booleans())
def test_a_view_knows_where_its_bytes_come_from(data: bytes, escapes: bool) -> None:
    text = flat(json_text(data.decode("latin-1").encode()) if escapes else urllib.parse.quote(data).encode())
    for view in views(text):
        begins = [view.start(index) for index in range(len(view.text))]
        assert begins == sorted(begins)
        for index, begin in enumerate(begins):
            assert begin < view.end(index + 1) <= len(text)
            if text[begin : begin + 1] not in (b"\\", b"%"):
                assert view.text[index] == text[begin]


@given(st.text(st.sampled_from('\\nrtbf"/q😀'), max_size=60).map(str.encode))
def test_the_fast_reading_of_json_is_the_exact_one(text: bytes) -> None:
    exact = reading._JSON.sub(reading._json_one, text)
    assert reading._json(text) == exact
    assert reading._json(text + b"\0\\u0041") == exact + b"\0A"


@pytest.mark.parametrize("secret", ["", "abc", "\n\nabc\n"])
def test_what_is_too_short_to_be_a_secret_is_left(secret: str) -> None:
    assert forms([secret]) == set()
    assert masked([secret], b"abc abc") == b"abc abc"


def test_a_key_is_masked_line_by_line_and_its_lines_by_themselves() -> None:
    assert masked([PEM], PEM.encode()) == b"***\n" * 13
    assert masked([PEM], PEM_LINES[3].encode() + b"\n") == b"***\n"
    assert masked([PEM], b"> " + PEM_LINES[3].encode() + b" <") == b"> *** <"
    assert masked([PEM], base64.b64encode((PEM_LINES[2] + "\n" + PEM_LINES[3]).encode())) == b"***go***"


def test_a_keys_first_line_is_no_secret_by_itself() -> None:
    line = b"looking for -----BEGIN OPENSSH PRIVATE KEY-----\n"
    assert masked([PEM], line) == line


def test_a_short_line_is_no_secret_by_itself() -> None:
    lines = ["x" * (SHORTEST_LINE - 1), "y" * SHORTEST_LINE, "z" * 200]
    assert masked(["\n".join(lines)], lines[0].encode()) == lines[0].encode()
    assert masked(["\n".join(lines)], lines[1].encode()) == b"***"


@pytest.mark.parametrize("encode", [base64.b64encode, lambda value: value.hex().encode(), lambda value: value])
def test_a_long_value_is_masked_without_gaps_and_its_pieces_too(encode: Callable[[bytes], bytes]) -> None:
    value = "".join(f"{number:04x}" for number in range(500))
    assert masked([value], b"<" + encode(value.encode()) + b">").count(b"***") == 1
    assert len(masked([value], encode(value.encode()))) <= 6  # a mask, the padding, and a character of base64
    assert b"***" in masked([value], encode(value[300:600].encode()))
    assert all(len(form) <= 3 * PIECE for form in forms([value]))


def test_the_private_key_inside_a_service_account_is_masked_when_it_is_taken_out() -> None:
    account = json.dumps({"type": "service_account", "private_key": PEM, "token_uri": "https://oauth2.example.org/t"})
    assert masked([account], PEM.encode()) == b"***\n" * 13
    assert masked([account], account.encode()) == b"***"
    assert masked([account], b"https://oauth2.example.org/t") == b"https://oauth2.example.org/t"


def test_lines_go_out_at_once_unless_they_look_like_the_beginning_of_a_secret() -> None:
    masker = Masker(forms([TOKEN]))
    assert masker.feed(b"cloning\n") == b"cloning\n"
    assert masker.feed(b"10 %") == b"10 %"
    assert masker.feed(b" of gh") == b" of gh"
    assert masker.feed(b"p") == b"p"
    assert masker.feed(b"_") == b""  # four bytes of it, three of which are out
    assert masker.feed(b"01") == b""
    assert masker.feed(b"\n") == b""
    assert masker.feed(b"2 no\n") == b"_01\n2 no\n"
    assert masker.flush() == b""


def test_what_is_held_goes_out_at_the_end() -> None:
    masker = Masker(forms([TOKEN]))
    assert masker.feed(b"see ghp_0123\n") == b"see "
    assert masker.flush() == b"ghp_0123\n"


def test_bytes_of_a_secret_that_come_one_by_one() -> None:
    assert masked([TOKEN], *(bytes([byte]) for byte in TOKEN.encode())) == b"ghp***"
    assert masked(["abcdef"], b"a", b"b", b"c", b"d", b"e", b"f", b"g") == b"a***g"


def test_an_escape_that_only_looks_cut_off_is_whole() -> None:
    assert masked(["canary\\u1"], b"canary\\\\u1") == b"***"  # an escaped backslash, and not the beginning of \\u1234


def test_what_is_out_is_not_read_again_from_the_middle_of_an_escape() -> None:
    begin = b"\\" * 40 + b"nab"  # twenty escaped backslashes
    assert masked(['nab"cdef'], begin, b'\\"cdef') == begin + b"***"


def test_a_secret_over_several_lines_is_a_mask_on_each() -> None:
    assert masked([TOKEN], b"a ghp_01\r\n2345678", b"9abcdefg\n\nhij/+=&<> z\n") == b"a ***\r\n***\n\n*** z\n"


def test_endless_line_ends_after_a_beginning_are_not_kept_for_ever() -> None:
    masker = Masker(forms([TOKEN]))
    chunk = b"\n" * (16 << 10)
    out = [masker.feed(b"ghp_0123")] + [masker.feed(chunk) for _ in range(16)]
    assert len(b"".join(out)) > 16 * len(chunk) - 2 * MAX_HELD


def test_a_secret_of_one_letter_in_a_flood_of_it() -> None:
    masker = Masker(forms(["aaaaaaaa"]))
    out = b"".join([masker.feed(b"a" * 5000) for _ in range(20)] + [masker.flush()])
    assert out == b"***"
