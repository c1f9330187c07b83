"""A host for the real receiver: a folder as its root, and stand-ins for the programs that act.

The stand-ins keep their state in files, so a test can look at it and change it: `serving` is the release that the
"daemon" has taken up, `images/` the "engine's" images, `calls` every argument vector.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alvps.host import dependencies
from alvps.push.code_tree import CodeTree

PYTHON = "/usr/bin/python3"

_SYSTEMCTL = """\
#!{python} -IS
import json, os, sys
state, root = {state!r}, {root!r}
with open(state + "/calls", "a") as calls: calls.write(json.dumps(["systemctl", *sys.argv[1:]]) + "\\n")
words = [word for word in sys.argv[1:] if not word.startswith("-")]
verb = words[0]
if verb in ("restart", "start") and "action-llama.service" in words:
    name = os.path.basename(os.readlink(root + "/current"))
    bad = open(state + "/bad").read().split() if os.path.exists(state + "/bad") else []
    if name in bad or "all" in bad or ("new" in bad and name != open(state + "/good").read().strip()):
        if os.path.exists(state + "/serving"): os.unlink(state + "/serving")
        print("Job for action-llama.service failed.")
        sys.exit(1)
    with open(state + "/serving.new", "w") as file: file.write(name)
    os.rename(state + "/serving.new", state + "/serving")
if verb in ("stop", "disable") and os.path.exists(state + "/serving"): os.unlink(state + "/serving")
if verb == "show":
    units = [word for word in sys.argv if "." in word and not word.startswith(("-", "/"))]
    active = "active" if os.path.exists(state + "/serving") else "failed"
    named = any(word.startswith("--property=Id,") for word in sys.argv)
    blocks = "\\n\\n".join(f"Id={{unit}}\\nActiveState={{active}}" for unit in units)
    print(blocks if named else "\\n".join([active] * len(units)))
"""

_DOCKER = """\
#!{python} -IS
import hashlib, json, os, sys, tarfile, io
state = {state!r}
with open(state + "/calls", "a") as calls: calls.write(json.dumps(["docker", *sys.argv[1:]]) + "\\n")
words = sys.argv[1:]
def path(tag): return state + "/images/" + tag.replace("/", "%")
if words[:2] == ["image", "inspect"]:
    code = 0
    for tag in words[4:]:
        if os.path.exists(path(tag)): print(open(path(tag)).read(), json.dumps([tag]))
        else: print("Error: No such image: " + tag, file=sys.stderr); code = 1
    sys.exit(code)
if words[0] == "build":
    data = sys.stdin.buffer.read()
    tag = words[words.index("--tag") + 1]
    open(state + "/building", "w").write(str(os.getpid()))
    print("Step 1/1 : FROM something", flush=True)
    if os.path.exists(state + "/build-hangs"):
        import time
        time.sleep(60)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        text = archive.extractfile("Dockerfile").read().decode()
        names = archive.getnames()
    if "RUN false" in text:
        print("The command '/bin/sh -c false' returned a non-zero code: 1"); sys.exit(1)
    with open(state + "/contexts", "a") as file: file.write(json.dumps([tag, text, names]) + "\\n")
    with open(path(tag), "w") as file: file.write("sha256:" + hashlib.sha256(data).hexdigest())
elif words[0] == "pull": open(path(words[-1]), "w").write("sha256:" + "d" * 64)
elif words[:2] == ["image", "ls"]:
    for name in sorted(os.listdir(state + "/images")): print(name.replace("%", "/"))
elif words[:2] == ["image", "rm"]:
    for tag in words[2:]: os.unlink(path(tag))
elif words[0] == "ps" and os.path.exists(state + "/containers"): print(open(state + "/containers").read())
elif words[0] == "version": print(json.dumps({{"Version": "20.10.24"}}))
"""

_JOURNALCTL = """\
#!{python} -IS
import json, sys
with open({state!r} + "/calls", "a") as calls: calls.write(json.dumps(["journalctl", *sys.argv[1:]]) + "\\n")
print("daemon: the last words of the new release")
"""

# Both programs: systemd-creds, and systemd-run with units that print what they were given. `no-key`: the host has none
# to encrypt with; `host-key` is it. `creds-broken` and `units-broken`: they fail.
_SEALING = """\
#!{python} -IS
import base64, hashlib, json, os, sys
state, program = {state!r}, os.path.basename(sys.argv[0])
with open(state + "/calls", "a") as calls: calls.write(json.dumps([program, *sys.argv[1:]]) + "\\n")
def fail(text): print(text, file=sys.stderr); sys.exit(1)
def key():
    if not os.path.exists(state + "/host-key"): open(state + "/host-key", "wb").write(os.urandom(16))
    return open(state + "/host-key", "rb").read()
def crossed(data, secret): return bytes(a ^ b for a, b in zip(data, hashlib.shake_256(secret).digest(len(data))))
def decrypted(name, path):
    lines = base64.b64decode(open(path, "rb").read())[16:].split(b"\\n", 2)
    if lines[0] != hashlib.sha256(key()).hexdigest().encode(): fail("Failed to decrypt: another key")
    if lines[1] != name.encode(): fail("Embedded credential name does not match, refusing.")
    return crossed(lines[2], key())
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv if word.startswith("--"))
if program == "systemd-run":
    if os.path.exists(state + "/units-broken"): fail("Unknown assignment: LoadCredentialEncrypted")
    for word in sys.argv:
        if word.startswith("--property=LoadCredentialEncrypted="):
            sys.stdout.buffer.write(decrypted(*word.split("=", 2)[2].split(":", 1)))
    sys.exit()
if os.path.exists(state + "/creds-broken"): fail("Failed to encrypt: Operation not supported")
if sys.argv[1] == "decrypt":
    sys.stdout.buffer.write(decrypted(options["name"], sys.argv[-2]))
else:
    kind = bytes.fromhex("058469daf6f54324800549da0f8ea2fb") if os.path.exists(state + "/no-key") else bytes(16)
    head = hashlib.sha256(key()).hexdigest() + "\\n" + options["name"] + "\\n"
    print(base64.b64encode(kind + head.encode() + crossed(sys.stdin.buffer.read(), key())).decode())
"""


class FakeHost:
    """A host made of a temporary folder, the real receiver, and stand-ins."""

    def __init__(self, folder: Path, **layout: Any) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.state = folder / "state"
        for name in ("root", "state/images", "bin", "cas", "units", "launcher", "etc"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        programs = {"systemctl": _SYSTEMCTL, "docker": _DOCKER, "journalctl": _JOURNALCTL}
        for name, text in (programs | {"systemd-creds": _SEALING, "systemd-run": _SEALING}).items():
            file = folder / "bin" / name
            file.write_text(text.format(python=PYTHON, state=str(self.state), root=str(self.root)))
            file.chmod(0o755)
        self.layout: dict[str, Any] = {
            "root": str(self.root),
            "units": str(folder / "units"),
            "bootstrap": str(folder / "etc" / "bootstrap.json"),
            "credentials": str(folder / "launcher" / "credentials"),
            "credentials_owner": getpass.getuser(),
            "state": str(folder / "state"),
            "gateway_credentials": str(folder / "gateway" / "credentials"),
            "gateway_owner": getpass.getuser(),
            "gateway_group": getpass.getuser(),
            "control": str(folder / "control.sock"),
            "company_cas": str(folder / "cas"),
            "docker_data": str(folder),
            "systemctl": str(folder / "bin" / "systemctl"),
            "systemd_creds": str(folder / "bin" / "systemd-creds"),
            "systemd_run": str(folder / "bin" / "systemd-run"),
            "docker": str(folder / "bin" / "docker"),
            "journalctl": str(folder / "bin" / "journalctl"),
            "reserve": 0,
            **layout,
        }
        self._daemon = _Daemon(folder / "control.sock", self.state)

    def close(self) -> None:
        self._daemon.close()

    # What is on it

    def live(self) -> str | None:
        """The id of the live release."""
        link = self.root / "current"
        return link.readlink().name if link.is_symlink() else None

    def serving(self) -> str | None:
        """The release that the daemon has taken up."""
        file = self.state / "serving"
        return file.read_text() if file.exists() else None

    def releases(self) -> list[str]:
        folder = self.root / "releases"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def live_tree(self) -> dict[str, tuple[int, bytes]]:
        """Path to mode and content, of everything that is live: files, code link, images, credentials."""
        live = self.root / "current"
        tree = {}
        for path in sorted((live / "project").rglob("*")):
            assert not path.is_symlink()
            if path.is_file():
                tree[path.relative_to(live / "project").as_posix()] = (path.stat().st_mode & 0o777, path.read_bytes())
        for name in ("images.json", "manifest"):
            tree[f"/{name}"] = (0, (live / name).read_bytes())
        tree["/code"] = (0, str((live / "code").readlink()).encode())
        for name, fields in self.credentials().items():
            tree[f"/credentials/{name}"] = (0, json.dumps(fields, sort_keys=True).encode())
        return tree

    def credentials(self) -> dict[str, dict[str, str]]:
        found = {}
        for prefix, root in (("", self.layout["credentials"]), ("gateway:", self.layout["gateway_credentials"])):
            folder = Path(root) / "current"
            if self.sealed():
                unit = "action-llama-webhook-secrets" if prefix else "action-llama-credentials"
                argv = [self.layout["systemd_creds"], "decrypt", f"--name={unit}", str(folder / "set.cred"), "-"]
                document = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
                assert document["set"] == folder.resolve().name
                found |= {f"{prefix}{name}": fields for name, fields in document["values"].items()}
            for path in folder.glob("*/*"):
                name = f"{prefix}{path.relative_to(folder).as_posix()}"
                found[name] = {field.name: field.read_text() for field in path.iterdir()}
        return found

    def sealed(self) -> bool:
        """Whether the live credentials are encrypted."""
        return (Path(self.layout["credentials"]) / "current").resolve().name.startswith("sealed-")

    def on_disk(self, text: str) -> list[str]:
        """The files in which that text stands, whatever they are for."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.is_symlink()]
        return [path.relative_to(self.folder).as_posix() for path in files if text.encode() in path.read_bytes()]

    def calls(self, program: str | None = None) -> list[list[str]]:
        """What was run, oldest first."""
        file = self.state / "calls"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line[1:] if program else line for line in lines if program in {None, line[0]}]

    def leftovers(self) -> list[str]:
        """What a push that is over must not leave."""
        found = [path for kind in ("releases", "code") for path in (self.root / kind).glob(".*")]
        found += list(self.root.glob(".new-*"))
        found += [self.root / "pending.json"] if (self.root / "pending.json").exists() else []
        found += list(Path(self.layout["credentials"]).glob(".*"))
        found += list(Path(self.layout["gateway_credentials"]).glob(".*"))
        return [str(path) for path in found]

    # Preparing it

    def prepare(self, code: CodeTree, bootstrap: bytes) -> None:
        """As a host is after its bootstrap, with the dependencies installed: tests of a push install none."""
        digest = hashlib.sha256(bootstrap).hexdigest()
        (self.folder / "etc" / "bootstrap.json").write_text(json.dumps({"digest": digest}))
        name = venv_name(code.requirements)
        (self.root / "venvs" / name).mkdir(parents=True, exist_ok=True)
        (self.root / "venvs" / name / ".complete").touch()
        (self.state / "images" / "debian:bookworm-slim").write_text("sha256:" + "d" * 64)

    def flag(self, name: str, text: str = "1") -> None:
        """Have a stand-in behave otherwise."""
        (self.state / name).write_text(text)

    def unflag(self, name: str) -> None:
        (self.state / name).unlink(missing_ok=True)


def venv_name(requirements: str) -> str:
    """The name of the environment that the receiver's Python makes for this lock file."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from alvps.host import dependencies as d; "
        f"print(d.name_of({requirements!r}))"
    )
    root = str(Path(dependencies.__file__).parent.parent.parent)
    return _ask_python(program, root)


_ASKED: dict[tuple[str, str], str] = {}


def _ask_python(program: str, argument: str) -> str:
    key = (program, argument)
    if key not in _ASKED:
        argv = [PYTHON, "-I", "-S", "-B", "-c", program, argument]
        _ASKED[key] = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    return _ASKED[key]


@contextlib.contextmanager
def fake_host(**layout: Any) -> Iterator[FakeHost]:
    """A host in a folder with a short name (a socket's path has little room)."""
    folder = Path(tempfile.mkdtemp(prefix="al-h-"))
    host = FakeHost(folder, **layout)
    try:
        yield host
    finally:
        host.close()
        shutil.rmtree(folder)


class _Daemon:
    """The control API as far as a push uses it. It answers while the file `serving` exists."""

    def __init__(self, path: Path, state: Path) -> None:
        self._state = state
        self.requests: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        serving = self._state / "serving"
        if not serving.exists():
            return
        status, answer = self._decide(method, target, json.loads(body) if body else None)
        text = json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)

    def _decide(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        serving = self._state / "serving"
        if method == "POST" and target == "/reload":
            bad = self._state / "refuse-reload"
            if bad.exists():
                return 409, {"error": "no", "reasons": [bad.read_text()]}
            serving.write_text(body["release"])
            return 200, {"release": body["release"]}
        if target.startswith("/ready"):
            now = serving.read_text()
            asked = target.partition("release=")[2]
            if (self._state / "unready").exists():
                return 503, {"ready": False, "release": now, "reasons": ["launcher: not yet"]}
            good = not asked or asked == now
            return (200 if good else 503), {"ready": good, "release": now, "reasons": [] if good else [f"serves {now}"]}
        if target == "/status":
            return 200, {"release": serving.read_text()}
        found = self._state / f"{target.strip('/')}-answer"
        return (200, json.loads(found.read_text())) if found.exists() else (404, {"error": f"no {target}"})
