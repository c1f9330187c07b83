"""GitHub's payloads as docs.github.com describes them, by hand and as short as the parser allows."""

from __future__ import annotations

from typing import Any

OCTOCAT = {"login": "octocat", "id": 583231, "type": "User"}
REPOSITORY = {
    "id": 1296269,
    "name": "hello",
    "full_name": "octo-org/hello",
    "private": False,
    "owner": {"login": "octo-org", "type": "Organization"},
    "html_url": "https://github.com/octo-org/hello",
    "default_branch": "main",
    "pushed_at": "2026-11-22T08:00:00Z",
}
COMMON: dict[str, Any] = {"repository": REPOSITORY, "sender": OCTOCAT, "organization": {"login": "octo-org"}}

ISSUE: dict[str, Any] = {
    "id": 444500041,
    "number": 1347,
    "title": "Spelling error in the README",
    "body": "It says *teh*.",
    "html_url": "https://github.com/octo-org/hello/issues/1347",
    "user": {"login": "monalisa"},
    "state": "open",
    "labels": [{"id": 1, "name": "bug", "color": "d73a4a"}, {"id": 2, "name": "agent", "color": "ffffff"}],
    "assignee": {"login": "hubot"},
    "assignees": [{"login": "hubot"}],
    "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-23T06:59:58Z",
}

PULL: dict[str, Any] = {
    "id": 279147437,
    "number": 2,
    "title": "Update the README",
    "body": None,
    "html_url": "https://github.com/octo-org/hello/pull/2",
    "user": {"login": "monalisa"},
    "assignee": None,
    "labels": [{"id": 3, "name": "docs"}],
    "head": {"ref": "changes", "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    "base": {"ref": "main", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
    "created_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-23T06:59:59Z",
}

COMMIT: dict[str, Any] = {
    "id": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "message": "Say the\n\nand not teh",
    "timestamp": "2026-10-01T15:19:25-07:00",
    "author": {"name": "Mona", "email": "mona@example.com", "username": "monalisa"},
}

PUSH: dict[str, Any] = {
    "ref": "refs/heads/feature/x",
    "before": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
    "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "created": False,
    "deleted": False,
    "forced": False,
    "compare": "https://github.com/octo-org/hello/compare/f95f852bd8fc...6113728f27ae",
    "commits": [COMMIT],
    "head_commit": COMMIT,
    "pusher": {"name": "octocat", "email": "octocat@example.com"},
    **COMMON,
    "repository": REPOSITORY | {"pushed_at": 1_795_417_190},
}

RUN: dict[str, Any] = {
    "id": 289782451,
    "name": "tests",
    "head_branch": "main",
    "event": "push",
    "status": "completed",
    "conclusion": "failure",
    "html_url": "https://github.com/octo-org/hello/actions/runs/289782451",
    "actor": {"login": "monalisa"},
    "pull_requests": [{"number": 2, "head": {"ref": "changes"}}, {"number": 3}],
    "created_at": "2026-11-23T06:33:24Z",
    "updated_at": "2026-11-23T06:40:00Z",
}

GITHUB: dict[str, tuple[str, dict[str, Any]]] = {
    "issues": ("issues", {"action": "labeled", "issue": ISSUE, **COMMON}),
    "issue_comment": (
        "issue_comment",
        {
            "action": "created",
            "issue": ISSUE,
            "comment": {
                "id": 492700400,
                "html_url": "https://github.com/octo-org/hello/issues/1347#issuecomment-492700400",
                "user": OCTOCAT,
                "body": "Indeed.",
                "created_at": "2026-11-23T06:59:50Z",
                "updated_at": "2026-11-23T06:59:55Z",
            },
            **COMMON,
        },
    ),
    "pull_request": ("pull_request", {"action": "opened", "number": 2, "pull_request": PULL, **COMMON}),
    "pull_request_review": (
        "pull_request_review",
        {
            "action": "submitted",
            "review": {
                "id": 237895671,
                "user": OCTOCAT,
                "body": "Please change this.",
                "state": "changes_requested",
                "html_url": "https://github.com/octo-org/hello/pull/2#pullrequestreview-237895671",
                "submitted_at": "2026-11-23T06:58:00Z",
            },
            "pull_request": PULL,
            **COMMON,
        },
    ),
    "push": ("push", PUSH),
    "push_tag": ("push", PUSH | {"ref": "refs/tags/v1.2.0", "created": True}),
    "push_delete": (
        "push",
        PUSH | {"ref": "refs/heads/dev", "after": "0" * 40, "deleted": True, "head_commit": None, "commits": []},
    ),
    "push_tag_delete": (
        "push",
        PUSH | {"ref": "refs/tags/v1.2.0", "after": "0" * 40, "deleted": True, "head_commit": None, "commits": []},
    ),
    "workflow_run": ("workflow_run", {"action": "completed", "workflow_run": RUN, **COMMON}),
    "release": (
        "release",
        {"action": "published", "release": {"tag_name": "v1", "created_at": "2026-11-23T06:00:00Z"}, **COMMON},
    ),
    "ping": ("ping", {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Repository"}, **COMMON}),
    "installation": (
        "installation",
        {"action": "created", "installation": {"id": 2, "account": OCTOCAT}, "repositories": [], "sender": OCTOCAT},
    ),
}
