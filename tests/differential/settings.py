"""Statements that shape a session: SET in all its spellings, charsets, schemas, transactions' traits, locks.

Each producer takes the generator and returns steps. gen.pick() chooses, gen.q()
makes a query step, gen.schema is the script's own schema.
"""

MODES = [
    "", "ANSI", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "IGNORE_SPACE", "STRICT_ALL_TABLES", "TRADITIONAL",
    "NO_ZERO_DATE,NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO", "NO_UNSIGNED_SUBTRACTION", "REAL_AS_FLOAT",
    "HIGH_NOT_PRECEDENCE", "NO_AUTO_VALUE_ON_ZERO", "ONLY_FULL_GROUP_BY", "PAD_CHAR_TO_FULL_LENGTH", "ALLOW_INVALID_DATES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT", "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO",
]  # fmt: skip
SHARED = {
    "sql_mode": [*(f"'{mode}'" for mode in MODES), "CONCAT(@@sql_mode, ',ANSI_QUOTES')", "'NOT_A_MODE'"],
    "time_zone": ["'+03:00'", "'-11:30'", "'SYSTEM'", "'+14:00'", "'Nowhere/None'", "'00:00'"],
    "group_concat_max_len": ["4", "7", "100", "1024", "-1"],
    "sql_select_limit": ["1", "2", "3", "0", "18446744073709551615"],
    "foreign_key_checks": ["0", "1", "OFF", "ON", "2"],
    "unique_checks": ["0", "1"],
    "autocommit": ["0", "1", "OFF", "ON", "DEFAULT"],
    "lc_time_names": ["'de_DE'", "'ja_JP'", "'en_US'", "'xx_XX'", "8"],
    "lc_messages": ["'en_US'", "'de_DE'"],
    "collation_connection": ["utf8mb4_bin", "latin1_bin", "'utf8mb3_general_ci'", "nonsense_ci", "latin1_general_cs"],
    "character_set_results": ["NULL", "latin1", "utf8mb4", "binary", "'utf8mb3'", "ucs2"],
    "character_set_client": ["latin1", "utf8mb4", "ascii", "ucs2"],
    "character_set_connection": ["latin1", "utf8mb4", "cp1251"],
    "collation_database": ["latin1_bin", "utf8mb4_bin"],
    "collation_server": ["latin1_bin", "utf8mb4_unicode_ci"],
    "character_set_server": ["latin1", "utf8mb4"],
    "div_precision_increment": ["0", "2", "8", "30", "99"],
    "default_week_format": ["0", "1", "3", "7"],
    "last_insert_id": ["77", "0", "18446744073709551615"],
    "identity": ["78"],
    "sql_safe_updates": ["1", "0"],
    "sql_auto_is_null": ["1", "0"],
    "sql_notes": ["0", "1"],
    "sql_warnings": ["1", "0"],
    "sql_big_selects": ["1", "0"],
    "sql_buffer_result": ["1", "0"],
    "sql_quote_show_create": ["0", "1"],
    "big_tables": ["1", "0"],
    "completion_type": ["0", "1", "CHAIN", "'NO_CHAIN'", "DEFAULT"],
    "max_error_count": ["0", "1", "64"],
    "max_sort_length": ["8", "1024"],
    "max_join_size": ["1", "10", "18446744073709551615"],
    "max_sp_recursion_depth": ["5"],
    "wait_timeout": ["1000", "28800"],
    "net_write_timeout": ["61"],
    "lock_wait_timeout": ["9", "3"],
    "innodb_lock_wait_timeout": ["3", "2"],
    "innodb_strict_mode": ["0", "1"],
    "sort_buffer_size": ["65536"],
    "join_buffer_size": ["1024"],
    "tmp_table_size": ["16384"],
    "max_heap_table_size": ["16384"],
    "optimizer_switch": ["'derived_merge=off'", "'index_merge=off,mrr=on'", "DEFAULT", "'nonsense=on'"],
    "optimizer_search_depth": ["3"],
    "default_storage_engine": ["MyISAM", "InnoDB", "MEMORY"],
    "auto_increment_increment": ["3", "1"],
    "auto_increment_offset": ["2", "1"],
    "old_alter_table": ["1"],
    "updatable_views_with_limit": ["0", "1"],
    "low_priority_updates": ["1", "0"],
    "eq_range_index_dive_limit": ["2"],
    "query_alloc_block_size": ["16384"],
    "sql_log_bin": ["0"],
    "read_only": ["0"],
    "version": ["1"],
    "no_such_variable": ["1"],
    "max_allowed_packet": ["2048"],
    "profiling": ["0"],
    "transaction_isolation": ["'READ-COMMITTED'", "'REPEATABLE-READ'", "'SERIALIZABLE'", "'NONE'"],
    "transaction_read_only": ["0", "1", "0"],
}  # fmt: skip
OF_ENGINE = {
    "mysql": {
        "max_execution_time": ["5000", "0"],
        "cte_max_recursion_depth": ["3", "1000"],
        "default_collation_for_utf8mb4": ["utf8mb4_general_ci", "utf8mb4_0900_ai_ci"],
        "windowing_use_high_precision": ["0"],
        "resultset_metadata": ["FULL", "NONE"],
        "information_schema_stats_expiry": ["0"],
        "print_identified_with_as_hex": ["1"],
        "sql_generate_invisible_primary_key": ["1"],
        "show_create_table_verbosity": ["1"],
        "explicit_defaults_for_timestamp": ["0"],
        "require_row_format": ["1"],
        "select_into_disk_sync": ["1"],
        "collation_connection": ["utf8mb4_0900_ai_ci", "utf8mb4_ja_0900_as_cs", "utf8mb4_zh_0900_as_cs"],
    },
    "mariadb": {
        "max_statement_time": ["5", "0"],
        "max_recursive_iterations": ["3", "1000"],
        "tx_isolation": ["'READ-COMMITTED'", "'SERIALIZABLE'", "DEFAULT"],
        "tx_read_only": ["1", "0", "DEFAULT"],
        "check_constraint_checks": ["0", "1"],
        "old_mode": ["''", "'UTF8_IS_UTF8MB3'", "'NO_DUP_KEY_WARNINGS_WITH_IGNORE'"],
        "sql_mode": ["ORACLE", "'EMPTY_STRING_IS_NULL'", "'TIME_ROUND_FRACTIONAL'", "'MSSQL'"],
        "sql_if_exists": ["1", "0"],
        "system_versioning_asof": ["DEFAULT"],
        "standard_compliant_cte": ["0"],
        "idle_transaction_timeout": ["100"],
        "default_regex_flags": ["'DOTALL'"],
        "explicit_defaults_for_timestamp": ["0"],
        "join_cache_level": ["0", "8"],
        "query_cache_type": ["0"],
        "storage_engine": ["MEMORY", "Aria"],
        "in_transaction": ["1"],
        "secure_auth": ["1"],
        "use_stat_tables": ["NEVER"],
        "gtid_domain_id": ["7"],
        "collation_connection": ["utf8mb4_nopad_bin", "utf8mb4_uca1400_ai_ci", "utf8mb3_uca1400_as_cs"],
    },
}
CHARSETS = {
    "latin1": ["latin1_swedish_ci", "latin1_bin", "latin1_german2_ci"],
    "utf8mb4": ["utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci"],
    "utf8mb3": ["utf8mb3_general_ci", "utf8mb3_bin"],
    "ascii": ["ascii_bin"],
    "binary": ["binary"],
    "cp1251": ["cp1251_general_ci"],
    "sjis": ["sjis_japanese_ci"],
    "gbk": ["gbk_chinese_ci"],
    "ucs2": ["ucs2_general_ci"],
    "nocharset": ["nocharset_ci"],
}
BEYOND_255 = {
    "mysql": ["utf8mb4_ja_0900_as_cs", "utf8mb4_0900_ai_ci", "utf8mb4_0900_bin", "utf8mb4_de_pb_0900_ai_ci"],
    "mariadb": ["utf8mb4_nopad_bin", "utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_swedish_ai_cs", "utf8mb4_unicode_520_nopad_ci"],
}


def variables_of(engine):
    every = {name: list(values) for name, values in SHARED.items()}
    for name, values in OF_ENGINE[engine].items():
        every.setdefault(name, []).extend(values)
    if engine == "mysql":
        # One must be privileged to set it to any value but DEFAULT, which the tracker tells as a value.
        # Anybody may turn the other one on, but only the privileged may turn it off again.
        del every["innodb_strict_mode"], every["require_row_format"]
    return every


def assignment(gen):
    """name = value, with the name spelt in one of many ways."""
    if gen.chance(0.1):
        return gen.user_assignment()
    name = gen.pick(gen.favourites if gen.chance(0.6) else list(gen.variables))
    # These fail so late that MariaDB tells of what was set before them with its next OK.
    has_default = name not in ("last_insert_id", "identity")
    value = "DEFAULT" if has_default and gen.chance(0.1) else gen.pick(gen.variables[name])
    if gen.chance(0.04):
        value = gen.pick([f"@{gen.variable()}", "(SELECT 1)", f"@@{name}", f"@@global.{name}", f"IF(1, {value}, 0)"])
    prefix = gen.pick(["", "", "SESSION ", "@@", "@@session.", "LOCAL ", "@@local."])
    if gen.chance(0.02):
        prefix = gen.pick(["GLOBAL ", "@@global.", "SESSION @@"])
    return f"{prefix}{name.upper() if gen.chance(0.05) else name} {gen.pick(['=', '=', ':='])} {value}"


def set_variables(gen):
    count = gen.pick([1, 1, 1, 2, 3])
    sql = "SET " + ", ".join(assignment(gen) for _ in range(count))
    return [gen.q(gen.pick([sql, sql, sql, f"/* c */ {sql} ;", f"SET /*!50000 {sql[4:]} */"]))]


def set_one_time(gen):
    """Traits that hold for the next statement, and what shows them."""
    return gen.pick([
        lambda: [gen.q("SET timestamp = " + gen.pick(["1700000000", "1000000000.25", "1"])), gen.q(gen.clock())],
        lambda: [gen.q("SET timestamp = 1700000000"), gen.q("INSERT INTO t (a, d) VALUES (6, NOW(3))")],
        lambda: [gen.q("SET timestamp = DEFAULT")],
        lambda: [gen.q(f"SET insert_id = {gen.rng.randrange(50, 90)}"), *gen.maybe_read(), gen.q("INSERT INTO t (a) VALUES (9)")],
        lambda: [gen.q("SET rand_seed1 = 11, rand_seed2 = 22"), gen.q("SELECT RAND(), RAND()")],
        lambda: [gen.q(f"SET last_insert_id = {gen.rng.randrange(99)}"), *gen.maybe_read(), gen.q("SELECT LAST_INSERT_ID(), @@identity")],
        lambda: [gen.q("SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM t ORDER BY id")],
        lambda: [gen.q("SELECT /*+ SET_VAR(sql_select_limit = 1) MAX_EXECUTION_TIME(9000) */ id FROM t ORDER BY id")],
    ])()  # fmt: skip


def set_names(gen):
    charset = gen.pick(list(CHARSETS))
    collation = gen.pick(CHARSETS[charset])
    if gen.chance(0.25):
        charset, collation = "utf8mb4", gen.pick(BEYOND_255[gen.engine])
    return [
        gen.q(
            gen.pick([
                f"SET NAMES {charset}", f"SET NAMES '{charset}' COLLATE '{collation}'", f"SET NAMES {charset} COLLATE {collation}",
                "SET NAMES DEFAULT", f"SET CHARACTER SET {charset}", "SET CHARACTER SET DEFAULT", f"SET CHARSET '{charset}'",
                f"SET collation_connection = {collation}", f"SET NAMES {charset}, @{gen.variable()} = 1",
            ])  # fmt: skip
        )
    ]


def change_schema(gen):
    schema = gen.pick([gen.schema, gen.schema + "2", gen.schema + "2", "test_missing", gen.schema.upper(), "information_schema"])
    return [gen.pick([gen.q(f"USE {schema}"), gen.q(f"use `{schema}`;"), ("init_db", schema), ("init_db", schema)])]


def reset(gen):
    return [
        gen.pick([
            ("reset_connection",), ("reset_connection",),
            ("change_user", gen.pick([gen.schema, gen.schema + "2", ""]), gen.pick([45, 8, 33, 63, *gen.high_collations])),
        ])
    ]  # fmt: skip


def protocol(gen):
    return [
        gen.pick([
            ("ping",), ("set_option", 0), ("set_option", 1), ("field_list", gen.pick(["t", "u", "v", "missing"]), gen.pick(["", "%", "i%"])),
            gen.q(""), gen.q(";"), gen.q("-- nothing"), gen.q("/* only a comment */"), gen.q("SELECT 1;;"), ("ping",),
            ("set_option", 7), ("unknown_command", 0x0F),
        ])
    ]  # fmt: skip


def locks(gen):
    name = gen.pick([f"'{gen.schema}_1'", f"'{gen.schema}_2'"])
    return [
        gen.q(
            gen.pick([
                f"SELECT GET_LOCK({name}, 0)", f"SELECT RELEASE_LOCK({name})", "SELECT RELEASE_ALL_LOCKS()", f"DO GET_LOCK({name}, 0)",
                f"SELECT IS_USED_LOCK({name}) = CONNECTION_ID()", f"SELECT IS_FREE_LOCK({name})", "LOCK TABLES t READ",
                "LOCK TABLES t WRITE, u READ", "UNLOCK TABLES", "UNLOCK TABLES", "LOCK TABLES t AS x READ, missing READ",
                "HANDLER t OPEN", "HANDLER t OPEN AS h", "HANDLER t READ FIRST", "HANDLER h READ a NEXT LIMIT 2",
                "HANDLER t READ `PRIMARY` = (2)", "HANDLER t CLOSE", "HANDLER h CLOSE", "FLUSH TABLES t", "FLUSH TABLES WITH READ LOCK",
                "XA START 'x'", "XA END 'x'", "XA ROLLBACK 'x'", "CALL p_lock()", f"SELECT RELEASE_LOCK('{gen.schema}_p')",
            ])  # fmt: skip
        )
    ]
