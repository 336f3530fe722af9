# mysql2 for Ruby, over Connector/C.
require 'json'
require 'mysql2'
require 'bigdecimal'
require 'date'

HOST, PORT, USER, PASSWORD, SCHEMA, PREFIX, TLS, INFILE =
  %w[HOST PORT USER PASSWORD SCHEMA PREFIX TLS INFILE].map { |name| ENV.fetch("ENDPOINT_#{name}") }
OTHER = "#{SCHEMA}_b".freeze
MISSING = "#{SCHEMA}_missing".freeze
EMOJI = 'Grüße 🚰'.freeze
ALL_BYTES = (0..255).to_a.pack('C*').freeze
COLUMNS = 'txt, bin, num, day, moment, big, ubig, nothing, blank'.freeze
KINDS = [EMOJI, ALL_BYTES, BigDecimal('-12345.67890'), Date.new(2024, 2, 29),
         Time.new(2023, 12, 31, 23, 59, Rational(59_123_456, 1_000_000)), -(2**63), 2**64 - 1, nil, ''].freeze
$stdout.sync = true

def connect(**changes)
  options = { host: HOST, port: PORT.to_i, username: USER, password: PASSWORD, database: SCHEMA, encoding: 'utf8mb4',
              local_infile: true, as: :array, cast_booleans: false, flags: Mysql2::Client::MULTI_STATEMENTS }
  # Over Connector/C this mysql2 cannot demand TLS, only take it where it is offered: login looks.
  options.update(sslcipher: 'HIGH') if TLS == '1'
  Mysql2::Client.new(options.merge(changes))
end

MAIN = connect

def ask(sql, on = MAIN) = on.query(sql).to_a
def one(sql, on = MAIN) = ask(sql, on).first.first
def execute(sql, *values) = MAIN.prepare(sql).execute(*values, as: :array)

def equal(got, expected)
  raise "got #{got.inspect[0, 200]}, expected #{expected.inspect[0, 200]}" unless got == expected
end

def fresh(name, columns = 'id INT PRIMARY KEY AUTO_INCREMENT, v INT')
  table = "#{PREFIX}_#{name}"
  MAIN.query("DROP TABLE IF EXISTS #{table}")
  MAIN.query("CREATE TABLE #{table} (#{columns})")
  table
end

# What another connection sees, read in a transaction: the primary's truth.
def others_count(table)
  other = connect
  other.query('BEGIN')
  one("SELECT COUNT(*) FROM #{table}", other)
ensure
  other&.close
end

def both_count(table) = [one("SELECT COUNT(*) FROM #{table}"), others_count(table)]

def fails(code, state)
  yield
rescue Mysql2::Error => e
  equal([e.error_number, e.sql_state], [code, state])
  e.message
else
  raise "no error #{code}"
end

def fails_then_works(code, state, sql)
  fails(code, state) { MAIN.query(sql) }
  equal(one('SELECT 1'), 1)
end

def sets(sql)
  results = [MAIN.query(sql)&.to_a]
  while MAIN.next_result
    result = MAIN.store_result
    results << result&.to_a
  end
  results
end

SCENARIOS = {
  login: -> { equal([one('SELECT DATABASE()'), !MAIN.ssl_cipher.nil?], [SCHEMA, TLS == '1']) },
  login_wrong_password: lambda {
    message = fails(1045, '28000') { connect(password: 'wrong') }
    raise message unless message =~ /\AAccess denied for user '#{USER}'@'.*' \(using password: YES\)\z/
  },
  login_unknown_schema: -> { fails(1049, '42000') { connect(database: MISSING) } },
  ddl: lambda {
    table = fresh('ddl', 'id INT')
    MAIN.query("ALTER TABLE #{table} ADD COLUMN added VARCHAR(7)")
    equal(ask("SHOW COLUMNS FROM #{table}").map(&:first), %w[id added])
    MAIN.query("DROP TABLE #{table}")
    equal(ask("SHOW TABLES LIKE '#{table}'"), [])
  },
  insert: lambda {
    table = fresh('insert')
    { "INSERT INTO #{table} (v) VALUES (1),(2)" => [2, 1], "INSERT INTO #{table} (v) VALUES (3)" => [1, 3],
      "UPDATE #{table} SET v = 9 WHERE id < 3" => [2, 0], "DELETE FROM #{table}" => [3, 0] }.each do |sql, expected|
      MAIN.query(sql)
      equal([MAIN.affected_rows, MAIN.last_id], expected)
    end
  },
  bulk_insert: lambda {
    table = fresh('bulk')
    execute("INSERT INTO #{table} (v) VALUES #{(['(?)'] * 1000).join(',')}", *1..1000)
    equal(ask("SELECT COUNT(*), SUM(v) FROM #{table}"), [[1000, 500_500]])
  },
  text_read: lambda {
    table = fresh('kinds', 'id INT PRIMARY KEY AUTO_INCREMENT, txt VARCHAR(100) CHARACTER SET utf8mb4,
      bin VARBINARY(300), num DECIMAL(20,5), day DATE, moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED,
      nothing INT, blank VARCHAR(10)')
    values = ["'#{EMOJI}'", "X'#{ALL_BYTES.unpack1('H*')}'", '-12345.67890', "'2024-02-29'",
              "'2023-12-31 23:59:59.123456'", -(2**63), 2**64 - 1, 'NULL', "''"]
    MAIN.query("INSERT INTO #{table} (#{COLUMNS}) VALUES (#{values.join(', ')})")
    equal(ask("SELECT #{COLUMNS} FROM #{table}"), [KINDS])
  },
  prepared_read: lambda {
    statement = MAIN.prepare("SELECT #{COLUMNS} FROM #{PREFIX}_kinds WHERE id = ?")
    3.times { equal(statement.execute(1, as: :array).to_a, [KINDS]) }
    statement.close
  },
  prepared_many: lambda {
    open = (0..4).map { |i| MAIN.prepare("SELECT #{i}, ? AS a, ? AS b") }
    [%w[y z], [1, 'x'], [nil, -7], ['', nil], [2.5, 3]].each do |pair|
      open.each_with_index.to_a.reverse_each do |statement, i|
        got = statement.execute(*pair, as: :array).first
        equal(got.map { |v| v.is_a?(Numeric) ? v.to_f : v&.to_s }, [i, *pair].map { |v| v.is_a?(Numeric) ? v.to_f : v })
      end
    end
    open.each(&:close)
  },
  prepared_long_data: lambda {
    table = fresh('longdata', 'v LONGBLOB')
    long = ALL_BYTES * 6144
    execute("INSERT INTO #{table} VALUES (?)", long)
    raise 'it differs' unless one("SELECT v FROM #{table}") == long
  },
  prepared_error: lambda {
    fails(1146, '42S02') { MAIN.prepare('SELECT * FROM missing_table WHERE id = ?') }
    equal(one('SELECT 1'), 1)
  },
  text_prepare: lambda {
    MAIN.query("PREPARE s FROM 'SELECT ? * 2'")
    MAIN.query('SET @p = 21')
    equal(one('EXECUTE s USING @p'), 42)
    MAIN.query('DEALLOCATE PREPARE s')
  },
  commit: lambda {
    table = fresh('commit')
    MAIN.query('BEGIN')
    execute("INSERT INTO #{table} (v) VALUES (?)", 1)
    MAIN.query('COMMIT')
    equal(both_count(table), [1, 1])
  },
  rollback: lambda {
    table = fresh('rollback')
    MAIN.query('BEGIN')
    execute("INSERT INTO #{table} (v) VALUES (?)", 1)
    MAIN.query('ROLLBACK')
    equal(both_count(table), [0, 0])
  },
  own_writes: lambda {
    table = fresh('own')
    MAIN.query('START TRANSACTION')
    execute("INSERT INTO #{table} (v) VALUES (?)", 1)
    equal(both_count(table), [1, 0])
    MAIN.query('COMMIT')
    equal(others_count(table), 1)
  },
  autocommit_off: lambda {
    table = fresh('autocommit')
    MAIN.query('SET autocommit = 0')
    MAIN.query("INSERT INTO #{table} (v) VALUES (1)")
    equal(both_count(table), [1, 0])
    MAIN.query('COMMIT')
    equal(others_count(table), 1)
    MAIN.query('SET autocommit = 1')
  },
  savepoint: lambda {
    table = fresh('savepoint')
    ['BEGIN', "INSERT INTO #{table} (id) VALUES (1)", 'SAVEPOINT s', "INSERT INTO #{table} (id) VALUES (2)",
     'ROLLBACK TO SAVEPOINT s', 'COMMIT'].each { |sql| MAIN.query(sql) }
    equal(ask("SELECT id FROM #{table}"), [[1]])
  },
  read_back: lambda {
    table = fresh('back')
    statement = MAIN.prepare("SELECT v FROM #{table} WHERE id = ?")
    200.times do |i|
      MAIN.query("INSERT INTO #{table} (v) VALUES (#{i})")
      id = MAIN.last_id
      equal(i.even? ? one("SELECT v FROM #{table} WHERE id = #{id}") : statement.execute(id, as: :array).first.first, i)
    end
  },
  set_names: lambda {
    MAIN.query('SET NAMES latin1')
    3.times { equal(one("SELECT CHAR_LENGTH('é')"), 2) } # two bytes, two letters
    MAIN.query('SET NAMES utf8mb4')
    equal(one("SELECT CHAR_LENGTH('é')"), 1)
  },
  set_time_zone: lambda {
    MAIN.query("SET time_zone = '+03:00'")
    3.times { equal(one('SELECT CAST(FROM_UNIXTIME(0) AS CHAR)'), '1970-01-01 03:00:00') }
    MAIN.query('SET time_zone = SYSTEM')
  },
  set_sql_mode: lambda {
    mode = one('SELECT @@sql_mode')
    MAIN.query("SET sql_mode = 'ANSI_QUOTES'")
    3.times { equal(execute(%(SELECT "txt" FROM #{PREFIX}_kinds WHERE id = ?), 1).first, [EMOJI]) }
    MAIN.query("SET sql_mode = '#{mode}'")
    equal(one('SELECT "txt"'), 'txt')
  },
  use_schema: lambda {
    MAIN.query("CREATE TABLE IF NOT EXISTS #{OTHER}.#{PREFIX}_there AS SELECT 7 AS v")
    MAIN.select_db(OTHER)
    equal(one("SELECT v FROM #{PREFIX}_there"), 7)
    fails(1049, '42000') { MAIN.select_db(MISSING) }
    equal(one('SELECT DATABASE()'), OTHER)
    MAIN.query("USE #{SCHEMA}")
    equal(one('SELECT DATABASE()'), SCHEMA)
  },
  user_variable: lambda {
    MAIN.query('SET @a := 5')
    equal(one('SELECT @a + 1'), 6)
  },
  last_insert_id: lambda {
    table = fresh('last')
    MAIN.query("INSERT INTO #{table} VALUES (41, 0)")
    MAIN.query("INSERT INTO #{table} (v) VALUES (0)")
    3.times { equal([one("SELECT COUNT(*) FROM #{table}"), one('SELECT LAST_INSERT_ID()')], [2, 42]) }
  },
  multi_statements: lambda {
    table = fresh('multi')
    equal(sets("SELECT 1; INSERT INTO #{table} (v) VALUES (8); SELECT v FROM #{table}; SELECT 2 FROM #{table} WHERE FALSE"),
          [[[1]], nil, [[8]], []])
  },
  call_results: lambda {
    MAIN.query("DROP PROCEDURE IF EXISTS #{PREFIX}_p")
    MAIN.query("CREATE PROCEDURE #{PREFIX}_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END")
    equal(sets("CALL #{PREFIX}_p(4)").first(2), [[[4]], [[5, 'two']]])
  },
  error_duplicate: lambda {
    table = fresh('duplicate')
    MAIN.query("INSERT INTO #{table} VALUES (1, 1)")
    fails_then_works(1062, '23000', "INSERT INTO #{table} VALUES (1, 1)")
  },
  error_syntax: -> { fails_then_works(1064, '42000', 'SELEKT 1') },
  error_missing_table: -> { fails_then_works(1146, '42S02', 'SELECT * FROM missing_table') },
  ping: -> { equal(MAIN.ping, true) },
  long_row: lambda {
    table = fresh('long', 'v LONGTEXT')
    MAIN.query("INSERT INTO #{table} SELECT REPEAT('abcde', 1048576)")
    raise 'it differs' unless one("SELECT v FROM #{table}") == 'abcde' * 1_048_576
  },
  empty_result: lambda {
    result = MAIN.query("SELECT id, txt AS other FROM #{PREFIX}_kinds WHERE id < 0")
    equal([result.fields, result.to_a], [%w[id other], []])
  },
  load_data_local: lambda {
    table = fresh('load', 'id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4')
    MAIN.query("LOAD DATA LOCAL INFILE '#{INFILE}' INTO TABLE #{table} CHARACTER SET utf8mb4")
    equal(ask("SELECT * FROM #{table}"), [[1, 'one'], [2, EMOJI], [3, nil]])
  },
  temporary_table: lambda {
    table = "#{PREFIX}_temp"
    MAIN.query("CREATE TEMPORARY TABLE #{table} AS SELECT 3 AS v")
    equal([one("SELECT v FROM #{table}"), execute("SELECT v FROM #{table} WHERE v = ?", 3).first], [3, [3]])
    MAIN.query("DROP TEMPORARY TABLE #{table}")
    fails_then_works(1146, '42S02', "SELECT v FROM #{table}")
  },
  show_warnings: lambda {
    MAIN.query("SELECT CAST('abc' AS SIGNED)")
    equal(ask('SHOW WARNINGS').map { |row| row[1] }, [1292])
    MAIN.query("DROP TABLE IF EXISTS #{PREFIX}_never")
    equal([MAIN.warning_count, ask('SHOW WARNINGS').map { |row| row[1] }], [1, [1051]])
  },
  for_update: lambda {
    table = fresh('lock')
    other = connect
    locking = "SELECT v FROM #{table} WHERE id = 1 FOR UPDATE"
    MAIN.query("INSERT INTO #{table} VALUES (1, 7)")
    MAIN.query('BEGIN')
    equal(one(locking), 7)
    begin
      one("#{locking} NOWAIT", other)
      raise 'the row was not locked'
    rescue Mysql2::Error => e
      equal([1205, 3572].include?(e.error_number), true) # MariaDB, MySQL
    end
    MAIN.query('COMMIT')
    equal(one("#{locking} NOWAIT", other), 7)
    other.close
  },
  reconnects: lambda {
    30.times do |i|
      other = connect
      equal(one("SELECT #{i}", other), i)
      other.close
    end
  }
}.freeze

SCENARIOS.each do |name, work|
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  detail = ''
  begin
    work.call
  rescue StandardError => e
    detail = "#{e.class}: #{e.message}"[0, 400]
  end
  taken = ((Process.clock_gettime(Process::CLOCK_MONOTONIC) - start) * 1000).to_i
  puts JSON.generate(scenario: name, ok: detail.empty?, detail: detail.scrub, ms: taken)
end
