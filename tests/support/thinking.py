"""Agents that think, on a real host: the scripted model, the repository that they work on, and one push of them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.git_host import GitHost
from tests.support.model_server import Call, ModelServer, Request, Say, key_of
from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

PROVIDERS = ("anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom")
AUTHOR = {"username": "Scripted Agent", "email": "agent@example.org"}


def bash(command: str, **given: Any) -> Say:
    """The model calls the shell."""
    return Say(calls=(Call("bash", {"command": command, **given}),))


@dataclass
class Thinking:
    """The host, and what stands around it."""

    product: Product
    vps: Vps
    server: ModelServer
    git: GitHost
    address: str  # of this machine, as the runs reach it

    def model(self, name: str, provider: str = "custom") -> dict[str, Any]:
        """A `[models.<name>]` whose script has the same name."""
        url = self.server.url(provider, self.address)
        prices = {"input": 3.0, "output": 15.0}
        return {"provider": provider, "model": self.name_at(provider, name), "baseUrl": url, "prices": prices}

    @staticmethod
    def name_at(provider: str, name: str) -> str:
        """The model's name there: at OpenRouter a vendor comes before it."""
        return f"vendor/{name}" if provider == "openrouter" else name

    def push(self, folder: Path, agents: dict[str, dict[str, object]], **config: object) -> None:
        """Push these agents, each with a model of its own name unless it says which."""
        for name, agent in agents.items():
            agent.setdefault("models", [name])
        models = {name: self.model(name) for name in agents}
        given = config.pop("models", {})
        assert isinstance(given, dict)
        write_project(folder, agents, models={**models, **given}, **config)
        self.product.ok("push", "-E", self.vps.name, cwd=folder, timeout=600)

    def start(self, agent: str, *words: str) -> str:
        """`al run`; the run's id."""
        return str(json.loads(self.product.ok("run", agent, "--json", "-E", self.vps.name, *words))["run"])

    def ended(self, run: str) -> dict[str, Any]:
        """The run, when it has ended."""
        found = self.vps.control(f"/runs/{run}?wait=60")
        assert isinstance(found, dict)
        assert found["finished"], found
        return found

    def entries(self, run: str) -> list[dict[str, Any]]:
        """What the journal has of the run: text, and the fields beside it."""
        lines = self.product.ok("logs", "--run", run, "--json", "-E", self.vps.name).splitlines()
        return [json.loads(line) for line in lines]

    def said(self, run: str, text: str) -> list[dict[str, Any]]:
        """The journal's entries with that text."""
        return [entry for entry in self.entries(run) if entry["text"] == text]

    def requests(self, model: str) -> list[Request]:
        """What the model was asked."""
        return [request for request in self.server.requests if request.model == model]

    def prompt(self, model: str) -> str:
        """What the model was asked first."""
        messages = self.requests(model)[0].body["messages"]
        return str(next(message["content"] for message in messages if message["role"] == "user"))

    def last_result(self, model: str) -> str:
        """What the model was told last by a tool."""
        messages = self.requests(model)[-1].body["messages"]
        return str([message["content"] for message in messages if message["role"] == "tool"][-1])

    def work(self, what: str) -> tuple[Say, ...]:
        """Clone, edit, commit, push, return the commit's id; `what` becomes the text, and the commit's subject."""
        return (
            Say("I get the repository.", calls=bash(f"git clone --quiet {self.git.url} /tmp/checkout").calls),
            Say(calls=(Call("read_file", {"path": "/tmp/checkout/README.md"}),)),
            Say(calls=(Call("write_file", {"path": f"/tmp/checkout/done/{what}", "content": f"{what}\n"}),)),
            bash(
                "cd /tmp/checkout && git add . && git commit --quiet -m "
                f"{what} && git pull --quiet --rebase && git push --quiet && al-return $(git rev-parse HEAD)"
            ),
            Say(f"{what} is done."),
        )


def thinking(product: Product, vps: Vps, folder: Path) -> Iterator[Thinking]:
    """For a fixture: a model server and a git host that runs on this host reach, and the credentials for both."""
    address = vps.sh("ip route show default").split()[2]
    git = GitHost(folder, address)
    try:
        with ModelServer("0.0.0.0") as server:
            for provider in PROVIDERS:
                key = json.dumps({"token": key_of(provider)})
                product.ok("creds", "add", f"{provider}_key", "--no-check", stdin=key)
            key = json.dumps({"id_rsa": git.key, **AUTHOR})
            product.ok("creds", "add", "git_ssh", "--no-check", stdin=key)
            yield Thinking(product, vps, server, git, address)
            assert server.problems == []
    finally:
        git.close()
