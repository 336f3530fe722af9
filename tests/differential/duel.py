"""Runs one script in both worlds and says whether they disagree."""

import dataclasses

from comparison import first_difference, is_allowed_loss, side_by_side, speaks_of_older_statements
from script import Script, play


NO_ANSWER = {"kind": "lost", "why": "no answer in time"}


@dataclasses.dataclass
class Mismatch:
    """index: of the first answer that differs; 0 is the login's, n that of step n."""

    script: Script
    index: int
    left: list
    right: list

    def no_answer(self):
        return self.right[-1] == [NO_ANSWER]

    def text(self, names=("primary", "Sluice")):
        return side_by_side(self.script, self.left, self.right, names, self.index)


class Duel:
    """left and right are addresses; the world is made anew before each side plays.

    disturb: makes, from a script, what is called before each step of the right
    side; answers that a kill explains are then no mismatch, but end the script.
    """

    def __init__(self, world, account, left, right, disturb=None):
        self.world = world
        self._account = account
        self._left, self._right = left, right
        self._disturb = disturb
        self.statements = 0
        self.cut_short = self.set_aside = 0

    def _play(self, script, address, *more):
        self.world.reset()
        answers = play(script, address, self._account, *more)
        self.statements += len(answers) - 1
        return answers

    def fight(self, script):
        """The mismatch, or None."""
        left = self._play(script, self._left)
        counted = self.statements
        right = self._play(script, self._right, *([self._disturb(script)] if self._disturb else []))
        self.statements = counted  # a statement counts once
        index = first_difference(left, right, script.steps)
        if index is None and left[-1] == [NO_ANSWER]:
            index = len(left) - 1  # it can't be compared: the client or the primary is at fault
        if index is None:
            return None
        if self.world.cluster.engine.name == "mariadb" and speaks_of_older_statements(script.steps, index):
            self.set_aside += 1
            return None
        if self._disturb and index < len(right) and is_allowed_loss(right[index]):
            self.cut_short += 1
            return None
        return Mismatch(script, index, left, right)

    def is_sound(self, script):
        """Does the primary agree with itself? If not, the script and not Sluice is to blame."""
        return first_difference(self._play(script, self._left), self._play(script, self._left), script.steps) is None
