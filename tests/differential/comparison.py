"""Comparing what two connections answered to the same script.

Everything is compared as it came: column definitions and rows byte for byte,
affected rows, insert ids, status flags, warning counts, info, tracker entries,
error codes, SQLSTATEs and messages. These differences are no mismatches:

0. The number of warnings in a login's OK: MariaDB's now and then has one of whoever had the thread before.
1. The status flags QUERY_WAS_SLOW, NO_INDEX_USED and NO_GOOD_INDEX_USED: they tell a time, and
   which plan the optimizer chose by statistics that InnoDB renews when it likes.
   SESSION_STATE_CHANGED where no tracker entry comes with it: what changed is compared by the entries.
2. The value of a GTID tracker: each world writes transactions of its own.
3. Rows of SHOW VARIABLES in VARIABLE_EXCEPTIONS, each for the reason given there.
4. How a lost connection was lost (closed or reset): it depends on what the kernel still held.
5. The order among the variables of one packet's trackers: MariaDB's hash table has no order that means anything.
6. "at row 1" where an error is about no row, like that of an argument of CALL: MariaDB
   says what its counter has kept from an earlier statement.
7. The type of a column that holds nothing but NULL and reads a user variable: MySQL tells a variable that
   was never set from one that was set to NULL, and no statement makes it forget one.
8. What a syntax error quotes, where Sluice puts the session's own CONNECTION_ID() or a scope behind @@.
9. The words of the errors that Sluice makes itself: MySQL's are in the session's lc_messages, and empty
   if character_set_results is ucs2.
10. Variables in the trackers of `SET @@a = 1`: MariaDB keeps silent about it, Sluice makes it hear of it.
11. The schema in the trackers of a statement that does not choose one: a server goes to another one and back
    when it reads a routine or prepares a statement anew, and tells of it with its next OK.
12. The status flag for ANSI_QUOTES: MariaDB's stays on a connection behind SET STATEMENT sql_mode = 'ANSI'.
13. The id of a prepared statement, also in messages that quote it: MariaDB counts over all connections.
"""

import re

import wire
from replies import Reader

VARIABLE_EXCEPTIONS = {
    "timestamp": "the time of day, unless set, and then the scripts ask for it",
    "pseudo_thread_id": "the id of the connection that runs it; CONNECTION_ID() is compared by scripts",
    "session_track_system_variables": "Sluice listens to all of them: it learns the session's state from there",
    "session_track_schema": "likewise",
    "session_track_state_change": "likewise",
    "session_track_transaction_info": "likewise",
    "session_track_gtids": "likewise, for reading one's own writes",
    "last_gtid": "each world writes transactions of its own",
    "gtid_current_pos": "likewise",
    "gtid_binlog_pos": "likewise",
    "gtid_binlog_state": "likewise",
    "gtid_executed": "likewise",
    "gtid_purged": "likewise",
    "rand_seed1": "random from login; RAND() is compared after a script has set it",
    "rand_seed2": "likewise",
    "statement_id": "counts the statements of a connection; Sluice's own count as well",
}

# ER_UNKNOWN_COM_ERROR, ER_UNKNOWN_STMT_HANDLER, ER_STMT_HAS_NO_OPEN_CURSOR
SLUICES_OWN = (1047, 1243, 1421)
ROW_OF_ARGUMENT = re.compile(rb"(for column (?:``\.``\.`\w`|'[nx]') at row) \d+$")
CHOOSES_SCHEMA = re.compile(r"^\('(login|init_db|change_user)'|\bUSE\b", re.IGNORECASE)
UNTOLD = re.compile(r"SET.*@@(?!session\.|local\.|global\.)", re.IGNORECASE | re.DOTALL)
# A syntax error quotes the text that the server got: Sluice's has the session's id in it, or a scope behind @@.
QUOTED_CONNECTION_ID = re.compile(rb"near '.*(CONNECTION_ID|CAST\(\d{10}|@@)", re.DOTALL | re.IGNORECASE)
# In a row of SHOW WARNINGS, with the byte that tells its length.
QUOTED_ID = re.compile(rb"[\s\S]The statement \(\d+\)")

# Tells Sluice's own words apart when links or replicas are killed meanwhile.
ALLOWED_ERRORS = {(1213, "40001"), (1053, "08S01"), (1290, "HY000")}


def _first_column(row):
    # character_set_results may have made it UCS-2.
    return "" if row[:1] == b"\xfb" else Reader(row).lenenc_string().replace(b"\0", b"").decode("latin1").lower()


def _names_variables(columns):
    return len(columns) == 2 and b"Variable_name" in columns[0].replace(b"\0", b"")


def _is_null(row, index):
    """Of a row of the text protocol; other rows hold no NULL as far as this can see."""
    try:
        reader = Reader(row)
        for _ in range(index):
            if row[len(row) - reader.left()] == 0xFB:
                reader.take(1)
            else:
                reader.lenenc_string()
        return row[len(row) - reader.left()] == 0xFB
    except (IndexError, KeyError):
        return False


def _without_types_of_nulls(columns, rows):
    short = []
    for index, definition in enumerate(columns):
        of_variable = re.search(rb"@[a-zA-Z`'\"]", definition) and b"@@" not in definition
        only_null = of_variable and all(_is_null(row, index) for row in rows)
        short.append(_column_name(definition).encode() if only_null else definition)
    return short


def normal_reply(reply, step=()):
    """A reply without what may differ."""
    if not isinstance(reply, dict):
        return reply
    reply = {key: normal_reply(value) for key, value in reply.items()}
    if step == ("login",) and reply["kind"] == "ok":
        reply["warnings"] = 0
    if reply.get("trackers") and not CHOOSES_SCHEMA.search(str(step)):
        reply["trackers"] = [entry for entry in reply["trackers"] if entry[0] != "schema"]
    if reply.get("trackers") and UNTOLD.search(str(step)):
        reply["trackers"] = [entry for entry in reply["trackers"] if entry[0] != "variable"]
    if reply["kind"] == "lost":
        return {"kind": "lost"} if reply["why"] in ("closed", "reset") else reply
    if reply["kind"] == "err" and reply["code"] in SLUICES_OWN:
        reply["message"] = b""
    if reply["kind"] == "err" and QUOTED_CONNECTION_ID.search(reply["message"]):
        reply["message"] = reply["message"].split(b" near '")[0]
    if reply["kind"] == "err":
        reply["message"] = ROW_OF_ARGUMENT.sub(rb"\1 N", reply["message"])
    if "status" in reply:
        reply["status"] &= ~(wire.STATUS_QUERY_WAS_SLOW | wire.STATUS_NO_INDEX_USED | wire.STATUS_NO_GOOD_INDEX_USED | wire.STATUS_ANSI_QUOTES)
        if not reply.get("trackers"):
            reply["status"] &= ~wire.STATUS_SESSION_STATE_CHANGED
    if reply.get("trackers"):
        entries = [(kind, b"" if kind == "gtids" else data) for kind, data in reply["trackers"]]
        variables = iter(sorted(data for kind, data in entries if kind == "variable"))
        reply["trackers"] = [(kind, next(variables) if kind == "variable" else data) for kind, data in entries]
    if reply["kind"] == "rows":
        reply["rows"] = [QUOTED_ID.sub(b"The statement (id)", row) for row in reply["rows"]]
    if reply["kind"] in ("rows", "prepared"):
        reply["columns"] = _without_types_of_nulls(reply["columns"], reply.get("rows", []))
    if reply["kind"] == "rows" and _names_variables(reply["columns"]):
        reply["rows"] = [row for row in reply["rows"] if _first_column(row) not in VARIABLE_EXCEPTIONS]
    return reply


def normal(replies, step=()):
    return [normal_reply(reply, step) for reply in replies]


def first_difference(left, right, steps):
    """The index of the first answer that differs, or None. Index 0 is the login's."""
    for index in range(max(len(left), len(right))):
        if index >= len(left) or index >= len(right):
            return index
        step = steps[index - 1] if index > 0 else ("login",)
        if normal(left[index], step) != normal(right[index], step):
            return index
    return None


def is_allowed_loss(replies):
    """May a killed link or replica be why this answer is another one than the primary's?"""
    last = replies[-1] if replies else {"kind": "none"}
    if last["kind"] == "rows":
        last = last["end"] or last
    if last["kind"] == "lost":
        return last["why"] in ("closed", "reset")
    return last["kind"] == "err" and (last["code"], last["state"]) in ALLOWED_ERRORS and b"Sluice" in last["message"]


# Statements in which MariaDB's diagnostics area stays as it was.
USES_NO_TABLE = re.compile(r"\s*(/\*.*?\*/)?\s*(SET|USE|DO|EXECUTE|PREPARE|DEALLOCATE|DROP PREPARE|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT"
                           r"|RELEASE|SELECT(?!.*FROM)|VALUES|XA|UNLOCK|KILL|;|-- |# |/\*|$)", re.IGNORECASE | re.DOTALL)  # fmt: skip
ASKS_CONDITIONS = re.compile(r"SHOW .*(WARNINGS|ERRORS)|_count|GET DIAGNOSTICS", re.IGNORECASE)


def speaks_of_older_statements(steps, index):
    """Is the answer `index` about conditions that an older statement than the last has left?

    On MariaDB a statement without a table leaves them. Sluice does not carry them from link to link: it would
    have to keep each SELECT 1 behind an error on the link of that.
    """

    def text(step):
        return step[1] if step[0] == "query" else step[2] if step[0] == "prepare" else ""

    def is_quiet(step):
        return step[0] != "query" or isinstance(step[1], bytes) or bool(USES_NO_TABLE.match(step[1]))

    if not 2 <= index <= len(steps):
        return False
    asks = steps[index - 1][0] == "execute" or ASKS_CONDITIONS.search(str(text(steps[index - 1])))
    return bool(asks) and is_quiet(steps[index - 2])


def what_differs(left, right):
    """Names the places where two answers differ: "reply 1: status 2 != 3"."""
    left, right = normal(left), normal(right)
    words = []
    if len(left) != len(right):
        words.append(f"{len(left)} replies != {len(right)} replies")
    for number, (a, b) in enumerate(zip(left, right)):
        words += [f"reply {number}: {difference}" for difference in _differences("", a, b)]
    return words


def _differences(path, a, b):
    if a == b:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        if a.get("kind") != b.get("kind"):
            yield f"{path}{brief(a)} != {brief(b)}"
            return
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _differences(f"{path}{key} ", a.get(key), b.get(key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (one, other) in enumerate(zip(a, b)):
            yield from _differences(f"{path}{index} ", one, other)
    elif isinstance(a, list) and isinstance(b, list):
        only_a, only_b = [x for x in a if x not in b], [x for x in b if x not in a]
        yield f"{path}{len(a)} != {len(b)} entries; only left {_short(only_a)}, only right {_short(only_b)}"
    else:
        yield f"{path}{_short(a)} != {_short(b)}"


def _short(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


def _column_name(definition):
    reader = Reader(definition)
    for _ in range(4):
        reader.lenenc_string()
    return reader.lenenc_string().decode("utf8", "replace")


def brief(reply):
    """One reply on a line or two."""
    if not reply:
        return "nothing"
    kind = reply["kind"]
    if kind == "ok":
        words = f"OK affected={reply['affected']} id={reply['insert_id']} status={reply['status']:#x} warnings={reply['warnings']}"
        words += f" info={reply['info']!r}" if reply["info"] else ""
        return words + (f" trackers={_short(reply['trackers'])}" if reply["trackers"] else "")
    if kind == "eof":
        return f"EOF status={reply['status']:#x} warnings={reply['warnings']}"
    if kind == "err":
        return f"ERR {reply['code']} ({reply['state']}) {reply['message'].decode('utf8', 'replace')}"
    if kind == "rows":
        columns = ", ".join(map(_column_name, reply["columns"]))
        return f"ROWS [{columns}] {_short(reply['rows'])} {brief(reply['end'])}"
    return _short(reply)


def side_by_side(script, left, right, names, last):
    """Both transcripts up to the last step wanted; >>> marks the answers that differ."""
    from script import step_text

    lines = [f"options {', '.join(script.options)}; collation {script.collation}; schema {script.schema}"]
    for index in range(max(len(left), len(right))):
        lines.append("login" if index == 0 else f"{index}. {step_text(script.steps[index - 1])}")
        sides = [replies[index] if index < len(replies) else None for replies in (left, right)]
        step = script.steps[index - 1] if index else ("login",)
        same = None not in sides and normal(sides[0], step) == normal(sides[1], step)
        for name, replies in [("both", sides[0])] if same else zip(names, sides):
            words = [] if replies is None else [brief(reply) for reply in replies] or ["(silent)"]
            for word in words or ["(not reached)"]:
                lines.append(f"  {'   ' if same else '>>>'} {name}: {word}")
        if not same and None not in sides:
            lines += [f"      {words}" for words in what_differs(*sides)][:12]
        if index == last:
            break
    return "\n".join(lines)
