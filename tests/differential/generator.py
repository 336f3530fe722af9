"""Random scripts from a seed.

Each script draws how often each kind of statement comes (some not at all), so
that one is about prepared statements and temporary tables, the next about
charsets and transactions: bugs hide where few things meet often.
"""

import random

import prepares
import reads
import settings
import writes
from script import Script

# How likely each producer is, before a script draws its own factors.
PRODUCERS = {
    reads.plain: 24, reads.of_state: 10, reads.of_previous: 10, reads.show: 3, reads.locking: 2,
    settings.set_variables: 9, settings.set_one_time: 2, settings.set_names: 4, settings.change_schema: 3,
    settings.reset: 1.2, settings.protocol: 2, settings.locks: 4,
    writes.dml: 9, writes.ddl: 1.5, writes.temporary: 4, writes.transaction: 6, writes.routine: 4, writes.local_infile: 0.7,
    prepares.binary: 10, prepares.text: 4, prepares.user_variables: 7,
}  # fmt: skip
SMALL = (reads.plain, reads.of_state, reads.of_previous, writes.dml, prepares.user_variables, settings.set_variables)
HIGH_COLLATIONS = {"mysql": (255, 303, 305), "mariadb": (1070, 224, 2048 + 256)}
OPTIONS = {"multi": 0.8, "deprecate_eof": 0.6, "track": 0.5, "found_rows": 0.2, "ignore_space": 0.1, "attributes": 0.3}
LOGIN_COLLATIONS = (45, 45, 45, 8, 33, 63, 46, 47, 224)


class Generator:
    """Makes one script. The producers above read and write what it remembers of it."""

    def __init__(self, engine, schema, seed):
        self.engine = engine
        self.schema = schema
        self.rng = random.Random(f"{engine} {seed}")
        self.variables = settings.variables_of(engine)
        self.favourites = self.rng.sample(list(self.variables), 10)
        self.favourites += self.rng.sample(("sql_mode", "time_zone", "sql_select_limit", "autocommit"), 2)
        self.high_collations = HIGH_COLLATIONS[engine]
        self.weights = [
            weight * self.rng.choice((0, 0.3, 1, 1, 2.5)) if producer is not reads.plain else weight
            for producer, weight in PRODUCERS.items()
        ]
        self.slots = {}
        self.types = {}
        self.cursors = {}

    def pick(self, choices):
        return self.rng.choice(choices)

    def chance(self, probability):
        return self.rng.random() < probability

    def variable(self):
        return self.pick(("v1", "v2", "v3", "V1", "into_v", "io"))

    def user_assignment(self):
        return prepares.user_assignment(self)

    def variable_read(self):
        return prepares.variable_read(self)

    def clock(self):
        return self.pick(reads.CLOCKS)

    def small(self):
        return self.pick(SMALL)(self)

    def maybe_read(self):
        return reads.plain(self) if self.chance(0.5) else []

    def q(self, sql):
        """A step that runs one statement as text; now and then in the binary protocol."""
        if "attributes" in self.options and self.chance(0.05):
            return ("query", sql, None, (("name", "string", "value"), ("n", "long", 5))[: self.pick((1, 2))])
        return ("query", sql)

    def _some(self):
        return self.rng.choices(list(PRODUCERS), self.weights)[0](self)

    def _joined(self):
        """Several text statements as one multi-statement."""
        steps = [step for _ in range(self.pick((2, 2, 3, 5))) for step in self._some()]
        texts = [step[1] for step in steps if step[0] == "query" and (len(step) == 2 or step[2] is None)]
        return [("query", "; ".join(texts))] if len(texts) > 1 else steps

    def script(self, length):
        self.options = tuple(name for name, probability in OPTIONS.items() if self.chance(probability))
        steps = []
        while len(steps) < length:
            steps += self._joined() if "multi" in self.options and self.chance(0.06) else self._some()
        steps = [*_with_found_rows(steps), ("query", "SHOW SESSION VARIABLES")]
        return Script(tuple(steps), self.options, self.pick(LOGIN_COLLATIONS), self.schema)


def _with_found_rows(steps):
    """FOUND_ROWS() means something only after a SELECT of the same session: before, MariaDB tells what
    the connection found that had the server's thread before, and a reset leaves on both what was there."""
    known = False
    for step in steps:
        if step[0] in ("reset_connection", "change_user"):
            known = False
        elif not known and any(isinstance(part, str) and "found_rows()" in part.lower() for part in step[1:]):
            yield ("query", "SELECT 1")
            known = True
        yield step


def generate(engine, schema, seed, length=80):
    """The script of a seed: the same for the same arguments, always."""
    return Generator(engine, schema, seed).script(length)
