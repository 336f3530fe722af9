"""Prepared statements: text and binary, user variables that feed them, parameters of all types."""

SLOTS = 4
# Statements with placeholders: each parameter is a class of value, "i", "s", "d" or "x" (anything).
BINARY = [
    ("SELECT ?", "x"), ("SELECT ?, ?", "xx"), ("SELECT id, a, b FROM t WHERE id = ?", "i"), ("SELECT * FROM t WHERE a > ? ORDER BY id", "i"), ("SELECT * FROM u ORDER BY id", ""),
    ("SELECT * FROM t ORDER BY id LIMIT ?", "n"), ("INSERT INTO t (a, b) VALUES (?, ?)", "is"), ("INSERT INTO t (a, b, c, d, e) VALUES (?, ?, ?, ?, ?)", "isxdx"), ("UPDATE t SET a = ? WHERE id = ?", "ii"),
    ("DELETE FROM t WHERE id = ?", "i"), ("SELECT id FROM t WHERE id = ? FOR UPDATE", "i"), ("CALL p_read(?)", "i"), ("CALL p_write(?, ?)", "ii"), ("CALL p_many(?)", "i"), ("SET @bin = ?", "x"), ("SELECT @bin", ""),
    ("SELECT LAST_INSERT_ID()", ""), ("SELECT LAST_INSERT_ID(), ?", "i"), ("SELECT ROW_COUNT()", ""), ("SHOW WARNINGS", ""), ("SELECT @@warning_count", ""), ("SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", ""),
    ("SELECT CONCAT(?, b) FROM t ORDER BY id", "s"), ("SELECT HEX(?), LENGTH(?), CHARSET(?)", "sss"), ("SELECT ? + 1, ? / 3", "ii"), ("SELECT f_pure(?)", "i"), ("SELECT f_write(?)", "i"), ("SET sql_mode = ?", "m"), ("SET SESSION group_concat_max_len = ?", "n"),
    ("SELECT id FROM t WHERE d < ? ORDER BY id", "d"), ("SELEC ?", ""), ("SELECT * FROM missing WHERE id = ?", ""), ("SELECT 1; SELECT 2", ""), ("INSERT INTO u (n, x, y) VALUES (?, ?, ?)", "sss"), ("COMMIT", ""), ("START TRANSACTION", ""),
    ("CREATE TEMPORARY TABLE tmp (id INT)", ""), ("DROP TABLE tmp", ""), ("SELECT * FROM tmp", ""), ("SELECT ? FROM t, u, child ORDER BY t.id", "x"), ("SELECT GROUP_CONCAT(b ORDER BY id) FROM t WHERE id > ?", "i"), ("DO ?", "x"),
    ("SELECT @v1 := ?", "x"), ("USE test_diff2", ""), ("SHOW VARIABLES LIKE 'sql_mode'", ""), ("SELECT 'a' || ?, \"b\"", "s"), ("SELECT DATABASE(), @@time_zone", ""), ("REPLACE INTO t (id, b) VALUES (?, ?)", "is"), ("SELECT REPEAT(?, 30000)", "s"),
    ("SELECT ? IS NULL, ? = b FROM t ORDER BY id", "xs"), ("SELECT (?), CAST(? AS DECIMAL(9,3)), ?", "xxx"), ("SELECT GET_LOCK(CONCAT(DATABASE(), '_1'), ?)", "n"), ("SET autocommit = ?", "n"), ("ALTER TABLE t ADD added2 INT", ""), ("TABLE t", ""),
]  # fmt: skip
TEXTS = [
    "SELECT ? + 1", "SELECT id, b FROM t WHERE id = ?", "SELECT 5", "INSERT INTO t (a) VALUES (?)", "SELEC", "SET @from_text = ?", "SELECT b FROM t ORDER BY id LIMIT ?", "SET sql_mode = ANSI_QUOTES", "SELECT ?, ?", "SELECT LAST_INSERT_ID()",
    "CREATE TEMPORARY TABLE tmp (i INT)", "SET autocommit = 0", "USE test_diff2", "SELECT id FROM t WHERE id = ? FOR UPDATE", "CALL p_read(?)", "SHOW WARNINGS", "SELECT COUNT(*) FROM t",
]  # fmt: skip
INTEGERS = [
    ("tiny", 1), ("tiny", -1), ("short", 2), ("long", 3), ("longlong", 2), ("ulonglong", 18446744073709551615), ("utiny", 255), ("null", None), ("long", None), ("string", "2"), ("double", 2.0), ("newdecimal", "3"), ("ushort", 65535), ("ulong", 4294967295),
]  # fmt: skip
STRINGS = [
    ("string", "text"), ("var_string", "é"), ("varchar", ""), ("blob", b"\x00\xff'\\"), ("string", None), ("string", b"\xe9"), ("long", 7), ("string", "it's \\ \"q\""), ("blob", b"x" * 300), ("json", '{"a": 1}'),
]  # fmt: skip
DATES = [
    ("date", (2024, 2, 29)), ("datetime", (2003, 3, 3, 3, 3, 3)), ("timestamp", (2001, 1, 1, 1, 1, 1, 123456)), ("datetime", None), ("datetime", ()), ("string", "2002-02-02"), ("datetime", (2024, 2, 30)),
]  # fmt: skip
OTHERS = [
    ("float", 1.5), ("double", -2.5e300), ("newdecimal", "123456789.123456789"), ("time", (0, 0, 12, 34, 56)), ("time", (1, 2, 3, 4, 5, 678000)), ("time", ()), ("year", 2024), ("enum", "red"), ("set", "a,b"), ("bit", b"\x05"),
]  # fmt: skip
LITERALS = [
    "1", "-7", "18446744073709551615", "1.50", "-0.001", "1e10", "1.5e-300", "'text'", "'é'", "NULL", "_latin1 0xE9", "_latin1'x' COLLATE latin1_german2_ci", "x'00FF'", "b'101'", "'it''s'", r"'a\\b'", "''", "TRUE", "N'n'", "DATE '2024-01-01'",
    "CAST(5 AS UNSIGNED)", "1/3", "'q' COLLATE utf8mb4_bin", "(SELECT COUNT(*) FROM t)", "(SELECT b FROM t WHERE id = 2)", "@v1", "CONCAT(@v1, 'x')", "@@sql_mode", "LAST_INSERT_ID()", "CONNECTION_ID() * 0", "0x41", "TIMESTAMP'2024-01-01 00:00:00'",
    "99999999999999999999.5", "-9223372036854775808", "\"dq\"", "REPEAT('y', 3000)", "JSON_OBJECT('k', 1)", "(SELECT id FROM t)", "'a' 'b'", "nosuch", "f_pure(3)", "USER() = ''", "1 = 1", "00012", "+5", "1.0", "- 3", "_utf8mb4'u'", "_binary'z'",
]  # fmt: skip


def value(gen, kind):
    choices = {"i": INTEGERS, "s": STRINGS, "d": DATES, "n": [("long", 1), ("longlong", 3), ("tiny", 0)], "m": [("string", "ANSI_QUOTES"), ("string", "")]}.get(kind)
    return gen.pick(choices or [*INTEGERS, *STRINGS, *DATES, *OTHERS])


def values(gen, kinds):
    if gen.chance(0.03):
        kinds = gen.pick([kinds + "i", kinds[:-1]])
    return tuple(value(gen, kind) for kind in kinds)


def _prepare(gen, slot):
    sql, kinds = gen.pick(BINARY)
    gen.slots[slot] = kinds
    gen.types.pop(slot, None)
    gen.cursors.pop(slot, None)
    return [("prepare", slot, sql.replace("test_diff", gen.schema))]


def _execute(gen, slot):
    kinds = gen.slots.get(slot, "")
    bound = gen.types.get(slot)
    given = values(gen, kinds)
    bind = bound is None or gen.chance(0.6)
    if not bind:
        # The same types as last time, with values of today.
        given = tuple((kind, old if gen.chance(0.5) else None) for kind, old in bound)
    elif given:
        gen.types[slot] = given
    if gen.engine == "mysql":
        # MySQL 9.7 that executed a statement with a cursor and then without one ends the
        # columns with an OK whose header is 0x00, and sends no rows: no client can read that.
        cursor = gen.cursors.setdefault(slot, 1 if gen.chance(0.12) else 0)
    else:
        cursor = 1 if gen.chance(0.12) else 0
    steps = [("execute", slot, given, bind, cursor)]
    if cursor:
        steps += [("fetch", slot, gen.pick([1, 2, 100]))] * gen.pick([0, 1, 1, 2, 3])
    return steps


def binary(gen):
    slot = gen.rng.randrange(SLOTS)
    choice = gen.rng.random()
    if slot not in gen.slots or choice < 0.2:
        return _prepare(gen, slot) + _execute(gen, slot)
    if choice < 0.75:
        return _execute(gen, slot)
    if choice < 0.80:
        gen.slots.pop(slot)
        gen.cursors.pop(slot, None)
        return [("close_statement", slot)]
    if choice < 0.85:
        return [("reset_statement", slot)]
    if choice < 0.89:
        return [("fetch", slot, 1)]
    if choice < 0.96:
        return _long_data(gen, slot)
    return [("execute", SLOTS + 1, (), True, 0)]


def _long_data(gen, slot):
    kinds = gen.slots[slot]
    if "s" not in kinds:
        return []
    index = kinds.index("s")
    given = list(values(gen, kinds))
    given = given + [("long", 1)] * (index + 1 - len(given))
    given[index] = gen.pick([("blob", b""), ("string", "")])
    steps = [("long_data", slot, index, gen.pick([b"piece", b"", b"\xff\x00", b"p" * 5000])) for _ in range(gen.pick([1, 2]))]
    if gen.chance(0.2):
        steps.append(("reset_statement", slot))
    gen.types[slot] = tuple(given)
    return [*steps, *gen.maybe_read(), ("execute", slot, tuple(given), True, gen.cursors.get(slot, 0))]


def text(gen):
    name = gen.pick(["s1", "s2", "`S1`"])
    choice = gen.rng.random()
    if choice < 0.35:
        sql = gen.pick(TEXTS).replace("test_diff", gen.schema)
        return [gen.q(f"PREPARE {name} FROM '{sql}'" if gen.chance(0.7) else f"SET @{gen.variable()} = '{sql}'")]
    if choice < 0.45:
        return [gen.q(f"PREPARE {name} FROM @{gen.variable()}")]
    if choice < 0.85:
        using = gen.pick(["", f" USING @{gen.variable()}", f" USING @{gen.variable()}", f" USING @{gen.variable()}, @{gen.variable()}"])
        return [gen.q(f"EXECUTE {name}{using}")]
    return [gen.q(f"{gen.pick(['DEALLOCATE', 'DROP'])} PREPARE {name}")]


def user_assignment(gen):
    return f"@{gen.variable()} {gen.pick(['=', ':=', '='])} {gen.pick(LITERALS)}"


def user_variables(gen):
    if gen.chance(0.55):
        return [gen.q("SET " + ", ".join(user_assignment(gen) for _ in range(gen.pick([1, 1, 2, 3]))))]
    if gen.chance(0.25):
        name = gen.variable()
        return [gen.q(gen.pick([f"SELECT @{name} := @{name} + 1", f"SELECT @{name} := id FROM t ORDER BY id", f"SELECT @{name} := 5, @{name}", f"SELECT COUNT(*) INTO @{name} FROM t"]))]
    return [gen.q(variable_read(gen))]


def variable_read(gen):
    name = gen.variable()
    return gen.pick([
        f"SELECT @{name}", f"SELECT @{name}, @{gen.variable()}", f"SELECT CHARSET(@{name}), COLLATION(@{name}), COERCIBILITY(@{name})", f"SELECT HEX(@{name}), LENGTH(@{name})",
        f"SELECT @{name} + 1, CONCAT(@{name}, 'x')", f"SELECT id FROM t WHERE id = @{name}", f"SELECT @{name} / 3", f"SELECT @`{name}`, @'{name}'", f"SELECT b = @{name} FROM t ORDER BY id", f"SELECT @{name} = 'TEXT'",
    ])  # fmt: skip
