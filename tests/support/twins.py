"""Two sessions that take the same steps: one on the primary itself, one through Sluice.

    twins = Twins(cluster, sluice, trace)
    twins.query("SELECT v FROM t WHERE id = 1", on="replica")

Each step fails unless both answered the same to the last byte; what may differ
is listed in tests/differential/comparison.py. Each twin has a schema of its own,
PRIMARY_SCHEMA and SLUICE_SCHEMA, with the same contents: statements name tables
without a schema, or write {s} for it, as in GET_LOCK('{s}', 0). The names are
equally long, so they can be exchanged in an answer.

on: where Sluice has run it, as the backends' general logs tell: "primary",
"replica", "nowhere" (answered by Sluice itself), None if that is not the point.
The mark by which it is found is appended as a comment, or stands at {mark}.
"""

import contextlib

from client import Client
from cluster import APP
from comparison import brief, normal, what_differs
from process import wait_until
from replies import Reader
from wire import STATUS_SESSION_STATE_CHANGED

PRIMARY_SCHEMA, SLUICE_SCHEMA = "test_twin_a", "test_twin_b"
STATUS_METADATA_CHANGED = 1 << 10
PARSE_ERROR = 1064  # MySQL logs no statement that it cannot read
OPTIONS = ("multi", "deprecate_eof")
# On a busy machine replicas are late, and so are probes; the question is where a statement belongs.
PATIENT = {"routing": {"max_lag": "1m"}, "monitor": {"timeout": "10s"}}
# The engine's own for utf8mb4: SET NAMES utf8mb4 leads back to where the login was.
COLLATIONS = {"mariadb": 45, "mysql": 255}


def make_ground(cluster, statements):
    """Makes both schemas with the same contents, on all backends."""
    for schema in (PRIMARY_SCHEMA, SLUICE_SCHEMA):
        cluster.primary.run([
            f"DROP DATABASE IF EXISTS {schema}",
            f"CREATE DATABASE {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            f"USE {schema}",
            *(statement.replace("{s}", schema) for statement in statements),
        ])  # fmt: skip
    cluster.wait_caught_up()


def as_bytes(sql):
    return sql if isinstance(sql, bytes) else sql.encode()


def exchanged(value, words):
    """An answer with each word replaced by another of the same length."""
    if isinstance(value, bytes):
        for old, new in words.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return {key: exchanged(item, words) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(exchanged(item, words) for item in value)
    return value


def without_hints(value):
    """An answer without two flags of MySQL's that tell a client nothing.

    "State has changed" where no word of what follows (COMMIT AND CHAIN), and "metadata
    has changed", which says that this link, not this client, has seen it otherwise.
    """
    if isinstance(value, dict):
        value = {key: without_hints(item) for key, item in value.items()}
        if value.get("kind") == "ok" and not value["trackers"]:
            value["status"] &= ~STATUS_SESSION_STATE_CHANGED
        if "status" in value:
            value["status"] &= ~STATUS_METADATA_CHANGED
        return value
    return [without_hints(item) for item in value] if isinstance(value, list) else value


def text_rows(reply):
    """The rows of a text reply as tuples of str, None for NULL."""
    rows = []
    for payload in reply["rows"]:
        reader, row = Reader(payload), []
        while reader.left():
            if payload[reader.at] == 0xFB:
                reader.take(1)
                row.append(None)
            else:
                row.append(reader.lenenc_string().decode("utf8", "replace"))
        rows.append(tuple(row))
    return rows


class Twins:
    """columns: are the definitions of result columns compared, too?"""

    def __init__(self, cluster, sluice, trace, options=OPTIONS, account=APP, columns=True):
        self.sluice = sluice
        self._trace = trace
        self._columns = columns
        self.collation = COLLATIONS[cluster.engine.name]
        with contextlib.ExitStack() as undo:
            self.direct = Client(("127.0.0.1", cluster.primary.port), account, PRIMARY_SCHEMA, options, self.collation)
            undo.callback(self.direct.close)
            self.through = Client(("127.0.0.1", sluice.port), account, SLUICE_SCHEMA, options, self.collation)
            undo.callback(self.through.close)
            self._open = undo.pop_all()
        self._slots = {}

    def close(self):
        self._open.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def step(self, name, *arguments, on=None, mark=None, **options):
        """Both do it, Sluice second; Sluice's replies."""
        direct = self._do(self.direct, PRIMARY_SCHEMA, b"", name, arguments, options)
        mark = mark or self._trace.mark()
        moment = self._trace.moment()
        replies = self._do(self.through, SLUICE_SCHEMA, b"", name, arguments, options)
        self._compare((name, *arguments), direct, replies, mark, mark)
        if on:
            self._check_place((name, *arguments), moment, mark, on, replies[-1])
        return replies

    @staticmethod
    def _do(client, schema, mark, name, arguments, options):
        def mine(value):
            if isinstance(value, str):
                return value.replace("{s}", schema)
            if isinstance(value, bytes):
                return value.replace(b"{s}", schema.encode()).replace(b"{mark}", mark)
            return value

        return getattr(client, name)(*map(mine, arguments), **options)

    def _marked(self, sql):
        """The statement with {mark} in it, and both twins' marks, equally long."""
        sql = as_bytes(sql)
        return sql if b"{mark}" in sql else sql + b" /* {mark} */", self._trace.mark(), self._trace.mark()

    def _statement(self, name, before, sql, after, on, options):
        marked, ours, theirs = self._marked(sql)
        arguments = (*before, marked, *after)
        direct = self._do(self.direct, PRIMARY_SCHEMA, theirs.encode(), name, arguments, options)
        moment = self._trace.moment()
        replies = self._do(self.through, SLUICE_SCHEMA, ours.encode(), name, arguments, options)
        self._compare((name, *before, sql, *after), direct, replies, theirs, ours)
        if on:
            self._check_place(sql, moment, ours, on, replies[-1])
        return replies, ours

    def _compare(self, step, direct, replies, theirs, ours):
        words = {PRIMARY_SCHEMA.encode(): SLUICE_SCHEMA.encode(), theirs.encode(): ours.encode()}
        direct, replies = without_hints(exchanged(direct, words)), without_hints(replies)
        if not self._columns:
            direct, replies = ([{**reply, "columns": ()} for reply in side] for side in (direct, replies))
        if normal(direct) != normal(replies):
            lines = [f"{step!r} on the primary and through Sluice:", *what_differs(direct, replies)]
            lines += ["  primary: " + brief(reply) for reply in direct] + ["  Sluice: " + brief(reply) for reply in replies]
            raise AssertionError("\n".join(lines))

    def _check_place(self, step, moment, mark, on, last):
        places = self._trace.since(moment, mark)
        kinds = {"primary" if name == self._trace.cluster.primary.name else "replica" for name in places}
        wanted = set() if on == "nowhere" else {on}
        unlogged = not kinds and last["kind"] == "err" and last["code"] == PARSE_ERROR
        if kinds != wanted and not unlogged:
            reasons = {row["id"]: (row["reason"], row["pins"]) for row in self.sluice.admin("SHOW SESSIONS")}
            raise AssertionError(f"{step!r} ran on {places}, not on the {on}: {reasons.get(self.through.thread_id)}")
        assert on != "replica" or len(places) == 1, f"{step!r} ran on {places}"

    def query(self, sql, on=None, **options):
        """All replies of Sluice; equal to the primary's."""
        return self._statement("query", (), sql, (), on, options)[0]

    def rows(self, sql, on=None):
        """The rows of the first result as tuples of str."""
        (reply, *_) = self.query(sql, on)
        assert reply["kind"] == "rows", brief(reply)
        return text_rows(reply)

    def value(self, expression, on=None):
        """The text of SELECT expression."""
        return self.rows(f"SELECT {expression}", on)[0][0]

    def ok(self, sql, on=None):
        """Runs a statement that must succeed."""
        replies = self.query(sql, on)
        assert all(reply["kind"] != "err" for reply in replies), brief(replies[-1])
        return replies

    def refused(self, sql, on=None):
        """The code of the error that it must end with."""
        reply = self.query(sql, on)[-1]
        reply = reply["end"] if reply["kind"] == "rows" else reply
        assert reply["kind"] == "err", brief(reply)
        return reply["code"]

    def prepare(self, slot, sql, on=None):
        replies, self._slots[slot] = self._statement("prepare", (slot,), sql, (), on, {})
        return replies[0]

    def execute(self, slot, *values, on=None, **options):
        """values: (type, value) pairs."""
        return self.step("execute", slot, values, on=on, mark=self._slots.get(slot), **options)

    def wait_for_replica(self):
        """Waits until a plain read of Sluice's session is answered by a replica again."""

        def on_replica():
            (reply,) = self.through.query("SELECT @@server_id")
            return text_rows(reply)[0][0] != "1"

        wait_until(on_replica, "plain reads of this session go to replicas")
