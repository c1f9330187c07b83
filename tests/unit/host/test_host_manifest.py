"""Trees of files as data."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.host.manifest import (
    BUCKETS,
    BadManifest,
    Entry,
    bucket_digests,
    bucket_of,
    bucketed,
    check_path,
    checked,
    decode,
    differing,
    encode,
    tree_digest,
)

PART = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda part: part not in {".", ".."}
)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
ENTRY = st.builds(Entry, PATH, st.sampled_from([0o644, 0o755]), st.integers(0, 1 << 20), DIGEST)


def tree(entries: list[Entry]) -> tuple[Entry, ...]:
    """Those of the entries that make a tree."""
    kept: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: e.path.count("/")):
        parents = [entry.path.rsplit("/", n)[0] for n in range(1, entry.path.count("/") + 1)]
        if not any(parent in kept for parent in parents) and not any(k.startswith(f"{entry.path}/") for k in kept):
            kept[entry.path] = entry
    return tuple(sorted(kept.values()))


TREE = st.lists(ENTRY, max_size=30).map(tree)


@given(TREE)
def test_what_is_encoded_is_decoded(entries: tuple[Entry, ...]) -> None:
    assert decode(encode(entries)) == entries
    assert checked(reversed(entries)) == entries


@given(TREE, TREE)
def test_two_trees_have_one_digest_only_if_they_are_one(a: tuple[Entry, ...], b: tuple[Entry, ...]) -> None:
    assert (tree_digest(a) == tree_digest(b)) == (a == b)
    assert (bucket_digests(a) == bucket_digests(b)) == (a == b)


@given(TREE, ENTRY)
def test_the_differing_buckets_hold_every_difference(entries: tuple[Entry, ...], more: Entry) -> None:
    other = tree([*entries, more])
    buckets = set(differing(bucket_digests(entries), bucket_digests(other)))
    assert {bucket_of(entry.path) for entry in set(entries) ^ set(other)} == buckets
    merged = [entry for entry in entries if bucket_of(entry.path) not in buckets]
    merged += [entry for n in buckets for entry in bucketed(other)[n]]
    assert checked(merged) == other


@given(PATH)
def test_legal_paths_stay_inside(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0b", "x" * 256, "a/" * 2001 + "b", "\udc80"],
)
def test_illegal_paths_are_refused(path: str) -> None:
    with pytest.raises(BadManifest):
        check_path(path)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(BadManifest):
        decode(data)


def test_a_bomb_is_refused() -> None:
    with pytest.raises(BadManifest, match="size limit"):
        decode(zlib.compress(b"[" + b" " * (70 << 20)))
    with pytest.raises(BadManifest):
        decode(zlib.compress(b"[" * 100_000))


def test_too_much_is_refused() -> None:
    row = ["x", 0o644, 1 << 27, "0" * 64]
    with pytest.raises(BadManifest, match="bytes are more"):
        decode(zlib.compress(json.dumps([[f"f{n}", *row[1:]] for n in range(200)]).encode()))
    with pytest.raises(BadManifest, match="more than the limit"):
        checked(Entry(f"f{n}", 0o644, 0, "0" * 64) for n in range(100_001))


def test_lists_of_digests_have_one_length() -> None:
    with pytest.raises(BadManifest):
        differing(b"", b"\0" * 16 * BUCKETS)
