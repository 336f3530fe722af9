"""What proxies get wrong about the protocol itself. Each test names its trap of the project's list."""

import contextlib
import socket
import struct

import pytest

import client
import wire
from sluice import Sluice
from statement_trace import Trace
from twins import OPTIONS, PATIENT, Twins, make_ground

PRIMARY, REPLICA = "primary", "replica"
FULL = 0xFFFFFF
MIB = 1 << 20
OLD_STYLE = ("multi",)
# No bit that tests/differential plays with: MySQL's CLIENT_OPTIONAL_RESULTSET_METADATA.
client.OPTIONS["optional_metadata"] = 1 << 25

GROUND = (
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "CREATE TABLE loaded (line VARCHAR(100))",
    "CREATE PROCEDURE p_many() BEGIN SELECT 1; SELECT v FROM t ORDER BY id; UPDATE t SET v = v WHERE id = 1; SELECT 'last'; END",
)


@pytest.fixture(scope="module")
def sluice(cluster):
    with Sluice(cluster, **PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def ground(cluster):
    make_ground(cluster, GROUND)
    with Trace(cluster) as trace:
        yield trace


@pytest.fixture(params=(OPTIONS, OLD_STYLE), ids=("ok-ends-rows", "eof-ends-rows"))
def twins(cluster, sluice, ground, request):
    cluster.wait_caught_up()
    with Twins(cluster, sluice, ground, options=request.param) as made:
        yield made


@pytest.mark.parametrize("size", (FULL, FULL + 1))
def test_payloads_around_multiples_of_the_packet_limit_pass_both_ways(cluster, sluice, ground, size):
    """Trap 24: a payload of exactly 16,777,215 bytes is followed by an empty packet, as a command and as a row."""
    head, tail = "SELECT LENGTH('", "')"
    with Twins(cluster, sluice, ground) as twins:
        (reply,) = twins.step("query", head + "y" * (size - 1 - len(head + tail)) + tail)
        assert reply["rows"]
        (reply,) = twins.step("query", f"SELECT REPEAT('z', {size - (4 if size - 4 < 1 << 24 else 9)})")
        assert len(reply["rows"][0]) == size
        twins.query("SELECT 1", on=REPLICA)


def test_a_row_that_begins_like_an_end_is_a_row(twins):
    """Trap 24: 0xFE begins a value of 16 MiB and more, and 0xFF, 0xFB, 0x00 begin values of other rows."""
    (reply,) = twins.step("query", f"SELECT REPEAT('z', {1 << 24}) UNION ALL SELECT 'after'")
    assert reply["rows"][0][0] == 0xFE and reply["rows"][1] == b"\x05after"
    twins.query("SELECT NULL", on=REPLICA)
    twins.query("SELECT '' UNION ALL SELECT REPEAT('y', 251) UNION ALL SELECT NULL UNION ALL SELECT REPEAT('x', 65536)", on=REPLICA)
    twins.query("SELECT 1 FROM t WHERE 1 = 0", on=REPLICA)


ANSWERS = (
    "", " ", ";", "/* nothing */", "-- nothing", "SELECT 1;", "SELECT 1; SELECT v FROM t; SELECT 2", "SELECT 1; SELECT nothing FROM t; SELECT 2",
    "UPDATE t SET v = v; SELECT 1; SET @a = 1; SELECT @a", "CALL p_many()", "SELECT 1;; SELECT 2", "SELECT 1; ;", "DO 1; SELECT 1 WHERE 1 = 0",
    "SELECT 1; INSERT INTO t VALUES (1, 'duplicate'); SELECT 2", "CALL p_many(); SELECT 'behind'", "SELECT * FROM nowhere", "nonsense",
    "SHOW WARNINGS; SHOW ERRORS", "EXPLAIN SELECT 1; DESCRIBE t", "SET @b = 1; SELECT @b",
)  # fmt: skip


def test_empty_queries_and_several_results_are_answered_as_by_the_server(twins):
    """Trap 24: an empty query is error 1065, several results come one after the other, an error ends them."""
    for sql in ANSWERS:
        twins.step("query", sql)
    twins.query("SELECT 'still here'")


def test_an_error_in_the_middle_of_rows_ends_them(twins):
    """Trap 24: an ERR behind rows that have been sent already; the session goes on."""
    slow = "SELECT REPEAT('x', 30000), (SELECT b.id FROM t b WHERE b.id <= a.id) FROM t a"
    for sql in (slow, f"SELECT 1; {slow}; SELECT 2"):
        replies = twins.query(sql)
        assert replies[-1]["end"]["code"] == 1242
        twins.query("SELECT v FROM t WHERE id = 3", on=REPLICA)
    twins.prepare(0, slow)
    assert twins.execute(0)[-1]["end"]["code"] == 1242


def test_every_command_ends_as_the_clients_capabilities_say(twins):
    """Trap 24: OK or EOF behind columns and rows, by CLIENT_DEPRECATE_EOF, for text, binary, cursors and field lists."""
    twins.query("SELECT id, v FROM t ORDER BY id", on=REPLICA)
    twins.prepare(0, "SELECT id, v FROM t WHERE id > ?")
    twins.execute(0, ("long", 1), on=REPLICA)
    twins.execute(0, ("long", 1), cursor=1)
    twins.step("fetch", 0, 10)
    twins.prepare(1, "CALL p_many()")
    twins.execute(1)
    twins.step("field_list", "t", "%")
    for option in (1, 0):
        twins.step("set_option", option)
    twins.step("ping")
    twins.step("init_db", "{s}")


LOAD = "LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (line)"


def test_a_local_file_is_loaded_wherever_the_request_comes(twins):
    """Trap 24: LOCAL INFILE alone, inside a multi-statement, of 0 bytes, refused by the client, of a missing table."""
    for sql, content in (
        (LOAD, b"one\ntwo\n"), (LOAD, b""), (LOAD, None), (f"SELECT 1; {LOAD}; SELECT COUNT(*) FROM loaded", b"three\n"),
        (f"{LOAD}; SELECT 2", None), ("LOAD DATA LOCAL INFILE 'any' INTO TABLE nowhere", b"x\n"), (f"{LOAD}; {LOAD}", b"four\n"),
        (LOAD, b"x" * 3 * MIB), ("BEGIN", None), (LOAD, b"undone\n"), ("ROLLBACK", None),
    ):  # fmt: skip
        twins.query(sql, on=None, infile=content)
    assert ("three",) in twins.rows("SELECT line FROM loaded ORDER BY line")
    twins.ok("DELETE FROM loaded")


def greeting_bytes(address):
    with socket.create_connection(address, timeout=10) as peer:
        head = peer.recv(4, socket.MSG_WAITALL)
        return peer.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL)


def offered(payload):
    """Capabilities of a greeting, MariaDB's own above bit 32."""
    at = payload.index(b"\0", 1) + 1 + 4 + 8 + 1
    low, high = struct.unpack_from("<H", payload, at)[0], struct.unpack_from("<H", payload, at + 5)[0]
    both = low | high << 16
    return both if both & wire.LONG_PASSWORD else both | struct.unpack_from("<I", payload, at + 14)[0] << 32


PROGRESS, EXTENDED_METADATA, CACHE_METADATA = 1 << 32, 1 << 35, 1 << 36


def test_nothing_is_offered_that_the_primary_would_not_keep(cluster, sluice):
    """Trap 24: progress reports, metadata caching, extended and optional metadata, query attributes: offered means kept."""
    ours, theirs = (offered(greeting_bytes(("127.0.0.1", port))) for port in (sluice.port, cluster.primary.port))
    assert ours & ~(theirs | 1 << 11) == 0, f"Sluice offers {ours & ~theirs:#x} more"  # TLS is Sluice's own affair
    # Sluice keeps neither of these; a client asks for them only if they are offered.
    assert not ours & (PROGRESS | CACHE_METADATA)
    wanted = wire.QUERY_ATTRIBUTES | 1 << 25 | EXTENDED_METADATA
    assert ours & wanted == theirs & wanted


def raw_answer(asked, sql):
    """The payloads that answer a text query which sends rows to a client with CLIENT_DEPRECATE_EOF."""
    asked._command(3, sql.encode())
    payloads = [asked._packets.receive()]
    while payloads[-1][:1] not in (b"\xff", b"\xfe") and not (len(payloads) == 1 and payloads[0][:1] == b"\0"):
        payloads.append(asked._packets.receive())
    return payloads


def test_a_client_may_do_without_metadata(cluster, sluice, ground):
    """Trap 24: CLIENT_OPTIONAL_RESULTSET_METADATA with resultset_metadata = NONE: rows come without columns, on replicas too."""
    options = ("deprecate_eof", "optional_metadata")
    with Twins(cluster, sluice, ground, options=options) as twins:
        answers = []
        for one in (twins.direct, twins.through):
            said = [raw_answer(one, "SELECT v FROM t WHERE id = 1")]
            if cluster.engine.name == "mysql":
                said += [raw_answer(one, "SET resultset_metadata = NONE"), raw_answer(one, "SELECT v FROM t WHERE id = 1")]
                assert said[2][0] == b"\1\0" and said[2][1] == b"\x03one"
                said += [raw_answer(one, "SET resultset_metadata = FULL"), raw_answer(one, "SELECT v, id FROM t WHERE id = 2")]
            answers.append([[payload.replace(b"test_twin_a", b"test_twin_b") for payload in answer] for answer in said])
        assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def attributes_component(cluster):
    """MySQL reads query attributes with a component's function."""
    if cluster.engine.name == "mysql":
        for backend in cluster.backends:
            backend.sql("SET sql_log_bin = 0")
            with backend.connect() as root, root.cursor() as cursor:
                cursor.execute("SET GLOBAL super_read_only = 0")
                cursor.execute("SET sql_log_bin = 0")
                cursor.execute("INSTALL COMPONENT 'file://component_query_attributes'")
                if backend is not cluster.primary:
                    cursor.execute("SET GLOBAL super_read_only = 1")


def test_query_attributes_arrive_with_their_statement_and_no_other(cluster, sluice, ground, attributes_component):
    """Trap 24: CLIENT_QUERY_ATTRIBUTES, none, one and several, in text and in binary; MariaDB does not offer them."""
    asks = "mysql_query_attribute_string('one')" if cluster.engine.name == "mysql" else "'none'"
    some = (("one", "var_string", "1st"), ("two", "long", 2))
    with Twins(cluster, sluice, ground, options=(*OPTIONS, "attributes")) as twins:
        for attributes in ((), some[:1], some, (), (("one", "null", None),)):
            twins.query(f"SELECT {asks}, v FROM t WHERE id = 1", attributes=attributes)
        twins.query("UPDATE t SET v = v WHERE id = 1", attributes=some, on=PRIMARY)
        twins.prepare(0, "SELECT v FROM t WHERE id = ?")
        twins.execute(0, ("long", 1))
        twins.prepare(1, "SELECT v FROM t")
        twins.execute(1)


def test_a_packet_above_max_allowed_packet_is_refused_as_by_the_server(cluster, ground):
    """Trap 24: max_allowed_packet: a statement above it is an error, a result above it a warning and NULL."""
    with contextlib.ExitStack() as undo:
        for backend in cluster.backends:
            backend.sql(f"SET GLOBAL max_allowed_packet = {MIB}")
            undo.callback(backend.sql, f"SET GLOBAL max_allowed_packet = {1024 * MIB}")
        own = undo.enter_context(Sluice(cluster, **PATIENT))
        with Twins(cluster, own, ground) as twins:
            twins.query(f"SELECT LENGTH(REPEAT('x', {2 * MIB}))")
            twins.query("SHOW WARNINGS")
            for one in (twins.direct, twins.through):
                with contextlib.suppress(wire.Lost):  # the server hangs up, and may do so before it has read all
                    (reply,) = one.query("SELECT '" + "x" * (2 * MIB) + "'")
                    # The server resets the connection: Sluice may not live to hear why, either.
                    assert reply["code"] in (1153, 1053), reply
        assert own.sql("SELECT 1 AS one") == [{"one": 1}]


SHAPES = (
    OPTIONS, (), ("multi",), ("deprecate_eof",), ("track",), ("found_rows",), ("attributes", "deprecate_eof"), ("attributes",),
    ("ignore_space", "track"), ("multi", "deprecate_eof", "attributes", "track", "found_rows"), ("optional_metadata", "deprecate_eof"),
)  # fmt: skip


def test_clients_of_different_capabilities_take_turns_and_never_hear_each_others_shape(cluster, ground):
    """Trap 25: links are shared only among clients whose answers look the same (MySQL Router: error 1210)."""
    # A link for each shape, and no more: they must be reused, or given up for each other.
    with Sluice(cluster, **PATIENT, pool={"max_links": 12}) as few, contextlib.ExitStack() as stack:
        shapes = [shape for shape in SHAPES if "optional_metadata" not in shape or cluster.engine.name == "mariadb"]
        everybody = [stack.enter_context(Twins(cluster, few, ground, options=shape)) for shape in shapes]
        for turn in range(3):
            for twins in everybody:
                twins.query("SELECT id, v FROM t ORDER BY id", on=None if turn else REPLICA)
                twins.query("UPDATE t SET v = v WHERE id = 1", on=PRIMARY)
                twins.prepare(turn, "SELECT v, ? FROM t WHERE id = ?")
                twins.execute(turn, ("varchar", "x"), ("long", 2))
                twins.query("SELECT 1; SELECT 2")
        for twins in everybody:
            twins.query("SELECT COUNT (*) FROM t")  # an error but for CLIENT_IGNORE_SPACE
