"""A script: what one client does on one connection, as data; and playing it.

A step is a tuple: the name of a method of Client, then its arguments. Scripts
are written and read as Python literals, so that a failure can be kept and
played again with --replay.
"""

import ast
import dataclasses
import pprint

import wire
from client import Client
from login import Refused


@dataclasses.dataclass(frozen=True)
class Script:
    """steps in order, and how the client logs in."""

    steps: tuple
    options: tuple = ("multi", "deprecate_eof", "track")
    collation: int = 45
    schema: str = "test_diff"

    def with_steps(self, steps):
        return dataclasses.replace(self, steps=tuple(steps))

    def with_options(self, options):
        return dataclasses.replace(self, options=tuple(options))

    def text(self):
        return pprint.pformat(dataclasses.asdict(self), width=140, sort_dicts=False)

    @staticmethod
    def parse(text):
        fields = ast.literal_eval(text)
        return Script(**fields | {"steps": tuple(tuple(step) for step in fields["steps"])})


def step_text(step):
    """One step on one line, as somebody would tell it."""
    name, *arguments = step
    if name == "query" and len(arguments) == 1:
        return arguments[0] if isinstance(arguments[0], str) else repr(arguments[0])
    return f"{name}({', '.join(map(repr, arguments))})"


def play(script, address, account, before_step=lambda number: None):
    """Runs a script on a connection of its own.

    The answers: first that of the login, then one list of replies a step. The
    end of the connection is an answer, too, and the last one.
    """
    try:
        client = Client(address, account, script.schema, script.options, script.collation)
    except Refused as refused:
        return [[refused.args[0]]]
    except wire.Lost as lost:
        return [[{"kind": "lost", "why": str(lost)}]]
    answers = [[client.logged_in]]
    try:
        for number, (name, *arguments) in enumerate(script.steps):
            before_step(number)
            try:
                answers.append(getattr(client, name)(*arguments))
            except wire.Lost as lost:
                answers.append([{"kind": "lost", "why": str(lost)}])
                break
    finally:
        client.close()
    return answers
