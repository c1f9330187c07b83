"""Going back to an earlier release: no build, no network, the same switch and the same proof as a push."""

from __future__ import annotations

from typing import Any

from alvps.host import activate, codebase, credentials, dependencies, images, releases, serving, units
from alvps.host.releases import Release
from alvps.host.work import Refused, Work


def rollback(work: Work, wanted: str | None) -> dict[str, Any]:
    """Make an earlier release live and return the last message. Raises Busy, Gone, Refused, OSError, ProgramFailed."""
    work.lock.take()
    if serving.is_pending(work.layout):
        text = activate.resolve(work)
        if text:
            work.say(text)
    work.peer.start_beats()
    live = releases.live(work.layout)
    target = _target(work, live, wanted)
    missing = [
        *(
            f"code {target.text('code_digest')[:12]}"
            for _ in [0]
            if not codebase.exists(work.layout, target.text("code_digest"))
        ),
        *(
            f"environment {target.text('venv_digest')}"
            for _ in [0]
            if not dependencies.exists(work.layout, target.text("venv_digest"))
        ),
    ]
    used, here, _ = credentials.live(work.layout)
    missing += [f"credential {name}" for name in target.texts("credentials") if name not in here]
    tags = [str(facts.get("tag")) for facts in target.images().values()]
    found = images.present(work.layout, tags, work.life)
    missing += [f"image {tag}" for tag in sorted(set(tags)) if tag not in found]
    if missing:
        raise Refused(
            "incomplete",
            f"{target.id} cannot go live, the host does not have: {', '.join(missing)}",
            hint="check out that version on the laptop and run `al push`",
        )
    if credentials.is_sealed(used) and not units.unseal(work.layout, target.text("code_digest")):
        used = credentials.write(work.layout, here)  # that version reads files only; the next push encrypts again
    verdict = activate.activate(work, target, used)
    return {
        "t": "done",
        "result": verdict.result,
        "release": target.id,
        "previous": live.id if live else None,
        "serving": verdict.serving,
        "reasons": verdict.reasons,
        "tail": verdict.tail,
        "seconds": round(verdict.seconds, 3),
    }


def _target(work: Work, live: Release | None, wanted: str | None) -> Release:
    every = releases.every(work.layout)
    if wanted is not None:
        found = [release for release in every if release.id == wanted]
        if not found:
            raise Refused("not-found", f"there is no release {wanted!r} on the host", hint="`al releases` lists them")
        if live is not None and live.id == wanted:
            raise Refused("not-found", f"release {wanted} is live already")
        return found[0]
    earlier = [release for release in every if live is None or release.id < live.id]
    if not earlier:
        raise Refused("not-found", "there is no release before the live one", hint="`al releases` lists them")
    return earlier[-1]
