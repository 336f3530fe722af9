"""What the demo draws: steps with their time, a live table redrawn in place, plain lines elsewhere."""

import contextlib
import os
import shutil
import sys
import threading
import time

BOLD, DIM, RED, GREEN, CYAN, PLAIN = "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[36m", "\033[0m"


class Screen:
    def __init__(self, output=sys.stdout):
        self._output = output
        self.live = output.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0

    def paint(self, color, text):
        return f"{color}{text}{PLAIN}" if self.live else text

    def line(self, text=""):
        self._output.write(text + "\n")
        self._output.flush()

    @contextlib.contextmanager
    def step(self, words):
        """One stage of the start: its words and, as soon as it takes time, its seconds."""
        begin = time.monotonic()
        done = threading.Event()

        def tick():
            while not done.wait(0.5):
                self._output.write(f"\r  … {words}  {time.monotonic() - begin:.0f} s ")
                self._output.flush()

        if self.live:
            self._output.write(f"  … {words}")
            self._output.flush()
            ticker = threading.Thread(target=tick, daemon=True)
            ticker.start()
        else:
            self.line(f"  … {words}")
        try:
            yield
        finally:
            done.set()
            if self.live:
                ticker.join()
                mark = self.paint(RED, "✗") if sys.exc_info()[0] else self.paint(GREEN, "✓")
                self._output.write(f"\r\033[K  {mark} {words}  {time.monotonic() - begin:.1f} s\n")
                self._output.flush()

    def draw(self, lines):
        """Draws a block over the one drawn before."""
        width = shutil.get_terminal_size().columns
        if self._drawn:
            self._output.write(f"\033[{self._drawn}A")
        for text in lines:
            # Escapes take no room: cut only what is too long without them, too.
            self._output.write("\033[K" + (text if visible(text) < width else text[: width - 1] + PLAIN) + "\n")
        self._drawn = len(lines)
        self._output.flush()


def visible(text):
    for code in (BOLD, DIM, RED, GREEN, CYAN, PLAIN):
        text = text.replace(code, "")
    return len(text)


def bar(share, width=16):
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def table(rows):
    """Rows of dicts as aligned text."""
    if not rows:
        return []
    cells = [list(rows[0])] + [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
