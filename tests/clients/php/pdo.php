<?php
// PDO: `pdo.php emulated` substitutes values itself, `pdo.php native` prepares on the server.
require __DIR__ . '/endpoint.php';
define('EMULATED', $argv[1] === 'emulated');

function connect($password = PASSWORD, $schema = SCHEMA, array $more = []) {
    $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
        PDO::ATTR_EMULATE_PREPARES => EMULATED, PDO::MYSQL_ATTR_LOCAL_INFILE => true];
    if (TLS) {
        $options += [PDO::MYSQL_ATTR_SSL_CIPHER => 'HIGH', PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false];
    }
    return new PDO('mysql:host=' . HOST . ';port=' . PORT . ";dbname=$schema;charset=utf8mb4", USER, $password, $more + $options);
}

$main = connect();

function ask($sql, array $values = [], $on = null) {
    global $main;
    $statement = ($on ?? $main)->prepare($sql);
    $statement->execute($values);
    $rows = $statement->columnCount() ? array_map('text_of', $statement->fetchAll()) : [];
    $statement->closeCursor();
    return $rows;
}
function one($sql, array $values = [], $on = null) { return ask($sql, $values, $on)[0][0]; }

function fresh($name, $columns = 'id INT PRIMARY KEY AUTO_INCREMENT, v INT') {
    global $main;
    $table = PREFIX . "_$name";
    $main->exec("DROP TABLE IF EXISTS $table");
    $main->exec("CREATE TABLE $table ($columns)");
    return $table;
}
// What another connection sees, read in a transaction: the primary's truth.
function others_count($table) {
    $other = connect();
    $other->beginTransaction();
    return one("SELECT COUNT(*) FROM $table", [], $other);
}
function fails($code, $state, callable $work) {
    try {
        $work();
    } catch (PDOException $error) {
        // A refused login carries no errorInfo beyond the message before PHP 8.
        equal([$error->errorInfo[1], $error->errorInfo[0] ?? $state], [$code, $state]);
        return $error->getMessage();
    }
    throw new Exception("no error $code");
}
function fails_then_works($code, $state, $sql) {
    fails($code, $state, fn() => ask($sql));
    equal(one('SELECT 1'), '1');
}
function sets(PDOStatement $statement) {
    $all = [];
    do {
        if ($statement->columnCount()) $all[] = array_map('text_of', $statement->fetchAll());
    } while ($statement->nextRowset());
    return $all;
}

$scenarios = [
'login' => fn() => equal(one('SELECT DATABASE()'), SCHEMA),
'login_wrong_password' => function () {
    $message = fails(1045, 'HY000', fn() => connect('wrong'));
    equal([str_contains($message, "Access denied for user '" . USER . "'@'"), str_ends_with($message, '(using password: YES)')], [true, true]);
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
    equal([$main->exec("INSERT INTO $table (v) VALUES (1),(2)"), $main->lastInsertId()], [2, '1']);
    equal([$main->exec("INSERT INTO $table (v) VALUES (3)"), $main->lastInsertId()], [1, '3']);
    equal([$main->exec("UPDATE $table SET v = 9 WHERE id < 3"), $main->exec("DELETE FROM $table")], [2, 3]);
},
'bulk_insert' => function () {
    $table = fresh('bulk');
    ask("INSERT INTO $table (v) VALUES " . implode(',', array_fill(0, 1000, '(?)')), range(1, 1000));
    equal(ask("SELECT COUNT(*), SUM(v) FROM $table"), [['1000', '500500']]);
},
'text_read' => function () use ($main) {
    $table = fresh('kinds', KINDS);
    $statement = $main->prepare("INSERT INTO $table (" . KIND_COLUMNS . ') VALUES (?,?,?,?,?,?,?,?,?)');
    foreach (KIND_VALUES as $i => $value) {
        $statement->bindValue($i + 1, $value, $value === null ? PDO::PARAM_NULL : ($i === 1 ? PDO::PARAM_LOB : PDO::PARAM_STR));
    }
    $statement->execute();
    equal(text_of($main->query('SELECT ' . KIND_COLUMNS . " FROM $table")->fetch()), KIND_VALUES);
},
'prepared_read' => function () use ($main) {
    $statement = $main->prepare('SELECT ' . KIND_COLUMNS . ' FROM ' . PREFIX . '_kinds WHERE id = ?');
    for ($i = 0; $i < 3; ++$i) {
        $statement->execute([1]);
        equal(array_map('text_of', $statement->fetchAll()), [KIND_VALUES]);
    }
},
'prepared_many' => function () use ($main) {
    $open = array_map(fn($i) => $main->prepare("SELECT $i, ? AS a, ? AS b"), range(0, 4));
    foreach ([['y', '2.5'], [1, 'x'], [null, -7], ['', null]] as $values) {
        foreach (array_reverse($open, true) as $i => $statement) {
            foreach ($values as $place => $value) {
                $type = $value === null ? PDO::PARAM_NULL : (is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
                $statement->bindValue($place + 1, $value, $type);
            }
            $statement->execute();
            equal(array_map('text_of', $statement->fetchAll()), [text_of([$i, ...$values])]);
        }
    }
},
'prepared_long_data' => function () use ($main) {
    $table = fresh('longdata', 'v LONGBLOB');
    $long = str_repeat(ALL_BYTES, 6144);
    $statement = $main->prepare("INSERT INTO $table VALUES (?)");
    $stream = fopen('php://memory', 'r+');
    fwrite($stream, $long);
    rewind($stream);
    $statement->bindParam(1, $stream, PDO::PARAM_LOB);
    $statement->execute();
    equal(one("SELECT v FROM $table") === $long, true);
},
'prepared_error' => fn() => fails_then_works(1146, '42S02', 'SELECT * FROM missing_table WHERE id = 1'),
'text_prepare' => function () use ($main) {
    $main->exec("PREPARE s FROM 'SELECT ? * 2'");
    $main->exec('SET @p = 21');
    equal(text_of($main->query('EXECUTE s USING @p')->fetchAll()[0]), ['42']);
    $main->exec('DEALLOCATE PREPARE s');
},
'commit' => function () use ($main) {
    $table = fresh('commit');
    $main->beginTransaction();
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    $main->commit();
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '1']);
},
'rollback' => function () use ($main) {
    $table = fresh('rollback');
    $main->beginTransaction();
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    equal($main->inTransaction(), true);
    $main->rollBack();
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['0', '0']);
},
'own_writes' => function () use ($main) {
    $table = fresh('own');
    $main->beginTransaction();
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '0']);
    $main->commit();
    equal(others_count($table), '1');
},
'autocommit_off' => function () use ($main) {
    $table = fresh('autocommit');
    $main->setAttribute(PDO::ATTR_AUTOCOMMIT, 0);
    ask("INSERT INTO $table (v) VALUES (?)", [1]);
    equal([one("SELECT COUNT(*) FROM $table"), others_count($table)], ['1', '0']);
    $main->commit();
    equal(others_count($table), '1');
    $main->setAttribute(PDO::ATTR_AUTOCOMMIT, 1);
    equal(one('SELECT @@autocommit'), '1');
},
'savepoint' => function () use ($main) {
    $table = fresh('savepoint');
    $main->beginTransaction();
    foreach (["INSERT INTO $table (id) VALUES (1)", 'SAVEPOINT s', "INSERT INTO $table (id) VALUES (2)", 'ROLLBACK TO SAVEPOINT s'] as $sql) {
        $main->exec($sql);
    }
    $main->commit();
    equal(ask("SELECT id FROM $table"), [['1']]);
},
'read_back' => function () use ($main) {
    $table = fresh('back');
    for ($i = 0; $i < 200; ++$i) {
        ask("INSERT INTO $table (v) VALUES (?)", [$i]);
        equal(one("SELECT v FROM $table WHERE id = ?", [$main->lastInsertId()]), strval($i));
    }
},
'set_names' => function () use ($main) {
    $main->exec('SET NAMES latin1');
    for ($i = 0; $i < 3; ++$i) {
        equal(ask("SELECT CHAR_LENGTH('é'), _utf8mb4 X'C3A9'"), [['2', "\xe9"]]);  // two bytes, two letters
    }
    $main->exec('SET NAMES utf8mb4');
    equal(one("SELECT CHAR_LENGTH('é')"), '1');
},
'set_time_zone' => function () use ($main) {
    $main->exec("SET time_zone = '+03:00'");
    for ($i = 0; $i < 3; ++$i) equal(one('SELECT FROM_UNIXTIME(0)'), '1970-01-01 03:00:00');
    $main->exec('SET time_zone = SYSTEM');
},
'set_sql_mode' => function () use ($main) {
    $mode = one('SELECT @@sql_mode');
    $main->exec("SET sql_mode = 'ANSI_QUOTES'");
    for ($i = 0; $i < 3; ++$i) equal(one('SELECT "txt" FROM ' . PREFIX . '_kinds'), EMOJI);
    $main->exec("SET sql_mode = '$mode'");
    equal(one('SELECT "txt"'), 'txt');
},
'use_schema' => function () use ($main) {
    $main->exec('CREATE TABLE IF NOT EXISTS ' . OTHER . '.' . PREFIX . '_there AS SELECT 7 AS v');
    $main->exec('USE ' . OTHER);
    equal(one('SELECT v FROM ' . PREFIX . '_there'), '7');
    fails(1049, '42000', fn() => $main->exec('USE ' . MISSING));
    equal(one('SELECT DATABASE()'), OTHER);
    $main->exec('USE ' . SCHEMA);
    equal(one('SELECT DATABASE()'), SCHEMA);
},
'user_variable' => function () use ($main) {
    $main->exec('SET @a := 5');
    equal(one('SELECT @a + 1'), '6');
},
'last_insert_id' => function () {
    $table = fresh('last');
    ask("INSERT INTO $table VALUES (41, 0)");
    ask("INSERT INTO $table (v) VALUES (?)", [0]);
    for ($i = 0; $i < 3; ++$i) equal([one("SELECT COUNT(*) FROM $table"), one('SELECT LAST_INSERT_ID()')], ['2', '42']);
},
'call_results' => function () use ($main) {
    $main->exec('DROP PROCEDURE IF EXISTS ' . PREFIX . '_p');
    $main->exec('CREATE PROCEDURE ' . PREFIX . "_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END");
    $statement = $main->prepare('CALL ' . PREFIX . '_p(?)');
    $statement->execute([4]);
    equal(array_slice(sets($statement), 0, 2), [[['4']], [['5', 'two']]]);  // native: the status comes as one more
},
'error_duplicate' => function () {
    $table = fresh('duplicate');
    ask("INSERT INTO $table VALUES (1, 1)");
    fails_then_works(1062, '23000', "INSERT INTO $table VALUES (1, 1)");
},
'error_syntax' => fn() => fails_then_works(1064, '42000', 'SELEKT 1'),
'error_missing_table' => fn() => fails_then_works(1146, '42S02', 'SELECT * FROM missing_table'),
'long_row' => function () {
    $table = fresh('long', 'v LONGTEXT');
    ask("INSERT INTO $table SELECT REPEAT('abcde', 1048576)");
    equal(one("SELECT v FROM $table") === str_repeat('abcde', 1048576), true);
},
'empty_result' => function () use ($main) {
    $statement = $main->query('SELECT id, txt AS other FROM ' . PREFIX . '_kinds WHERE id < 0');
    equal([$statement->getColumnMeta(0)['name'], $statement->getColumnMeta(1)['name'], $statement->fetchAll()], ['id', 'other', []]);
},
'load_data_local' => function () use ($main) {
    $table = fresh('load', 'id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4');
    equal($main->exec("LOAD DATA LOCAL INFILE '" . INFILE . "' INTO TABLE $table CHARACTER SET utf8mb4"), 3);
    equal(ask("SELECT * FROM $table"), [['1', 'one'], ['2', EMOJI], ['3', null]]);
},
'temporary_table' => function () use ($main) {
    $table = PREFIX . '_temp';
    $main->exec("CREATE TEMPORARY TABLE $table AS SELECT 3 AS v");
    equal([one("SELECT v FROM $table"), one("SELECT v FROM $table WHERE v = ?", [3])], ['3', '3']);
    $main->exec("DROP TEMPORARY TABLE $table");
    fails_then_works(1146, '42S02', "SELECT v FROM $table");
},
'show_warnings' => function () use ($main) {
    // Preparing SHOW WARNINGS would itself make a warning on MySQL.
    $show = $main->prepare('SHOW WARNINGS', [PDO::ATTR_EMULATE_PREPARES => true]);
    $main->query("SELECT CAST('abc' AS SIGNED)")->fetchAll();
    $show->execute();
    equal(text_of($show->fetchAll()[0])[1], '1292');
    $main->exec('DROP TABLE IF EXISTS ' . PREFIX . '_never');
    $show->execute();
    equal(text_of($show->fetchAll()[0])[1], '1051');
},
'for_update' => function () use ($main) {
    $table = fresh('lock');
    $other = connect();
    $locking = "SELECT v FROM $table WHERE id = 1 FOR UPDATE";
    ask("INSERT INTO $table VALUES (1, 7)");
    $main->beginTransaction();
    equal(one($locking), '7');
    try {
        ask("$locking NOWAIT", [], $other);
        throw new Exception('the row was not locked');
    } catch (PDOException $error) {
        equal(in_array($error->errorInfo[1], [1205, 3572], true), true);  // MariaDB, MySQL
    }
    $main->commit();
    equal(one("$locking NOWAIT", [], $other), '7');
},
'pool' => function () {
    for ($i = 0; $i < 20; ++$i) {  // a persistent connection is taken up again
        $again = connect(PASSWORD, SCHEMA, [PDO::ATTR_PERSISTENT => true]);
        $ids[] = one('SELECT CONNECTION_ID()', [], $again);
        unset($again);
    }
    equal(count(array_unique($ids)), 1);
},
'reconnects' => function () {
    for ($i = 0; $i < 30; ++$i) equal(one("SELECT $i", [], connect()), strval($i));
},
];
$scenarios['multi_statements'] = function () {
    $multi = connect(PASSWORD, SCHEMA, [PDO::ATTR_EMULATE_PREPARES => true]);
    $table = fresh('multi');
    $statement = $multi->query("SELECT 1; INSERT INTO $table (v) VALUES (8); SELECT v FROM $table; SELECT 2 FROM $table WHERE FALSE");
    equal(sets($statement), [[['1']], [['8']], []]);
};
if (EMULATED) {
    unset($scenarios['prepared_read'], $scenarios['prepared_many'], $scenarios['prepared_long_data'], $scenarios['prepared_error']);
}
run_all($scenarios);
