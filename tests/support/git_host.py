"""A git repository that is reached over SSH, as those of the large hosts are."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

from tests.support.ports import free_port
from tests.support.sshd import Sshd

SHELL = 'ForceCommand git-shell -c "$SSH_ORIGINAL_COMMAND"\n'  # nothing but git


class GitHost:
    """One bare repository with a README, behind a real sshd on `address` that takes one key."""

    def __init__(self, folder: Path, address: str) -> None:
        self.repository = folder / "work.git"
        port = free_port()
        self._sshd = Sshd(folder / "sshd", port=port, extra=f"ListenAddress {address}:{port}\n{SHELL}")
        self.url = f"ssh://{getpass.getuser()}@{address}:{port}{self.repository}"
        self.key = self._sshd.client_key.read_text()
        git("init", "--quiet", "--bare", "--initial-branch", "main", self.repository)
        seed = folder / "seed"
        git("init", "--quiet", "--initial-branch", "main", seed)
        (seed / "README.md").write_text("# Work\n\nNothing has been done yet.\n")
        git("-C", seed, "add", "README.md")
        git("-C", seed, "-c", "user.name=Seed", "-c", "user.email=seed@example.org", "commit", "--quiet", "-m", "Begin")
        git("-C", seed, "push", "--quiet", self.repository, "main")

    def show(self, commit: str, path: str) -> str:
        """A file as it is in a commit."""
        return git("-C", self.repository, "show", f"{commit}:{path}")

    def about(self, commit: str) -> list[str]:
        """Author, address and subject of a commit that is on main. Raises CalledProcessError if it is not there."""
        git("-C", self.repository, "merge-base", "--is-ancestor", commit, "main")
        return git("-C", self.repository, "log", "-1", "--format=%an%n%ae%n%s", commit).splitlines()

    def close(self) -> None:
        """Stop the sshd."""
        self._sshd.stop()


def git(*words: str | Path) -> str:
    """Run git; what it prints."""
    done = subprocess.run(["git", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
