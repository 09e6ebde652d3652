"""A real browser, spoken to in its own protocol over a pipe: what a person would see of a page."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NAMES = (
    "chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser",
    "google-chrome", "google-chrome-stable", "microsoft-edge",
)  # fmt: skip
PATIENCE = 60.0
START = """
import os, sys
# The protocol's pipes are 3 and 4; first out of the way, since one may have that number.
reads, writes = (os.dup2(int(each), 50 + i) for i, each in enumerate(sys.argv[1:3]))
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def browser_path():
    """Give a Chromium's path; skip without one, but not where every check has to run."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no browser on PATH ({', '.join(NAMES)}); Debian: chromium-headless-shell"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@dataclass
class Page:
    """One tab, with all that it complained of and asked for."""

    browser: Browser
    session: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def say(self, method, **parameters):
        return self.browser.say(method, self.session, **parameters)

    def open(self, path: Path):
        """Open a file and wait until it is there whole."""
        self.browser.loaded.discard(self.session)
        self.say("Page.navigate", url=path.as_uri())
        self.browser.until(lambda: self.session in self.browser.loaded)

    def ask(self, expression):
        """Give what an expression in the page is."""
        found = self.say("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def size(self, width, height=900):
        self.say("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.say("Emulation.setEmulatedMedia", features=features)

    def press_enter(self):
        key = {"key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13}
        for kind in ("keyDown", "keyUp"):
            self.say("Input.dispatchKeyEvent", type=kind, **key)

    def click(self, selector):
        """Click on the middle of an element, as a mouse does."""
        x, y = self.ask(f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();
            return [b.x + Math.min(b.width, 40) / 2, b.y + b.height / 2] }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.say("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def shot(self, path, **clip):
        """Take a picture, of all of the page or of a piece."""
        area = {"clip": {"scale": 1, **clip}} if clip else {}
        made = self.say("Page.captureScreenshot", captureBeyondViewport=True, **area)
        Path(path).write_bytes(base64.b64decode(made["data"]))


class Browser:
    """A Chromium of its own, that ends with the `with`."""

    def __init__(self, path, profile):
        """Start it, with its files in a folder."""
        reads, self.write_end = os.pipe()
        self.read_end, writes = os.pipe()

        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(reads), str(writes),
             path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reads)
        os.close(writes)
        self.rest, self.number = b"", 0
        self.answers, self.pages, self.loaded = {}, {}, set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.write_end)
        os.close(self.read_end)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def page(self, *, scripts=True):
        """Open a tab; without scripts the page's own do not run, questions still do."""
        target = self.say("Target.createTarget", url="about:blank")["targetId"]
        session = self.say("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.say(f"{domain}.enable")
        if not scripts:
            page.say("Emulation.setScriptExecutionDisabled", value=True)
        return page

    def say(self, method, session=None, **parameters):
        """Say one thing and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        number = self.number
        self.until(lambda: number in self.answers)
        answer = self.answers.pop(number)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def until(self, reached):
        """Listen until something is so."""
        end = time.monotonic() + PATIENCE
        while not reached():
            ready, _, _ = select.select([self.read_end], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser doesn't answer"
            heard = os.read(self.read_end, 1 << 20)
            assert heard, f"the browser ended with {self.process.wait(10)}"
            *whole, self.rest = (self.rest + heard).split(b"\0")
            for message in whole:
                self._hear(json.loads(message))

    def _hear(self, message):
        if "id" in message:
            self.answers[message["id"]] = message
            return
        method, told = message["method"], message["params"]
        page = self.pages.get(message.get("sessionId"))
        if page is None:
            return
        if method == "Page.loadEventFired":
            self.loaded.add(page.session)
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            page.console.append(json.dumps(told))
        elif method == "Network.requestWillBeSent":
            page.requests.append(told["request"]["url"])
