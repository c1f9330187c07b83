"""What an agent is told of each of GitHub's documented payloads, field for field, and of both encodings."""

from __future__ import annotations

import pytest

from alvps.webhooks.parse import parse
from alvps.webhooks.payload import BadPayload
from tests.unit.webhooks.github_payloads import COMMON, GITHUB, ISSUE, PUSH, RUN
from tests.unit.webhooks.payloads import (
    MINTLIFY,
    encoded,
    form,
    github,
    github_headers,
    of_github,
    reason,
    told,
)

FROM_GITHUB = {"source": "github", "repo": "octo-org/hello", "sender": "octocat"}


def test_github_issues() -> None:
    assert told("github", *github("issues")) == {
        **FROM_GITHUB,
        "event": "issues",
        "action": "labeled",
        "number": 1347,
        "title": "Spelling error in the README",
        "body": "It says *teh*.",
        "url": "https://github.com/octo-org/hello/issues/1347",
        "author": "monalisa",
        "assignee": "hubot",
        "labels": ["bug", "agent"],
        "timestamp": "2026-11-23T06:59:58.000Z",
    }


def test_github_issue_comment_is_the_comments_and_has_no_assignee() -> None:
    assert told("github", *github("issue_comment")) == {
        **FROM_GITHUB,
        "event": "issue_comment",
        "action": "created",
        "number": 1347,
        "title": "Spelling error in the README",
        "url": "https://github.com/octo-org/hello/issues/1347#issuecomment-492700400",
        "author": "monalisa",
        "labels": ["bug", "agent"],
        "comment": "Indeed.",
        "timestamp": "2026-11-23T06:59:55.000Z",
    }


def test_github_pull_request_has_the_branch_it_comes_from() -> None:
    assert told("github", *github("pull_request")) == {
        **FROM_GITHUB,
        "event": "pull_request",
        "action": "opened",
        "number": 2,
        "title": "Update the README",
        "url": "https://github.com/octo-org/hello/pull/2",
        "author": "monalisa",
        "labels": ["docs"],
        "branch": "changes",
        "timestamp": "2026-11-23T06:59:59.000Z",
    }


def test_github_review_has_no_labels() -> None:
    assert told("github", *github("pull_request_review")) == {
        **FROM_GITHUB,
        "event": "pull_request_review",
        "action": "submitted",
        "number": 2,
        "title": "Update the README",
        "url": "https://github.com/octo-org/hello/pull/2#pullrequestreview-237895671",
        "author": "monalisa",
        "branch": "changes",
        "comment": "Please change this.",
        "timestamp": "2026-11-23T06:58:00.000Z",
    }


PUSHED = {
    **FROM_GITHUB,
    "event": "push",
    "url": "https://github.com/octo-org/hello/compare/f95f852bd8fc...6113728f27ae",
    "timestamp": "2026-11-23T06:59:50.000Z",  # of the push, not of its commit
}


def test_github_push_of_a_branch() -> None:
    assert told("github", *github("push")) == {
        **PUSHED,
        "title": "Say the\n\nand not teh",
        "author": "monalisa",
        "branch": "feature/x",
    }


def test_github_push_of_a_tag_is_of_no_branch() -> None:
    assert told("github", *github("push_tag")) == {
        **PUSHED,
        "title": "tag v1.2.0",
        "body": "Say the\n\nand not teh",
        "author": "monalisa",
    }


def test_github_push_that_deletes_says_so() -> None:
    deleted = told("github", *github("push_delete"))
    assert deleted == {**PUSHED, "title": "branch dev deleted", "author": "octocat", "branch": "dev"}
    deleted = told("github", *github("push_tag_delete"))
    assert deleted == {**PUSHED, "title": "tag v1.2.0 deleted", "author": "octocat"}


@pytest.mark.parametrize("ref", ["refs/notes/commits", "refs/heads", "heads/main", "main", "", None, 7, "refs/heads/"])
def test_github_push_of_anything_else_is_of_no_branch(ref: object) -> None:
    assert "branch" not in of_github("push", PUSH | {"ref": ref})


def test_github_workflow_run() -> None:
    expected = {
        **FROM_GITHUB,
        "event": "workflow_run",
        "action": "completed",
        "number": 2,
        "title": "tests",
        "url": "https://github.com/octo-org/hello/actions/runs/289782451",
        "author": "monalisa",
        "branch": "main",
        "conclusion": "failure",
        "timestamp": "2026-11-23T06:40:00.000Z",
    }
    assert told("github", *github("workflow_run")) == expected
    unfinished = RUN | {"conclusion": None, "pull_requests": []}
    found = of_github("workflow_run", {"action": "requested", "workflow_run": unfinished, **COMMON})
    del expected["conclusion"], expected["number"]
    assert found == expected | {"action": "requested"}


def test_github_any_other_event_is_told_by_its_action() -> None:
    assert told("github", *github("release")) == {
        **FROM_GITHUB,
        "event": "release",
        "action": "published",
        "title": "published",
        "timestamp": "2026-11-23T06:00:00.000Z",
    }
    assert of_github("fork", dict(COMMON)) == {**FROM_GITHUB, "event": "fork", "title": "fork"}


def test_github_events_that_start_nothing() -> None:
    assert "ping" in reason("github", github_headers("ping"), GITHUB["ping"][1])
    assert "no repository" in reason("github", github_headers("installation"), GITHUB["installation"][1])
    assert "x-github-event" in reason("github", [], GITHUB["issues"][1])
    twice = [*github_headers("issues"), ("x-github-event", "push")]
    assert "x-github-event" in reason("github", twice, GITHUB["issues"][1])
    for event in ("issues", "issue_comment", "pull_request", "pull_request_review", "workflow_run"):
        for payload in (dict(COMMON), {"issue": [], "pull_request": 1, "workflow_run": "", **COMMON}):
            assert event in reason("github", github_headers(event), payload)


def test_github_without_a_sender() -> None:
    assert of_github("fork", {"repository": COMMON["repository"]})["sender"] == "unknown"


def test_github_an_issue_without_labels_has_none() -> None:
    for labels in ([], None, "bug", [None, {}, {"name": 1}]):
        assert of_github("issues", {"issue": ISSUE | {"labels": labels}, **COMMON})["labels"] == []


# GitHub's two encodings


@pytest.mark.parametrize("name", ["issues", "push", "workflow_run"])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLencoded ;charset=UTF-8",
    ],
)
def test_github_sends_the_same_as_a_form(name: str, content_type: str) -> None:
    event, payload = GITHUB[name]
    payload = payload | {"compare": "a+b&c=d%20e=ü\n"}
    sent_as_form = told("github", github_headers(event, content_type), form(payload))
    assert sent_as_form == told("github", github_headers(event), encoded(payload))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"payload",
        b"payload=",
        b"Payload=%7B%7D",
        b"payload=%7B%7D&payload=%7B%7D",
        b"payload=%7B%22a%22%3A%22%ff%22%7D",
        b"payload=\xff",
        b"payload={}" + b"&a=b" * 100,
    ],
)
def test_github_a_form_without_one_payload_is_bad(body: bytes) -> None:
    with pytest.raises(BadPayload):
        parse("github", github_headers("issues", "application/x-www-form-urlencoded"), body)


def test_a_form_is_githubs_only() -> None:
    headers = [("content-type", "application/x-www-form-urlencoded")]
    with pytest.raises(BadPayload):
        parse("mintlify", headers, form(MINTLIFY["failed"]))
    assert told("mintlify", headers, encoded(MINTLIFY["failed"]))["event"] == "build"
