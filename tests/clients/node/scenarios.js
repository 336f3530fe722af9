// mysql2 and mariadb for Node.js: `scenarios.js mysql2`, `scenarios.js mariadb`.
// Found through NODE_PATH. Both are asked for rows as arrays and dates as text.
'use strict';
const fs = require('fs');
const assert = require('assert');
const env = process.env;
const kind = process.argv[2];
const driver = require(kind === 'mysql2' ? 'mysql2/promise' : 'mariadb');
const {ENDPOINT_SCHEMA: SCHEMA, ENDPOINT_PREFIX: PREFIX, ENDPOINT_USER: USER} = env;
const OTHER = SCHEMA + '_b', MISSING = SCHEMA + '_missing', EMOJI = 'Grüße 🚰';
const ALL_BYTES = Buffer.from([...Array(256).keys()]);
const equal = assert.deepStrictEqual;

const options = {
  host: env.ENDPOINT_HOST, port: +env.ENDPOINT_PORT, user: USER, password: env.ENDPOINT_PASSWORD, database: SCHEMA,
  multipleStatements: true, dateStrings: true, rowsAsArray: true,
  ...(env.ENDPOINT_TLS === '1' ? {ssl: {rejectUnauthorized: false}} : {}),
  ...(kind === 'mysql2' ? {charset: 'utf8mb4', supportBigNumbers: true, infileStreamFactory: (path) => fs.createReadStream(path)}
                        : {permitLocalInfile: true, allowPublicKeyRetrieval: true, insertIdAsNumber: true}),
};
const connect = (changes = {}) => driver.createConnection({...options, ...changes});

// mysql2 gives [rows, columns], mariadb the rows; what is no result set has affectedRows.
const ask = async (on, sql, values) => kind === 'mysql2' ? (await on.query(sql, values))[0] : on.query(sql, values);
const execute = async (on, values) => kind === 'mysql2' ? (await on.execute(values))[0] : on.execute(values);
const one = async (on, sql, values) => (await ask(on, sql, values))[0][0];
const text = (value) => String(value);  // numbers come as Number, BigInt or text, by driver and size

let main;
const scenarios = {};
const fresh = async (name, columns = 'id INT PRIMARY KEY AUTO_INCREMENT, v INT') => {
  const table = `${PREFIX}_${name}`;
  await ask(main, `DROP TABLE IF EXISTS ${table}`);
  await ask(main, `CREATE TABLE ${table} (${columns})`);
  return table;
};
const fails = async (code, state, work) => {
  let error;
  try { await work(); } catch (thrown) { error = thrown; }
  assert(error, `no error ${code}`);
  equal([error.errno, error.sqlState], [code, state], error.message);
  return error.sqlMessage ?? error.message;  // mysql2's login errors have the second only
};
const othersCount = async (table) => {  // in a transaction: the primary's truth
  const other = await connect();
  await other.beginTransaction();
  const count = await one(other, `SELECT COUNT(*) FROM ${table}`);
  await other.end();
  return Number(count);
};
const count = async (table) => Number(await one(main, `SELECT COUNT(*) FROM ${table}`));

scenarios.login = async () => equal(text(await ask(main, 'SELECT DATABASE(), 1')), `${SCHEMA},1`);
scenarios.login_wrong_password = async () => {
  const message = await fails(1045, '28000', () => connect({password: 'wrong'}));
  assert(message.startsWith(`Access denied for user '${USER}'@'`) && message.endsWith('(using password: YES)'), message);
};
scenarios.login_unknown_schema = () => fails(1049, '42000', () => connect({database: MISSING}));
scenarios.ddl = async () => {
  const table = await fresh('ddl', 'id INT');
  await ask(main, `ALTER TABLE ${table} ADD COLUMN added VARCHAR(7)`);
  equal((await ask(main, `SHOW COLUMNS FROM ${table}`)).map((row) => row[0]), ['id', 'added']);
  await ask(main, `DROP TABLE ${table}`);
  equal((await ask(main, `SHOW TABLES LIKE '${table}'`)).length, 0);
};
scenarios.insert = async () => {
  const table = await fresh('insert');
  const first = await ask(main, `INSERT INTO ${table} (v) VALUES (1),(2)`);
  const second = await ask(main, `INSERT INTO ${table} (v) VALUES (3)`);
  equal([first.affectedRows, first.insertId, second.affectedRows, second.insertId], [2, 1, 1, 3]);
  equal((await ask(main, `UPDATE ${table} SET v = 9 WHERE id < 3`)).affectedRows, 2);
  equal((await ask(main, `DELETE FROM ${table}`)).affectedRows, 3);
};
scenarios.bulk_insert = async () => {
  const table = await fresh('bulk', 'id INT, v VARCHAR(20)');
  const rows = [...Array(1000).keys()].map((i) => [i, `value ${i}`]);
  if (kind === 'mysql2') await ask(main, `INSERT INTO ${table} VALUES ?`, [rows]);
  else await main.batch(`INSERT INTO ${table} VALUES (?, ?)`, rows);  // MariaDB's COM_STMT_BULK_EXECUTE where it is
  equal(text(await ask(main, `SELECT COUNT(*), SUM(id) FROM ${table}`)), '1000,499500');
};
const kinds = [EMOJI, ALL_BYTES, '-12345.67890', '2024-02-29', '2023-12-31 23:59:59.123456', '-9223372036854775808',
               '18446744073709551615', null, ''];
const sameKinds = (row) => equal(row.map((value, i) => (i === 1 || value === null ? value : text(value))), kinds);
const columns = 'txt, bin, num, day, moment, big, ubig, nothing, blank';
scenarios.text_read = async () => {
  await fresh('kinds', `id INT, txt VARCHAR(100) CHARACTER SET utf8mb4, bin VARBINARY(300), num DECIMAL(20,5), day DATE,
    moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED, nothing INT, blank VARCHAR(10)`);
  await ask(main, `INSERT INTO ${PREFIX}_kinds VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, kinds);
  sameKinds((await ask(main, `SELECT ${columns} FROM ${PREFIX}_kinds`))[0]);
};
scenarios.prepared_read = async () => {
  const statement = await main.prepare(`SELECT ${columns} FROM ${PREFIX}_kinds WHERE id = ?`);
  for (let i = 0; i < 3; ++i) sameKinds((await execute(statement, [1]))[0]);
  await statement.close();
};
scenarios.prepared_many = async () => {
  const open = [];
  for (let i = 0; i < 5; ++i) open.push(await main.prepare(`SELECT ${i}, ? AS a, ? AS b`));
  for (const [a, b] of [[1, 'x'], ['y', 2.5], [null, -7], ['', null]])
    for (let i = 4; i >= 0; --i)
      equal((await execute(open[i], [a, b]))[0].map((v) => v === null ? null : text(v)),
            [text(i), a, b].map((v) => v === null ? null : text(v)));
  for (const statement of open) await statement.close();
};
scenarios.prepared_long_data = async () => {
  const table = await fresh('longdata', 'id INT, v LONGBLOB');
  const long = Buffer.alloc(1536 * 1024, ALL_BYTES);
  const statement = await main.prepare(`INSERT INTO ${table} VALUES (?, ?)`);
  equal((await execute(statement, [1, long])).affectedRows, 1);
  await statement.close();
  assert(long.equals(await one(main, `SELECT v FROM ${table}`)));
};
scenarios.prepared_error = async () => {
  await fails(1146, '42S02', () => main.prepare('SELECT * FROM missing_table WHERE id = ?'));
  equal(text(await one(main, 'SELECT 1')), '1');
};
scenarios.text_prepare = async () => {
  await ask(main, "PREPARE s FROM 'SELECT ? * 2'");
  await ask(main, 'SET @p = 21');
  equal(text(await one(main, 'EXECUTE s USING @p')), '42');
  await ask(main, 'DEALLOCATE PREPARE s');
};
scenarios.commit = async () => {
  const table = await fresh('commit');
  await main.beginTransaction();
  await ask(main, `INSERT INTO ${table} (v) VALUES (1)`);
  await main.commit();
  equal([await count(table), await othersCount(table)], [1, 1]);
};
scenarios.rollback = async () => {
  const table = await fresh('rollback');
  await main.beginTransaction();
  await ask(main, `INSERT INTO ${table} (v) VALUES (1)`);
  await main.rollback();
  equal([await count(table), await othersCount(table)], [0, 0]);
};
scenarios.own_writes = async () => {
  const table = await fresh('own');
  await main.beginTransaction();
  await ask(main, `INSERT INTO ${table} (v) VALUES (1)`);
  equal([await count(table), await othersCount(table)], [1, 0]);
  await main.commit();
  equal(await othersCount(table), 1);
};
scenarios.autocommit_off = async () => {
  const table = await fresh('autocommit');
  await ask(main, 'SET autocommit = 0');
  await ask(main, `INSERT INTO ${table} (v) VALUES (1)`);
  equal([await count(table), await othersCount(table)], [1, 0]);
  await main.commit();
  equal(await othersCount(table), 1);
  await ask(main, 'SET autocommit = 1');
};
scenarios.savepoint = async () => {
  const table = await fresh('savepoint');
  for (const sql of ['BEGIN', `INSERT INTO ${table} VALUES (1, 1)`, 'SAVEPOINT s', `INSERT INTO ${table} VALUES (2, 2)`,
                     'ROLLBACK TO SAVEPOINT s', 'COMMIT']) await ask(main, sql);
  equal(text(await ask(main, `SELECT id FROM ${table}`)), '1');
};
scenarios.read_back = async () => {
  const table = await fresh('back');
  for (let i = 0; i < 200; ++i) {
    const {insertId} = await ask(main, `INSERT INTO ${table} (v) VALUES (?)`, [i]);
    const read = i % 2 ? await ask(main, `SELECT v FROM ${table} WHERE id = ?`, [insertId])
                       : kind === 'mysql2' ? (await main.execute(`SELECT v FROM ${table} WHERE id = ?`, [insertId]))[0]
                                           : await main.execute(`SELECT v FROM ${table} WHERE id = ?`, [insertId]);
    equal(read, [[i]]);
  }
};
scenarios.set_names = async () => {
  // Both follow the server's session tracker and change their own encoding with it.
  const other = await connect();
  await ask(other, 'SET NAMES latin1');
  for (let i = 0; i < 3; ++i) equal(await ask(other, "SELECT HEX('é'), 'é'"), [['E9', 'é']]);
  await ask(other, 'SET NAMES utf8mb4');
  equal(await ask(other, "SELECT HEX('é'), 'é'"), [['C3A9', 'é']]);
  await other.end();
};
scenarios.set_time_zone = async () => {
  await ask(main, "SET time_zone = '+03:00'");
  for (let i = 0; i < 3; ++i) equal(await one(main, 'SELECT FROM_UNIXTIME(0)'), '1970-01-01 03:00:00');
  await ask(main, 'SET time_zone = SYSTEM');
};
scenarios.set_sql_mode = async () => {
  const mode = await one(main, 'SELECT @@sql_mode');
  await ask(main, "SET sql_mode = 'ANSI_QUOTES'");
  for (let i = 0; i < 3; ++i) equal(await one(main, `SELECT "txt" FROM ${PREFIX}_kinds`), EMOJI);
  await ask(main, 'SET sql_mode = ?', [mode]);
  equal(await one(main, 'SELECT "txt"'), 'txt');
};
scenarios.use_schema = async () => {
  await ask(main, `CREATE TABLE IF NOT EXISTS ${OTHER}.${PREFIX}_there AS SELECT 7 AS v`);
  await ask(main, `USE ${OTHER}`);
  equal(text(await one(main, `SELECT v FROM ${PREFIX}_there`)), '7');
  await fails(1049, '42000', () => ask(main, `USE ${MISSING}`));
  equal(await one(main, 'SELECT DATABASE()'), OTHER);
  await ask(main, `USE ${SCHEMA}`);
  equal(await one(main, 'SELECT DATABASE()'), SCHEMA);
};
scenarios.user_variable = async () => {
  await ask(main, 'SET @a := 5');
  equal(text(await one(main, 'SELECT @a + 1')), '6');
};
scenarios.last_insert_id = async () => {
  const table = await fresh('last');
  await ask(main, `INSERT INTO ${table} VALUES (41, 0)`);
  await ask(main, `INSERT INTO ${table} (v) VALUES (0)`);
  for (let i = 0; i < 3; ++i)
    equal([await count(table), text(await one(main, 'SELECT LAST_INSERT_ID()'))], [2, '42']);
};
scenarios.multi_statements = async () => {
  const table = await fresh('multi');
  const results = await ask(main, `SELECT 1; INSERT INTO ${table} (v) VALUES (8); SELECT v FROM ${table}; SELECT 2 WHERE FALSE`);
  equal(results.map((result) => result.affectedRows ?? text(result)), ['1', 1, '8', '']);
};
scenarios.call_results = async () => {
  await ask(main, `DROP PROCEDURE IF EXISTS ${PREFIX}_p`);
  await ask(main, `CREATE PROCEDURE ${PREFIX}_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END`);
  const results = await ask(main, `CALL ${PREFIX}_p(4)`);
  equal([text(results[0]), text(results[1])], ['4', '5,two']);
};
const usableAfter = (code, state, sql) => async () => {
  await fails(code, state, () => ask(main, sql));
  equal(text(await one(main, 'SELECT 1')), '1');
};
scenarios.error_duplicate = async () => {
  const table = await fresh('duplicate');
  await ask(main, `INSERT INTO ${table} VALUES (1, 1)`);
  await usableAfter(1062, '23000', `INSERT INTO ${table} VALUES (1, 1)`)();
};
scenarios.error_syntax = usableAfter(1064, '42000', 'SELEKT 1');
scenarios.error_missing_table = usableAfter(1146, '42S02', 'SELECT * FROM missing_table');
scenarios.ping = () => main.ping();
if (kind === 'mariadb') scenarios.reset = async () => {
  const other = await connect();
  await ask(other, "SET @a = 1, time_zone = '+03:00'");
  await other.reset();
  equal(await ask(other, 'SELECT @a, @@time_zone'), [[null, 'SYSTEM']]);
  await other.end();
};
scenarios.change_user = async () => {
  const other = await connect();
  await ask(other, 'SET @a = 1');
  await other.changeUser({user: USER, password: env.ENDPOINT_PASSWORD, database: OTHER});
  equal(await ask(other, 'SELECT DATABASE(), @a'), [[OTHER, null]]);
  await other.end();
};
scenarios.long_row = async () => {
  const table = await fresh('long', 'v LONGTEXT');
  await ask(main, `INSERT INTO ${table} SELECT REPEAT('abcde', 1048576)`);
  assert(await one(main, `SELECT v FROM ${table}`) === 'abcde'.repeat(1048576));
};
scenarios.empty_result = async () => {
  const sql = `SELECT id, txt AS other FROM ${PREFIX}_kinds WHERE id < 0`;
  const [rows, names] = kind === 'mysql2' ? (([rows, fields]) => [rows, fields.map((f) => f.name)])(await main.query(sql))
                                          : ((rows) => [[...rows], rows.meta.map((m) => m.name())])(await main.query(sql));
  equal([rows, names], [[], ['id', 'other']]);
};
scenarios.load_data_local = async () => {
  const table = await fresh('load', 'id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4');
  await ask(main, `LOAD DATA LOCAL INFILE '${env.ENDPOINT_INFILE}' INTO TABLE ${table} CHARACTER SET utf8mb4`);
  equal([...await ask(main, `SELECT * FROM ${table}`)].map((r) => [...r]), [[1, 'one'], [2, EMOJI], [3, null]]);
};
scenarios.temporary_table = async () => {
  await ask(main, `CREATE TEMPORARY TABLE ${PREFIX}_temp AS SELECT 3 AS v`);
  for (let i = 0; i < 2; ++i) equal(text(await one(main, `SELECT v FROM ${PREFIX}_temp`)), '3');
  await ask(main, `DROP TEMPORARY TABLE ${PREFIX}_temp`);
  await fails(1146, '42S02', () => ask(main, `SELECT v FROM ${PREFIX}_temp`));
};
scenarios.show_warnings = async () => {
  await ask(main, "SELECT CAST('abc' AS SIGNED)");
  equal((await ask(main, 'SHOW WARNINGS')).map((row) => row[1]), [1292]);
  await ask(main, `DROP TABLE IF EXISTS ${PREFIX}_never`);
  equal((await ask(main, 'SHOW WARNINGS')).map((row) => row[1]), [1051]);
};
scenarios.for_update = async () => {
  const table = await fresh('lock');
  const other = await connect();
  const locking = `SELECT v FROM ${table} WHERE id = 1 FOR UPDATE`;
  await ask(main, `INSERT INTO ${table} VALUES (1, 1)`);
  await main.beginTransaction();
  equal(await one(main, locking), 1);
  const error = await ask(other, locking + ' NOWAIT').catch((thrown) => thrown);
  assert([1205, 3572].includes(error.errno), 'the row was not locked');  // MariaDB, MySQL
  await main.commit();
  equal(await one(other, locking + ' NOWAIT'), 1);
  await other.end();
};
scenarios.pool = async () => {
  const pool = driver.createPool({...options, connectionLimit: 3});
  const table = await fresh('pool');
  await Promise.all([...Array(60).keys()].map((i) => ask(pool, `INSERT INTO ${table} (v) VALUES (?)`, [i])));
  equal(await othersCount(table), 60);
  const one = await pool.getConnection(), id = one.threadId;
  one.release();
  const again = await pool.getConnection();
  equal(typeof id === typeof again.threadId && (await ask(again, 'SELECT 1')).length, 1);
  again.release();
  await pool.end();
};
scenarios.reconnects = async () => {
  for (let i = 0; i < 30; ++i) {
    const other = await connect();
    equal(text(await one(other, 'SELECT ?', [i])), text(i));
    await other.end();
  }
};

(async () => {
  main = await connect();
  for (const [scenario, work] of Object.entries(scenarios)) {
    const start = Date.now();
    let ok = true, detail = '';
    try { await work(); } catch (error) { ok = false; detail = String(error.stack || error).slice(0, 500); }
    console.log(JSON.stringify({scenario, ok, detail, ms: Date.now() - start}));
  }
  await main.end();
  process.exit(0);  // mariadb leaves the sockets of refused logins open
})().catch((error) => { console.error(error); process.exit(1); });
