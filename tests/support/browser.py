"""A headless Chromium, driven by the DevTools protocol over two pipes: no port, no library.

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:6080/", width=390, height=844, dark=True)
        page.wait("document.querySelector('h1')")
        page.click("button")
        page.screenshot("page.png")
        assert page.complaints() == []

Messages are JSON, each ended by a NUL. Source: chromedevtools.github.io/devtools-protocol.
"""

import atexit
import base64
import contextlib
import json
import os
import pathlib
import queue
import shutil
import threading

from process import private_directory, spawn, wait_until

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


class BrowserError(AssertionError):
    """The browser refused a command, or a script in the page threw."""


class Browser:
    def __init__(self):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise FileNotFoundError("no Chromium is installed: run ./dev setup")
        self.directory = private_directory()
        self.log = self.directory / "log"
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # Chromium reads commands from descriptor 3 and writes to 4. No sandbox, for it
        # refuses to run as root with one; it sees nothing but what the tests serve.
        arguments = [
            "bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", program, "--remote-debugging-pipe",
            "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars",
            "--no-first-run", f"--user-data-dir={self.directory}/profile", "about:blank",
        ]  # fmt: skip
        self._process = spawn(arguments, self.log, pass_fds=(commands, answers))
        atexit.register(self.close)
        os.close(commands)
        os.close(answers)
        self._next = 1
        self._answers = {}
        self.pages = {}
        self._reader = threading.Thread(target=self._read, daemon=True, name="browser")
        self._reader.start()

    def _read(self):
        with os.fdopen(self._from, "rb") as stream:
            pending = b""
            while chunk := stream.read1(65536):
                *messages, pending = (pending + chunk).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers[message["id"]].put(message)
                    elif message.get("sessionId") in self.pages:
                        self.pages[message["sessionId"]].happened(message["method"], message["params"])
        for waiting in self._answers.values():
            waiting.put({"error": {"message": "the browser ended:\n" + self.log.read_text(errors="replace")[-2000:]}})

    def command(self, method, session=None, **parameters):
        """Sends a command and waits for its result."""
        number, self._next = self._next, self._next + 1
        self._answers[number] = queue.SimpleQueue()
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._answers[number].get(timeout=60)
        del self._answers[number]
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, address, width=1280, height=900, dark=False):
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        page.prepare(width, height, dark)
        page.command("Page.navigate", url=address)
        return page

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)
        with contextlib.suppress(OSError):
            os.close(self._to)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self._complaints = []

    def command(self, method, **parameters):
        return self._browser.command(method, self._session, **parameters)

    def prepare(self, width, height, dark):
        for domain in ("Page", "Runtime", "Log"):
            self.command(domain + ".enable")
        self.resize(width, height)
        self.dark(dark)

    def resize(self, width, height):
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def dark(self, dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def happened(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self._complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self._complaints.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self._complaints.append(str([a.get("value") for a in parameters["args"]]))

    def complaints(self):
        """Exceptions, refusals of the content security policy, failed requests: whatever a console shows in red."""
        return list(self._complaints)

    def value(self, expression):
        """What a JavaScript expression yields; promises are awaited."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def wait(self, expression, timeout=15):
        """Waits until the expression is true, and yields its value."""
        return wait_until(lambda: self.value(expression), f"in the page: {expression}", timeout, 0.05)

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector):
        """A click of the mouse in the middle of what the selector finds first."""
        self.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.value(
            f"(r => ({{x: r.x + r.width / 2, y: r.y + r.height / 2}}))"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)

    def type(self, text):
        """Text into what has the focus."""
        self.command("Input.insertText", text=text)

    def press(self, key, code=None, shift=False):
        """A key by its name: "Tab", "Enter", "Escape"."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        keys = dict(key=key, code=code or key, windowsVirtualKeyCode=codes[key], modifiers=8 if shift else 0)
        text = {"Enter": "\r", " ": " "}.get(key)
        self.command("Input.dispatchKeyEvent", type="keyDown", **keys, **({"text": text} if text else {}))
        self.command("Input.dispatchKeyEvent", type="keyUp", **keys)

    def screenshot(self, path):
        """The whole page, as high as it is."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
        return path
