"""A real Chromium, driven over the WebDriver protocol (w3.org/TR/webdriver2)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

PATIENCE = 20.0  # seconds
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--window-size=1280,1000",
)  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of a reference to an element, in the standard


class Browser:
    """One window. What it shows is looked at by scripts, what a person does is done by events that are trusted."""

    def __init__(self, *flags: str) -> None:
        if not shutil.which("chromedriver"):
            raise RuntimeError(
                "chromedriver is missing: these tests need the Debian packages chromium, chromium-driver"
            )
        port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._url = f"http://127.0.0.1:{port}"
        try:
            self._until_ready()
            options = {"args": [*FLAGS, f"--user-data-dir={self._folder.name}", *flags]}
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": int(PATIENCE * 1000)},
            }
            answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._url += f"/session/{answer['sessionId']}"
        except BaseException:
            self._driver.kill()
            raise

    def go(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    @property
    def address(self) -> str:
        return str(self._ask("GET", "/url"))

    def js(self, script: str, *arguments: Any) -> Any:
        """What a script's `return` gives."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script: str, what: str = "") -> Any:
        """Wait until an expression of the page's is true; its value."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(WebDriverError):  # the page is another one by now
                value = self.js(f"return {script}")
                if value:
                    return value
            time.sleep(0.05)
        raise AssertionError(f"{what or script} did not come; the page has:\n{self.text('body')}")

    def text(self, selector: str) -> str:
        """The text of an element as it is shown."""
        return str(self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def click(self, selector: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, text: str) -> None:
        """Press keys, wherever the focus is; see the standard for those without a letter."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": keys}]})

    def size(self, width: int, height: int) -> None:
        self._ask("POST", "/window/rect", {"width": width, "height": height})

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def complaints(self) -> list[str]:
        """What the console has got since the last time: errors of scripts, what the policy refused."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in {"WARNING", "SEVERE"}]

    def close(self) -> None:
        with contextlib.suppress(WebDriverError):
            self._ask("DELETE", "")
        self._driver.terminate()
        self._driver.wait(PATIENCE)
        self._folder.cleanup()

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    def _until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self._ask("GET", "/status")["ready"]:
                    return
            time.sleep(0.05)
        raise AssertionError("chromedriver does not answer")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise WebDriverError(json.loads(error.read())["value"]["message"]) from None


class WebDriverError(Exception):
    """What the driver could not do."""
