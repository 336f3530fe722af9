// MariaDB Connector/J: prepares on the server, batches, streams and its own pool.
import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import org.mariadb.jdbc.MariaDbPoolDataSource;

public class Scenarios {
  static final String HOST = env("HOST"), PORT = env("PORT"), USER = env("USER"), PASSWORD = env("PASSWORD"),
      SCHEMA = env("SCHEMA"), PREFIX = env("PREFIX"), INFILE = env("INFILE"), OTHER = SCHEMA + "_b",
      MISSING = SCHEMA + "_missing", EMOJI = "Grüße 🚰";
  static final boolean TLS = env("TLS").equals("1");
  static final byte[] ALL_BYTES = new byte[256];
  static final String COLUMNS = "txt, bin, num, day, moment, big, ubig, nothing, blank";
  static Connection main;

  interface Work { void run() throws Exception; }

  static String env(String name) { return System.getenv("ENDPOINT_" + name); }

  static String url(String schema) {
    return "jdbc:mariadb://" + HOST + ":" + PORT + "/" + schema + "?useServerPrepStmts=true&allowMultiQueries=true"
        + "&allowLocalInfile=true&allowPublicKeyRetrieval=true&maxPoolSize=3"
        + (TLS ? "&useSsl=true&trustServerCertificate=true" : "");
  }

  static Connection connect() throws SQLException { return DriverManager.getConnection(url(SCHEMA), USER, PASSWORD); }

  static void equal(Object got, Object expected) {
    if (!Objects.equals(got, expected)) throw new AssertionError("got " + got + ", expected " + expected);
  }

  // All results of a statement as text: rows as lists, what is no result set as its count.
  static List<Object> sets(Statement statement, boolean isResult) throws SQLException {
    List<Object> all = new ArrayList<>();
    while (true) {
      if (isResult) all.add(rows(statement.getResultSet()));
      else if (statement.getUpdateCount() >= 0) all.add(statement.getUpdateCount());
      else return all;
      isResult = statement.getMoreResults();
    }
  }

  static List<List<String>> rows(ResultSet result) throws SQLException {
    List<List<String>> all = new ArrayList<>();
    while (result.next()) {
      List<String> row = new ArrayList<>();
      for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(result.getString(i));
      all.add(row);
    }
    return all;
  }

  static List<List<String>> ask(Connection on, String sql, Object... values) throws SQLException {
    if (values.length == 0) {
      try (Statement statement = on.createStatement()) {
        return statement.execute(sql) ? rows(statement.getResultSet()) : List.of();
      }
    }
    try (PreparedStatement statement = on.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      return statement.execute() ? rows(statement.getResultSet()) : List.of();
    }
  }

  static List<List<String>> ask(String sql, Object... values) throws SQLException { return ask(main, sql, values); }

  static String one(String sql, Object... values) throws SQLException { return ask(main, sql, values).get(0).get(0); }

  static String fresh(String name, String columns) throws SQLException {
    String table = PREFIX + "_" + name;
    ask("DROP TABLE IF EXISTS " + table);
    ask("CREATE TABLE " + table + " (" + columns + ")");
    return table;
  }

  static String fresh(String name) throws SQLException { return fresh(name, "id INT PRIMARY KEY AUTO_INCREMENT, v INT"); }

  // What another connection sees, read in a transaction: the primary's truth.
  static String othersCount(String table) throws SQLException {
    try (Connection other = connect()) {
      other.setAutoCommit(false);
      return ask(other, "SELECT COUNT(*) FROM " + table).get(0).get(0);
    }
  }

  static List<String> bothCount(String table) throws SQLException {
    return List.of(one("SELECT COUNT(*) FROM " + table), othersCount(table));
  }

  static String fails(int code, String state, Work work) throws Exception {
    try {
      work.run();
    } catch (SQLException error) {
      equal(error.getErrorCode() + " " + error.getSQLState(), code + " " + state);
      return error.getMessage();
    }
    throw new AssertionError("no error " + code);
  }

  static void failsThenWorks(int code, String state, String sql) throws Exception {
    fails(code, state, () -> ask(sql));
    equal(one("SELECT 1"), "1");
  }

  static void checkKinds(ResultSet result) throws SQLException {
    equal(result.next(), true);
    equal(result.getString(1), EMOJI);
    equal(Arrays.equals(result.getBytes(2), ALL_BYTES), true);
    equal(result.getBigDecimal(3), new BigDecimal("-12345.67890"));
    equal(result.getDate(4), java.sql.Date.valueOf("2024-02-29"));
    equal(result.getTimestamp(5), Timestamp.valueOf("2023-12-31 23:59:59.123456"));
    equal(result.getLong(6), Long.MIN_VALUE);
    equal(result.getBigDecimal(7), new BigDecimal("18446744073709551615"));
    equal(result.getInt(8) + " " + result.wasNull(), "0 true");
    equal(result.getString(9), "");
    equal(result.next(), false);
  }

  static Map<String, Work> scenarios() {
    Map<String, Work> all = new LinkedHashMap<>();
    all.put("login", () -> equal(one("SELECT DATABASE()"), SCHEMA));
    all.put("login_wrong_password", () -> {
      String message = fails(1045, "28000", () -> DriverManager.getConnection(url(SCHEMA), USER, "wrong"));
      equal(message.contains("Access denied for user '" + USER + "'@'") && message.contains("(using password: YES)"), true);
    });
    all.put("login_unknown_schema", () -> fails(1049, "42000", () -> DriverManager.getConnection(url(MISSING), USER, PASSWORD)));
    all.put("ddl", () -> {
      String table = fresh("ddl", "id INT");
      ask("ALTER TABLE " + table + " ADD COLUMN added VARCHAR(7)");
      ResultSet columns = main.getMetaData().getColumns(SCHEMA, null, table, "%");
      List<String> names = new ArrayList<>();
      while (columns.next()) names.add(columns.getString("COLUMN_NAME"));
      equal(names, List.of("id", "added"));
      ask("DROP TABLE " + table);
      equal(ask("SHOW TABLES LIKE '" + table + "'"), List.of());
    });
    all.put("insert", () -> {
      String table = fresh("insert");
      try (Statement statement = main.createStatement()) {
        equal(statement.executeUpdate("INSERT INTO " + table + " (v) VALUES (1),(2)"), 2);
        equal(statement.executeUpdate("INSERT INTO " + table + " (v) VALUES (3)", Statement.RETURN_GENERATED_KEYS), 1);
        equal(rows(statement.getGeneratedKeys()), List.of(List.of("3")));
        equal(statement.executeUpdate("UPDATE " + table + " SET v = 9 WHERE id < 3"), 2);
        equal(statement.executeUpdate("DELETE FROM " + table), 3);
      }
    });
    all.put("bulk_insert", () -> {  // a batch: pipelined, or MariaDB's COM_STMT_BULK_EXECUTE
      String table = fresh("bulk", "id INT PRIMARY KEY, v VARCHAR(20)");
      try (PreparedStatement statement = main.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
        for (int i = 0; i < 1000; i++) {
          statement.setInt(1, i);
          statement.setString(2, "value " + i);
          statement.addBatch();
        }
        equal(statement.executeBatch().length, 1000);
      }
      equal(ask("SELECT COUNT(*), SUM(id) FROM " + table), List.of(List.of("1000", "499500")));
    });
    all.put("text_read", () -> {
      String table = fresh("kinds", "id INT PRIMARY KEY AUTO_INCREMENT, txt VARCHAR(100) CHARACTER SET utf8mb4, "
          + "bin VARBINARY(300), num DECIMAL(20,5), day DATE, moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED, "
          + "nothing INT, blank VARCHAR(10)");
      // The day goes as text: MySQL 9 refuses the length 7 that this driver gives a binary DATE.
      ask("INSERT INTO " + table + " (" + COLUMNS + ") VALUES (?,?,?,?,?,?,?,?,?)", EMOJI, ALL_BYTES,
          new BigDecimal("-12345.67890"), "2024-02-29",
          Timestamp.valueOf("2023-12-31 23:59:59.123456"), Long.MIN_VALUE, new BigDecimal("18446744073709551615"), null, "");
      try (Statement statement = main.createStatement()) {
        checkKinds(statement.executeQuery("SELECT " + COLUMNS + " FROM " + table));
      }
    });
    all.put("prepared_read", () -> {
      try (PreparedStatement statement = main.prepareStatement("SELECT " + COLUMNS + " FROM " + PREFIX + "_kinds WHERE id = ?")) {
        for (int i = 0; i < 3; i++) {
          statement.setInt(1, 1);
          checkKinds(statement.executeQuery());
        }
      }
    });
    all.put("prepared_many", () -> {
      List<PreparedStatement> open = new ArrayList<>();
      for (int i = 0; i < 5; i++) open.add(main.prepareStatement("SELECT " + i + ", ? AS a, ? AS b"));
      for (Object[] pair : new Object[][] {{"y", "z"}, {1L, "x"}, {null, -7}, {"", null}, {new BigDecimal("2.5"), true}}) {
        for (int i = 4; i >= 0; i--) {
          for (int p = 0; p < 2; p++) open.get(i).setObject(p + 1, pair[p]);
          List<String> row = rows(open.get(i).executeQuery()).get(0);
          equal(row, Arrays.asList("" + i, pair[0] == null ? null : pair[0].toString(),
              pair[1] == null ? null : pair[1].equals(true) ? "1" : pair[1].toString()));
        }
      }
      for (PreparedStatement statement : open) statement.close();
    });
    all.put("prepared_long_data", () -> {  // a stream goes as COM_STMT_SEND_LONG_DATA
      String table = fresh("longdata", "v LONGBLOB");
      byte[] bytes = new byte[1536 * 1024];
      for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
      try (PreparedStatement statement = main.prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
        statement.setBinaryStream(1, new ByteArrayInputStream(bytes));
        equal(statement.executeUpdate(), 1);
      }
      try (ResultSet result = main.createStatement().executeQuery("SELECT v FROM " + table)) {
        equal(result.next() && Arrays.equals(result.getBytes(1), bytes), true);
      }
    });
    all.put("prepared_error", () -> {
      fails(1146, "42S02", () -> ask("SELECT * FROM missing_table WHERE id = ?", 1));
      equal(one("SELECT 1"), "1");
    });
    all.put("text_prepare", () -> {
      ask("PREPARE s FROM 'SELECT ? * 2'");
      ask("SET @p = 21");
      equal(one("EXECUTE s USING @p"), "42");
      ask("DEALLOCATE PREPARE s");
    });
    all.put("commit", () -> {
      String table = fresh("commit");
      main.setAutoCommit(false);
      ask("INSERT INTO " + table + " (v) VALUES (?)", 1);
      main.commit();
      main.setAutoCommit(true);
      equal(bothCount(table), List.of("1", "1"));
    });
    all.put("rollback", () -> {
      String table = fresh("rollback");
      main.setAutoCommit(false);
      ask("INSERT INTO " + table + " (v) VALUES (?)", 1);
      main.rollback();
      main.setAutoCommit(true);
      equal(bothCount(table), List.of("0", "0"));
    });
    all.put("own_writes", () -> {
      String table = fresh("own");
      ask("START TRANSACTION");
      ask("INSERT INTO " + table + " (v) VALUES (?)", 1);
      equal(bothCount(table), List.of("1", "0"));
      ask("COMMIT");
      equal(othersCount(table), "1");
    });
    all.put("autocommit_off", () -> {
      String table = fresh("autocommit");
      main.setAutoCommit(false);
      ask("INSERT INTO " + table + " (v) VALUES (1)");
      equal(bothCount(table), List.of("1", "0"));
      main.commit();
      equal(othersCount(table), "1");
      main.setAutoCommit(true);
      equal(one("SELECT @@autocommit"), "1");
    });
    all.put("savepoint", () -> {
      String table = fresh("savepoint");
      main.setAutoCommit(false);
      ask("INSERT INTO " + table + " (id) VALUES (1)");
      Savepoint point = main.setSavepoint("s");
      ask("INSERT INTO " + table + " (id) VALUES (2)");
      main.rollback(point);
      main.commit();
      main.setAutoCommit(true);
      equal(ask("SELECT id FROM " + table), List.of(List.of("1")));
    });
    all.put("read_back", () -> {
      String table = fresh("back");
      try (Statement text = main.createStatement();
           PreparedStatement prepared = main.prepareStatement("SELECT v FROM " + table + " WHERE id = ?")) {
        for (int i = 0; i < 200; i++) {
          text.executeUpdate("INSERT INTO " + table + " (v) VALUES (" + i + ")", Statement.RETURN_GENERATED_KEYS);
          String id = rows(text.getGeneratedKeys()).get(0).get(0);
          prepared.setString(1, id);
          equal(i % 2 == 0 ? one("SELECT v FROM " + table + " WHERE id = " + id)
              : rows(prepared.executeQuery()).get(0).get(0), "" + i);
        }
      }
    });
    all.put("set_time_zone", () -> {
      ask("SET time_zone = '+03:00'");
      for (int i = 0; i < 3; i++) equal(one("SELECT CAST(FROM_UNIXTIME(0) AS CHAR)"), "1970-01-01 03:00:00");
      ask("SET time_zone = SYSTEM");
    });
    all.put("set_sql_mode", () -> {
      String mode = one("SELECT @@sql_mode");
      ask("SET sql_mode = 'ANSI_QUOTES'");
      for (int i = 0; i < 3; i++) equal(one("SELECT \"txt\" FROM " + PREFIX + "_kinds WHERE id = ?", 1), EMOJI);
      ask("SET sql_mode = '" + mode + "'");
      equal(one("SELECT \"txt\""), "txt");
    });
    all.put("use_schema", () -> {
      ask("CREATE TABLE IF NOT EXISTS " + OTHER + "." + PREFIX + "_there AS SELECT 7 AS v");
      main.setCatalog(OTHER);
      equal(one("SELECT v FROM " + PREFIX + "_there"), "7");
      fails(1049, "42000", () -> ask("USE " + MISSING));
      equal(one("SELECT DATABASE()"), OTHER);
      ask("USE " + SCHEMA);
      equal(one("SELECT DATABASE()"), SCHEMA);
    });
    all.put("user_variable", () -> {
      ask("SET @a := 5");
      equal(one("SELECT @a + 1"), "6");
    });
    all.put("last_insert_id", () -> {
      String table = fresh("last");
      ask("INSERT INTO " + table + " VALUES (41, 0)");
      ask("INSERT INTO " + table + " (v) VALUES (0)");
      for (int i = 0; i < 3; i++)
        equal(List.of(one("SELECT COUNT(*) FROM " + table), one("SELECT LAST_INSERT_ID()")), List.of("2", "42"));
    });
    all.put("multi_statements", () -> {
      String table = fresh("multi");
      try (Statement statement = main.createStatement()) {
        boolean first = statement.execute("SELECT 1; INSERT INTO " + table + " (v) VALUES (8); SELECT v FROM " + table
            + "; SELECT 2 FROM " + table + " WHERE FALSE");
        equal(sets(statement, first).toString(), "[[[1]], 1, [[8]], []]");
      }
    });
    all.put("call_results", () -> {
      ask("DROP PROCEDURE IF EXISTS " + PREFIX + "_p");
      ask("CREATE PROCEDURE " + PREFIX + "_p(n INT, OUT twice INT) BEGIN SELECT n; SELECT n + 1, 'two'; SET twice = n * 2; END");
      try (CallableStatement call = main.prepareCall("{call " + PREFIX + "_p(?, ?)}")) {
        call.setInt(1, 4);
        call.registerOutParameter(2, Types.INTEGER);
        equal(sets(call, call.execute()).subList(0, 2).toString(), "[[[4]], [[5, two]]]");
        equal(call.getInt(2), 8);
      }
    });
    all.put("error_duplicate", () -> {
      String table = fresh("duplicate");
      ask("INSERT INTO " + table + " VALUES (1, 1)");
      failsThenWorks(1062, "23000", "INSERT INTO " + table + " VALUES (1, 1)");
    });
    all.put("error_syntax", () -> failsThenWorks(1064, "42000", "SELEKT 1"));
    all.put("error_missing_table", () -> failsThenWorks(1146, "42S02", "SELECT * FROM missing_table"));
    all.put("ping", () -> equal(main.isValid(5), true));
    all.put("long_row", () -> {
      String table = fresh("long", "v LONGTEXT");
      ask("INSERT INTO " + table + " SELECT REPEAT('abcde', 1048576)");
      equal(one("SELECT v FROM " + table).equals("abcde".repeat(1048576)), true);
    });
    all.put("empty_result", () -> {
      try (ResultSet result = main.createStatement().executeQuery("SELECT id, txt AS other FROM " + PREFIX + "_kinds WHERE id < 0")) {
        equal(result.getMetaData().getColumnLabel(1) + " " + result.getMetaData().getColumnLabel(2), "id other");
        equal(result.next(), false);
      }
    });
    all.put("load_data_local", () -> {
      String table = fresh("load", "id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4");
      ask("LOAD DATA LOCAL INFILE '" + INFILE + "' INTO TABLE " + table + " CHARACTER SET utf8mb4");
      equal(ask("SELECT * FROM " + table).toString(), "[[1, one], [2, " + EMOJI + "], [3, null]]");
    });
    all.put("temporary_table", () -> {
      String table = PREFIX + "_temp";
      ask("CREATE TEMPORARY TABLE " + table + " AS SELECT 3 AS v");
      equal(one("SELECT v FROM " + table) + one("SELECT v FROM " + table + " WHERE v = ?", 3), "33");
      ask("DROP TEMPORARY TABLE " + table);
      failsThenWorks(1146, "42S02", "SELECT v FROM " + table);
    });
    all.put("show_warnings", () -> {
      try (Statement statement = main.createStatement()) {
        rows(statement.executeQuery("SELECT CAST('abc' AS SIGNED)"));
        equal(statement.getWarnings().getErrorCode(), 1292);
        statement.execute("DROP TABLE IF EXISTS " + PREFIX + "_never");
        equal(ask("SHOW WARNINGS").get(0).get(1), "1051");
      }
    });
    all.put("for_update", () -> {
      String table = fresh("lock"), locking = "SELECT v FROM " + table + " WHERE id = 1 FOR UPDATE";
      ask("INSERT INTO " + table + " VALUES (1, 7)");
      try (Connection other = connect()) {
        main.setAutoCommit(false);
        equal(one(locking), "7");
        try {
          ask(other, locking + " NOWAIT");
          throw new AssertionError("the row was not locked");
        } catch (SQLException error) {
          equal(error.getErrorCode() == 1205 || error.getErrorCode() == 3572, true);  // MariaDB, MySQL
        }
        main.commit();
        main.setAutoCommit(true);
        equal(ask(other, locking + " NOWAIT").get(0).get(0), "7");
      }
    });
    all.put("pool", () -> {
      try (MariaDbPoolDataSource pool = new MariaDbPoolDataSource(url(SCHEMA) + "&user=" + USER + "&password=" + PASSWORD)) {
        String table = fresh("pool");
        for (int i = 0; i < 30; i++) {
          try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            ask(connection, "INSERT INTO " + table + " (v) VALUES (?)", i);
            if (i % 2 == 0) connection.commit();  // the pool rolls the others back
          }
        }
        equal(othersCount(table), "15");
      }
    });
    all.put("reset", () -> {  // asked for, the pool resets what comes back
      String resetting = url(SCHEMA).replace("maxPoolSize=3", "maxPoolSize=1") + "&useResetConnection=true";
      try (MariaDbPoolDataSource pool = new MariaDbPoolDataSource(resetting + "&user=" + USER + "&password=" + PASSWORD)) {
        for (int i = 0; i < 5; i++) {
          try (Connection connection = pool.getConnection()) {
            equal(ask(connection, "SELECT @a").get(0).get(0), null);
            ask(connection, "SET @a = 1");
          }
        }
      }
    });
    all.put("reconnects", () -> {
      for (int i = 0; i < 30; i++) {
        try (Connection other = connect()) {
          equal(ask(other, "SELECT " + i).get(0).get(0), "" + i);
        }
      }
    });
    return all;
  }

  static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.substring(0, Math.min(400, text.length())).toCharArray()) {
      if (c == '"' || c == '\\') json.append('\\').append(c);
      else if (c < ' ' || c > '~') json.append(String.format("\\u%04x", (int) c));
      else json.append(c);
    }
    return json.append('"').toString();
  }

  public static void main(String[] arguments) throws Exception {
    for (int i = 0; i < 256; i++) ALL_BYTES[i] = (byte) i;
    main = connect();
    for (Map.Entry<String, Work> scenario : scenarios().entrySet()) {
      long start = System.nanoTime();
      String detail = "";
      try {
        scenario.getValue().run();
      } catch (Exception | AssertionError error) {
        detail = error.toString();
        if (!main.getAutoCommit()) main.setAutoCommit(true);
      }
      System.out.printf("{\"scenario\": \"%s\", \"ok\": %b, \"detail\": %s, \"ms\": %d}%n", scenario.getKey(),
          detail.isEmpty(), quoted(detail), (System.nanoTime() - start) / 1000000);
    }
    System.exit(0);  // the pool's threads would hold it for seconds
  }
}
