"""Which images, under which tags; what a user's Dockerfile may say; which images go."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from alvps.host import dockerfile, imageplan, images, prune
from alvps.host.imageplan import plan
from alvps.host.manifest import Entry
from alvps.host.releases import Release, new_id

CODE = (
    Entry("alvps/agent/context.py", 0o644, 1, "c" * 64),
    Entry("alvps/agent/entry.py", 0o644, 1, "a" * 64),
    Entry("alvps/data/docker/agent/Dockerfile", 0o644, 1, "b" * 64),
    Entry("alvps/data/docker/agent/bin/al-exit", 0o755, 1, "b" * 64),
    Entry("alvps/daemon/main.py", 0o644, 1, "d" * 64),
)
AGENTS = [{"name": "dev", "folder": "agents/dev"}, {"name": "ops", "folder": "agents/ops"}]


def entry(path: str, digest: str = "0") -> Entry:
    return Entry(path, 0o644, 1, digest * 64)


def tags(*entries: Entry, code: tuple[Entry, ...] = CODE, surroundings: str = "") -> dict[str, str]:
    return {image.what: image.tag for image in plan("demo", AGENTS, entries, code, surroundings).images}


def test_without_dockerfiles_everybody_runs_the_base() -> None:
    found = plan("demo", AGENTS, [entry("agents/dev/run.sh")], CODE, "")
    (base,) = found.images
    assert found.of_agent == {"dev": base.tag, "ops": base.tag}
    assert set(base.context) == {"Dockerfile", "bin/al-exit", "agent/entry.py"}
    assert base.parent is None


def test_a_chain() -> None:
    files = [entry("Dockerfile"), entry("shared/x"), entry("agents/dev/Dockerfile"), entry("agents/dev/ACTIONS.md")]
    found = plan("demo", AGENTS, files, CODE, "")
    base, project, dev = found.images
    assert (project.parent, dev.parent) == (base.tag, project.tag)
    assert found.of_agent == {"dev": dev.tag, "ops": project.tag}
    assert set(project.context) == {"Dockerfile", "shared/x"}
    assert set(dev.context) == {"Dockerfile"}
    assert [tag.split(":")[0] for tag in found.tags] == ["al-agent", "al-project-demo", "al-demo-dev"]


LLM = (
    *CODE,
    Entry("alvps/agent/session/main.py", 0o644, 1, "a" * 64),
    Entry("alvps/agent/session/notes.txt", 0o644, 1, "a" * 64),
    Entry("alvps/data/docker/agent-llm/Dockerfile", 0o644, 1, "b" * 64),
)


def test_the_libraries_for_models_are_there_only_when_an_agent_thinks() -> None:
    files = [entry("agents/dev/Dockerfile")]
    thinks = [{**AGENTS[0], "llm": True}, {**AGENTS[1], "llm": False}]
    found = plan("demo", thinks, files, LLM, "")
    base, llm, dev = found.images
    assert (base.what, llm.what, dev.what) == ("base", "models", "agent dev")
    assert (base.parent, llm.parent, dev.parent) == (None, base.tag, llm.tag)
    assert found.of_agent == {"dev": dev.tag, "ops": llm.tag}
    assert set(llm.context) == {"Dockerfile", "session/main.py"}
    assert "session/main.py" not in base.context
    other = (*LLM[:-1], Entry("alvps/data/docker/agent-llm/Dockerfile", 0o644, 1, "c" * 64))
    again = plan("demo", thinks, files, other, "")
    assert again.images[0].tag == base.tag
    assert again.images[1].tag != llm.tag
    assert [image.what for image in plan("demo", AGENTS, files, LLM, "").images] == ["base", "agent dev"]


def test_keys_follow_inputs_and_parents() -> None:
    files = (entry("Dockerfile"), entry("agents/dev/Dockerfile"), entry("agents/dev/tool"))
    before = tags(*files)
    assert tags(*files) == before
    assert tags(*files, entry("agents/dev/ACTIONS.md"), entry("agents/dev/agent-config.toml"), entry("other")) == before
    changed = tags(entry("Dockerfile"), entry("agents/dev/Dockerfile"), entry("agents/dev/tool", "1"))
    assert {what for what in before if before[what] != changed[what]} == {"agent dev"}
    changed = tags(entry("Dockerfile", "1"), *files[1:])
    assert {what for what in before if before[what] != changed[what]} == {"project", "agent dev"}
    assert not set(tags(*files, surroundings="x").values()) & set(before.values())
    executable = (files[0], files[1], files[2]._replace(mode=0o755))
    assert tags(*executable)["agent dev"] != before["agent dev"]


@pytest.mark.parametrize(
    "text",
    [
        "FROM al-agent",
        "from al-agent:latest as x\nRUN true",
        "# syntax=x\nARG V=1\nFROM --platform=linux/amd64 al-agent:1\n",
        "FROM golang AS build\nRUN make\nFROM al-agent\nCOPY --from=build /x /x\n",
        "FROM al-agent AS base\nFROM base AS next\nFROM next\n",
        "FROM al-agent\nRUN cat <<EOF\nFROM scratch\nEOF\n",
        "FROM al-agent\nRUN echo \\\nFROM scratch\n",
    ],
)
def test_dockerfiles_that_build_on_the_agent(text: str) -> None:
    dockerfile.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RUN true",
        "FROM debian",
        "FROM al-agent\nFROM debian\n",
        "FROM al-agent AS x\nFROM golang\n",
        "FROM al-agents",
    ],
)
def test_dockerfiles_that_do_not(text: str) -> None:
    with pytest.raises(dockerfile.BadDockerfile):
        dockerfile.check(text)


def test_rewriting_changes_the_from_lines_alone() -> None:
    text = "# FROM al-agent\nFROM --platform=x al-agent:2  AS it\r\nRUN cat <<EOF\nFROM al-agent\nEOF\nFROM it\n"
    assert dockerfile.rewrite(text, "al-agent:key") == (
        "# FROM al-agent\nFROM --platform=x al-agent:key  AS it\r\nRUN cat <<EOF\nFROM al-agent\nEOF\nFROM it\n"
    )


def test_a_context_is_the_files_and_the_rewritten_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "agents/dev").mkdir(parents=True)
    (tmp_path / "agents/dev/Dockerfile").write_text("FROM al-agent\n")
    (tmp_path / "agents/dev/a b").write_text("content")
    (tmp_path / "ca.crt").write_text("CA")
    files = {
        "Dockerfile": Entry("agents/dev/Dockerfile", 0o644, 14, ""),
        "a b": Entry("agents/dev/a b", 0o755, 7, ""),
    }
    pipe = io.BytesIO()
    image = imageplan.Image("agent dev", "al-demo-dev:1", "al-agent:key", files)
    images.write_context(pipe, image, str(tmp_path), {"ca/extra-0.crt": str(tmp_path / "ca.crt")})
    pipe.seek(0)
    with tarfile.open(fileobj=pipe) as archive:
        found = {m.name: (m.mode, archive.extractfile(m).read(), m.mtime, m.uid) for m in archive}  # type: ignore[union-attr]  # all are files
    assert found == {
        "Dockerfile": (0o644, b"FROM al-agent:key\n", 946684800, 0),
        "a b": (0o755, b"content", 946684800, 0),
        "ca/extra-0.crt": (0o644, b"CA", 946684800, 0),
    }


def release(name: str) -> Release:
    return Release(name, f"/x/{name}", {})


def test_which_releases_stay() -> None:
    every = [release(f"r{n}") for n in range(9)]
    gone, kept = prune.chosen(every, every[0], ["r1", "not-here"], 5)
    assert [r.id for r in gone] == ["r2", "r3"]
    assert [r.id for r in kept] == ["r0", "r1", "r4", "r5", "r6", "r7", "r8"]
    assert prune.chosen(every[:3], None, [], 5) == ([], every[:3])
    gone, kept = prune.chosen(every, every[8], [], 0)
    assert [r.id for r in kept] == ["r8"]


def test_which_images_go() -> None:
    key = "0123456789abcdef"
    listing = "\n".join(
        f"{name}:{tag}"
        for name in ("al-agent", "al-demo-dev", "al-other-dev", "mine", "al-project-demo")
        for tag in (key, "latest", "<none>")
    )
    ours = ["al-agent:", "al-demo-", "al-project-demo:"]
    assert prune.our_images(listing, ours, [], [f"al-agent:{key}"]) == [f"al-demo-dev:{key}", f"al-project-demo:{key}"]
    assert prune.our_images(listing, [], [f"al-other-dev:{key}", "mine:latest"], []) == [f"al-other-dev:{key}"]


def test_ids_sort_by_time_whatever_the_clock_does() -> None:
    first = new_id([], "abcdef123", 1_700_000_000.0)
    assert first == "20231114T221320Z-abcdef"
    second = new_id([first, ".partial-x", "junk"], "000000", 1_600_000_000.0)  # the clock was set back
    assert second > first
    assert new_id([first, second], "ffffff", 1_700_000_000.0) > second
