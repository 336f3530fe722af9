<?php
// mysqli (mysqlnd): text queries, server-side prepares, multi_query, change_user.
require __DIR__ . '/endpoint.php';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function connect($password = PASSWORD, $schema = SCHEMA, $host = HOST) {
    $link = mysqli_init();
    $link->options(MYSQLI_OPT_LOCAL_INFILE, 1);
    $flags = TLS ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0;
    $link->real_connect($host, USER, $password, $schema, intval(PORT), null, $flags);
    $link->set_charset('utf8mb4');
    return $link;
}

$main = connect();

// Without values as text, with values as a prepared statement.
function ask($sql, array $values = [], $on = null) {
    global $main;
    $result = $values ? ($on ?? $main)->execute_query($sql, $values) : ($on ?? $main)->query($sql);
    return is_bool($result) ? [] : array_map('text_of', $result->fetch_all());
}
function one($sql, array $values = [], $on = null) { return ask($sql, $values, $on)[0][0]; }

function fresh($name, $columns = 'id INT PRIMARY KEY AUTO_INCREMENT, v INT') {
    $table = PREFIX . "_$name";
    ask("DROP TABLE IF EXISTS $table");
    ask("CREATE TABLE $table ($columns)");
    return $table;
}
// What another connection sees, read in a transaction: the primary's truth.
function others_count($table) {
    $other = connect();
    $other->begin_transaction();
    return one("SELECT COUNT(*) FROM $table", [], $other);
}
function fails($code, $state, callable $work) {
    try {
        $work();
    } catch (mysqli_sql_exception $error) {
        equal([$error->getCode(), $error->getSqlState()], [$code, $state]);
        return $error->getMessage();
    }
    throw new Exception("no error $code");
}
function fails_then_works($code, $state, $sql) {
    fails($code, $state, fn() => ask($sql));
    equal(one('SELECT 1'), '1');
}
function sets($sql) {
    global $main;
    $main->multi_query($sql);
    do {
        $result = $main->store_result();
        $all[] = $result ? array_map('text_of', $result->fetch_all()) : $main->affected_rows;
    } while ($main->next_result());
    return $all;
}

$scenarios = [
'login' => fn() => equal(one('SELECT DATABASE()'), SCHEMA),
'login_wrong_password' => function () {  // mysqli drops the SQLSTATE of a refused login
    $message = fails(1045, 'HY000', fn() => connect('wrong'));
    equal([str_starts_with($message, "Access denied for user '" . USER . "'@'"), str_ends_with($message, '(using password: YES)')], [true, true]);
},
'login_unknown_schema' => fn() => fails(1049, 'HY000', fn() => connect(PASSWORD, MISSING)),
'ddl' => function () {
    $table = fresh('ddl', 'id INT');
    ask("ALTER TABLE $table ADD COLUMN added VARCHAR(7)");
    equal(array_column(ask("SHOW COLUMNS FROM $table"), 0), ['id', 'added']);
    ask("DROP TABLE $table");
    equal(ask("SHOW TABLES LIKE '$table'"), []);
},
'insert' => function () use ($main) {
    $table = fresh('insert');
    foreach (["INSERT INTO $table (v) VALUES (1),(2)" => [2, 1], "INSERT INTO $table (v) VALUES (3)" => [1, 3],
              "UPDATE $table SET v = 9 WHERE id < 3" => [2, 0], "DELETE FROM $table" => [3, 0]] as $sql => $expected) {
        ask($sql);
        equal([$main->affected_rows, $main->insert_id], $expected);
    }
},
'bulk_insert' => function () {
    $table = fresh('bulk');
    ask("INSERT INTO $table (v) VALUES " . implode(',', array_fill(0, 1000, '(?)')), range(1, 1000));
    equal(ask("SELECT COUNT(*), SUM(v) FROM $table"), [['1000', '500500']]);
},
'text_read' => function () use ($main) {
    $table = fresh('kinds', KINDS);
    $quoted = array_map(fn($v) => $v === null ? 'NULL' : ($v === ALL_BYTES ? '_binary' : '') . "'" . $main->real_escape_string($v) . "'", KIND_VALUES);
    ask("INSERT INTO $table (" . KIND_COLUMNS . ') VALUES (' . implode(',', $quoted) . ')');
    equal(ask('SELECT ' . KIND_COLUMNS . " FROM $table"), [KIND_VALUES]);
},
'prepared_read' => function () use ($main) {
    $statement = $main->prepare('SELECT ' . KIND_COLUMNS . ' FROM ' . PREFIX . '_kinds WHERE id = ?');
    for ($i = 0; $i < 3; ++$i) {
        $statement->execute([1]);
        equal(array_map('text_of', $statement->get_result()->fetch_all()), [KIND_VALUES]);
    }
},
'prepared_many' => function () use ($main) {
    $open = array_map(fn($i) => $main->prepare("SELECT $i, ? AS a, ? AS b"), range(0, 4));
    foreach ([['ss', 'y', '2.5'], ['is', 1, 'x'], ['sd', null, -7.5], ['si', '', null]] as [$types, $a, $b]) {
        foreach (array_reverse($open, true) as $i => $statement) {
            $statement->bind_param($types, $a, $b);
            $statement->execute();
            equal(array_map('text_of', $statement->get_result()->fetch_all()), [text_of([$i, $a, $b])]);
        }
    }
},
'prepared_long_data' => function () use ($main) {
    $table = fresh('longdata', 'v LONGBLOB');
    $long = str_repeat(ALL_BYTES, 6144);
    $statement = $main->prepare("INSERT INTO $table VALUES (?)");
    $nothing = null;
    $statement->bind_param('b', $nothing);
    foreach (str_split($long, 300000) as $part) $statement->send_long_data(0, $part);
    $statement->execute();
    equal(one("SELECT v FROM $table") === $long, true);
},
'prepared_error' => function () use ($main) {
    fails(1146, '42S02', fn() => $main->prepare('SELECT * FROM missing_table WHERE id = ?'));
    equal(one('SELECT 1'), '1');
},
'text_prepare' => function () {
    ask("PREPARE s FROM 'SELECT ? * 2'");
    ask('SET @p = 21');
    equal(one('EXECUTE s USING @p'), '42');
    ask('DEALLOCATE PREPARE s');
},
'commit' => function () use ($main) {
    $table = fresh('commit');
    $main->begin_transaction();
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    $main->commit();
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '1']);
},
'rollback' => function () use ($main) {
    $table = fresh('rollback');
    $main->begin_transaction();
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    $main->rollback();
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['0', '0']);
},
'own_writes' => function () use ($main) {
    $table = fresh('own');
    $main->begin_transaction(MYSQLI_TRANS_START_READ_WRITE);
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '0']);
    $main->commit();
    equal(others_count($table), '1');
},
'autocommit_off' => function () use ($main) {
    $table = fresh('autocommit');
    $main->autocommit(false);
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '0']);
    $main->commit();
    equal(others_count($table), '1');
    $main->autocommit(true);
},
'savepoint' => function () use ($main) {
    $table = fresh('savepoint');
    $main->begin_transaction();
    ask("INSERT INTO $table (id) VALUES (1)");
    $main->savepoint('s');
    ask("INSERT INTO $table (id) VALUES (2)");
    ask('ROLLBACK TO SAVEPOINT s');
    $main->commit();
    equal(ask("SELECT id FROM $table"), [['1']]);
},
'read_back' => function () use ($main) {
    $table = fresh('back');
    for ($i = 0; $i < 200; ++$i) {
        ask("INSERT INTO $table (v) VALUES ($i)");
        $id = $main->insert_id;
        equal($i % 2 ? one("SELECT v FROM $table WHERE id = $id") : one("SELECT v FROM $table WHERE id = ?", [$id]), strval($i));
    }
},
'set_names' => function () use ($main) {
    $main->set_charset('latin1');
    for ($i = 0; $i < 3; ++$i) {
        equal(ask("SELECT CHAR_LENGTH('é'), _utf8mb4 X'C3A9'"), [['2', "\xe9"]]);  // two bytes, two letters
    }
    $main->set_charset('utf8mb4');
    equal(one("SELECT CHAR_LENGTH('é')"), '1');
},
'set_time_zone' => function () {
    ask("SET time_zone = '+03:00'");
    for ($i = 0; $i < 3; ++$i) equal(one('SELECT FROM_UNIXTIME(0)'), '1970-01-01 03:00:00');
    ask('SET time_zone = SYSTEM');
},
'set_sql_mode' => function () {
    $mode = one('SELECT @@sql_mode');
    ask("SET sql_mode = 'ANSI_QUOTES'");
    for ($i = 0; $i < 3; ++$i) equal(one('SELECT "txt" FROM ' . PREFIX . '_kinds WHERE id = ?', [1]), EMOJI);
    ask("SET sql_mode = '$mode'");
    equal(one('SELECT "txt"'), 'txt');
},
'use_schema' => function () use ($main) {
    ask('CREATE TABLE IF NOT EXISTS ' . OTHER . '.' . PREFIX . '_there AS SELECT 7 AS v');
    $main->select_db(OTHER);
    equal(one('SELECT v FROM ' . PREFIX . '_there'), '7');
    fails(1049, '42000', fn() => $main->select_db(MISSING));
    equal(one('SELECT DATABASE()'), OTHER);
    ask('USE ' . SCHEMA);
    equal(one('SELECT DATABASE()'), SCHEMA);
},
'user_variable' => function () {
    ask('SET @a := 5');
    equal(one('SELECT @a + 1'), '6');
},
'last_insert_id' => function () {
    $table = fresh('last');
    ask("INSERT INTO $table VALUES (41, 0)");
    ask("INSERT INTO $table (v) VALUES (?)", [0]);
    for ($i = 0; $i < 3; ++$i) equal([one("SELECT COUNT(*) FROM $table"), one('SELECT LAST_INSERT_ID()')], ['2', '42']);
},
'multi_statements' => function () {
    $table = fresh('multi');
    equal(sets("SELECT 1; INSERT INTO $table (v) VALUES (8); SELECT v FROM $table; SELECT 2 FROM $table WHERE FALSE"),
        [[['1']], 1, [['8']], []]);
},
'call_results' => function () {
    ask('DROP PROCEDURE IF EXISTS ' . PREFIX . '_p');
    ask('CREATE PROCEDURE ' . PREFIX . "_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END");
    equal(array_slice(sets('CALL ' . PREFIX . '_p(4)'), 0, 2), [[['4']], [['5', 'two']]]);
},
'error_duplicate' => function () {
    $table = fresh('duplicate');
    ask("INSERT INTO $table VALUES (1, 1)");
    fails_then_works(1062, '23000', "INSERT INTO $table VALUES (1, 1)");
},
'error_syntax' => fn() => fails_then_works(1064, '42000', 'SELEKT 1'),
'error_missing_table' => fn() => fails_then_works(1146, '42S02', 'SELECT * FROM missing_table'),
'ping' => fn() => equal($main->ping(), true),
'change_user' => function () {
    $other = connect();
    ask('SET @a = 1', [], $other);
    $other->change_user(USER, PASSWORD, OTHER);
    equal(ask('SELECT DATABASE(), @a', [], $other), [[OTHER, null]]);
},
'long_row' => function () {
    $table = fresh('long', 'v LONGTEXT');
    ask("INSERT INTO $table SELECT REPEAT('abcde', 1048576)");
    equal(one("SELECT v FROM $table") === str_repeat('abcde', 1048576), true);
},
'empty_result' => function () use ($main) {
    $result = $main->query('SELECT id, txt AS other FROM ' . PREFIX . '_kinds WHERE id < 0');
    equal([array_column($result->fetch_fields(), 'name'), $result->fetch_all()], [['id', 'other'], []]);
},
'load_data_local' => function () {
    $table = fresh('load', 'id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4');
    ask("LOAD DATA LOCAL INFILE '" . INFILE . "' INTO TABLE $table CHARACTER SET utf8mb4");
    equal(ask("SELECT * FROM $table"), [['1', 'one'], ['2', EMOJI], ['3', null]]);
},
'temporary_table' => function () {
    $table = PREFIX . '_temp';
    ask("CREATE TEMPORARY TABLE $table AS SELECT 3 AS v");
    equal([one("SELECT v FROM $table"), one("SELECT v FROM $table WHERE v = ?", [3])], ['3', '3']);
    ask("DROP TEMPORARY TABLE $table");
    fails_then_works(1146, '42S02', "SELECT v FROM $table");
},
'show_warnings' => function () use ($main) {
    ask("SELECT CAST('abc' AS SIGNED)");
    equal([$main->warning_count, $main->get_warnings()->errno], [1, 1292]);
    ask('DROP TABLE IF EXISTS ' . PREFIX . '_never');
    equal(one('SHOW COUNT(*) WARNINGS'), '1');
    equal(array_column(ask('SHOW WARNINGS'), 1), ['1051']);
},
'for_update' => function () use ($main) {
    $table = fresh('lock');
    $other = connect();
    $locking = "SELECT v FROM $table WHERE id = 1 FOR UPDATE";
    ask("INSERT INTO $table VALUES (1, 7)");
    $main->begin_transaction();
    equal(one($locking), '7');
    try {
        ask("$locking NOWAIT", [], $other);
        throw new Exception('the row was not locked');
    } catch (mysqli_sql_exception $error) {
        equal(in_array($error->getCode(), [1205, 3572], true), true);  // MariaDB, MySQL
    }
    $main->commit();
    equal(one("$locking NOWAIT", [], $other), '7');
},
'pool' => function () {
    for ($i = 0; $i < 20; ++$i) {  // a persistent connection is taken up again, after a change of user
        $again = connect(PASSWORD, SCHEMA, 'p:' . HOST);
        equal(one('SELECT @left', [], $again), null);
        ask('SET @left = 1', [], $again);
        $again->close();
    }
},
'reconnects' => function () {
    for ($i = 0; $i < 30; ++$i) equal(one("SELECT $i", [], connect()), strval($i));
},
];
run_all($scenarios);
