"""A Chromium without a window, driven over two pipes: nothing to install beside the browser, nothing listens."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    # A browser asks its maker for this and that: no name leads anywhere, and the proxy of the environment is not asked.
    *("--disable-background-networking", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
#: seconds that an answer may take
_PATIENCE = 60


def program() -> str:
    """Where the browser is; empty when there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


class Chromium:
    """One browser with one page. events: everything that the page has said, by method."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._answers: Queue[dict[str, Any]] = Queue()
        self._arrived: Queue[str] = Queue()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (read_in, self._to), (self._from, write_out) = os.pipe(), os.pipe()
        command = [
            program(),
            *_OPTIONS,
            "--remote-debugging-pipe",
            f"--user-data-dir={self._folder.name}",
            "about:blank",
        ]
        # The browser reads from file 3 and writes to file 4; its ends of the pipes are put out of their way first.
        ours = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_in, write_out)]
        shell = ["bash", "-c", f'exec 3<&{ours[0]} 4>&{ours[1]}; exec "$@"', "bash", *command]
        self._process = subprocess.Popen(shell, pass_fds=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (read_in, write_out, *ours):
            os.close(end)
        threading.Thread(target=self._listen, daemon=True).start()
        targets = self._call("Target.getTargets", {}, "")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", {"targetId": page, "flatten": True}, "")["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        self._folder.cleanup()

    def _listen(self) -> None:
        with os.fdopen(self._from, "rb", buffering=0) as pipe:
            rest = b""
            while chunk := pipe.read(65536):
                *whole, rest = (rest + chunk).split(b"\0")
                for text in whole:
                    message = json.loads(text)
                    if "id" in message:
                        self._answers.put(message)
                    else:
                        self.events.append(message)
                        self._arrived.put(message["method"])

    def _call(self, method: str, arguments: dict[str, Any], session: str) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            try:
                answer = self._answers.get(timeout=_PATIENCE)
            except Empty:
                raise RuntimeError(f"Chromium does not answer {method}") from None
            if answer["id"] == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                found: dict[str, Any] = answer["result"]
                return found

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A command of the protocol, to the page."""
        return self._call(method, arguments, self._session)

    def open(self, path: Path) -> None:
        """Load a file."""
        self.events.clear()
        while not self._arrived.empty():
            self._arrived.get()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while self._arrived.get(timeout=_PATIENCE) != "Page.loadEventFired":
            pass

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, language: str = "en") -> None:
        """How the page is shown from now on."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setLocaleOverride", locale="ko-KR" if language == "ko" else "en-US")

    def run(self, script: str) -> Any:
        """The value of a script in the page, waited for. Raises RuntimeError when it fails."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """A key, as somebody at the keyboard presses it."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """A screenshot of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
