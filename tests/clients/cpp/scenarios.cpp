// MariaDB Connector/C (or Oracle's libmysqlclient) from C++: text, prepared
// statements with bound buffers, long data in pieces, reset and change of user.
#include <chrono>
#include <cstdio>
#include <functional>

#include "tests/clients/cpp/connection.hpp"

namespace {

std::string shown(const Rows& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (const std::string& field : row) text += (&field == row.data() ? "" : ",") + field;
    text += ";";
  }
  return text;
}

void equal(const std::string& got, const std::string& expected) {
  if (got != expected) {
    throw std::runtime_error("got " + got.substr(0, 200) + ", expected " + expected.substr(0, 200));
  }
}
void equal(unsigned long long got, unsigned long long expected) {
  equal(std::to_string(got), std::to_string(expected));
}

std::string fresh(const Connection& on, const std::string& name,
                  const std::string& with = "id INT PRIMARY KEY AUTO_INCREMENT, v INT") {
  std::string table = prefix + "_" + name;
  on.ask("DROP TABLE IF EXISTS " + table);
  on.ask("CREATE TABLE " + table + " (" + with + ")");
  return table;
}

/// What this and another connection see; the other reads in a transaction: the primary's truth.
std::string both_count(const Connection& on, const std::string& table) {
  const std::string mine = on.one("SELECT COUNT(*) FROM " + table);
  Connection other;
  other.ask("START TRANSACTION");
  return mine + "," + other.one("SELECT COUNT(*) FROM " + table);
}

std::string fails(unsigned code, const std::string& state, const std::function<void()>& work) {
  try {
    work();
  } catch (const SqlError& error) {
    equal(std::to_string(error.code) + " " + error.state, std::to_string(code) + " " + state);
    return error.what();
  }
  throw std::runtime_error("no error " + std::to_string(code));
}

std::string all_bytes(int times = 1) {
  std::string bytes;
  for (int i = 0; i < 256 * times; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

Row kinds() {
  return {emoji,
          all_bytes(),
          "-12345.67890",
          "2024-02-29",
          "2023-12-31 23:59:59.123456",
          "-9223372036854775808",
          "18446744073709551615",
          "NULL",
          ""};
}

struct Scenario {
  const char* name;
  std::function<void(Connection&)> run;
};

void fails_then_works(const Connection& on, unsigned code, const std::string& state,
                      const std::string& sql) {
  fails(code, state, [&] { on.ask(sql); });
  equal(on.one("SELECT 1"), "1");
}

std::vector<Scenario> sessions_and_errors() {
  return {
      {"login",
       [](Connection& on) {
         equal(on.one("SELECT DATABASE()"), schema);
         equal(mysql_get_ssl_cipher(on.raw()) != nullptr, tls);
       }},
      {"login_wrong_password",
       [](Connection&) {
         const std::string message = fails(1045, "28000", [] { Connection refused("wrong"); });
         equal(message.find("Access denied for user '" + user + "'@'"), 0);
         equal(message.find("(using password: YES)") != std::string::npos, true);
       }},
      {"login_unknown_schema",
       [](Connection&) {
         fails(1049, "42000", [] { Connection refused(password, missing_schema); });
       }},
      {"set_names",
       [](Connection& on) {
         on.check(mysql_set_character_set(on.raw(), "latin1"));
         for (int i = 0; i < 3; ++i)
           equal(shown(on.ask("SELECT CHAR_LENGTH('é'), _utf8mb4 X'C3A9'")), "2,\xe9;");
         on.check(mysql_set_character_set(on.raw(), "utf8mb4"));
         equal(on.one("SELECT CHAR_LENGTH('é')"), "1");
       }},
      {"set_time_zone",
       [](Connection& on) {
         on.ask("SET time_zone = '+03:00'");
         for (int i = 0; i < 3; ++i)
           equal(on.one("SELECT FROM_UNIXTIME(0)"), "1970-01-01 03:00:00");
         on.ask("SET time_zone = SYSTEM");
       }},
      {"set_sql_mode",
       [](Connection& on) {
         const std::string mode = on.one("SELECT @@sql_mode");
         on.ask("SET sql_mode = 'ANSI_QUOTES'");
         for (int i = 0; i < 3; ++i) equal(on.one("SELECT 1 AS v HAVING \"v\" = 1"), "1");
         on.ask("SET sql_mode = '" + mode + "'");
         equal(on.one("SELECT \"v\""), "v");
       }},
      {"use_schema",
       [](Connection& on) {
         on.ask("CREATE TABLE IF NOT EXISTS " + other_schema + "." + prefix +
                "_there AS SELECT 7 AS v");
         on.check(mysql_select_db(on.raw(), other_schema.c_str()));
         equal(on.one("SELECT v FROM " + prefix + "_there"), "7");
         fails(1049, "42000", [&] { on.check(mysql_select_db(on.raw(), missing_schema.c_str())); });
         equal(on.one("SELECT DATABASE()"), other_schema);
         on.ask("USE " + schema);
         equal(on.one("SELECT DATABASE()"), schema);
       }},
      {"user_variable",
       [](Connection& on) {
         on.ask("SET @a := 5");
         equal(on.one("SELECT @a + 1"), "6");
       }},
      {"error_duplicate",
       [](Connection& on) {
         const std::string table = fresh(on, "duplicate");
         on.ask("INSERT INTO " + table + " VALUES (1, 1)");
         fails_then_works(on, 1062, "23000", "INSERT INTO " + table + " VALUES (1, 1)");
       }},
      {"error_syntax", [](Connection& on) { fails_then_works(on, 1064, "42000", "SELEKT 1"); }},
      {"error_missing_table",
       [](Connection& on) { fails_then_works(on, 1146, "42S02", "SELECT * FROM missing_table"); }},
      {"ping",
       [](Connection& on) {
         on.check(mysql_ping(on.raw()));
         equal(std::string(mysql_stat(on.raw())).find("Uptime") != std::string::npos, true);
       }},
      {"reset",
       [](Connection&) {
         Connection on;
         on.ask("SET @a = 1, time_zone = '+03:00'");
         on.ask("CREATE TEMPORARY TABLE " + prefix + "_gone (id INT)");
         on.check(mysql_reset_connection(on.raw()));
         equal(shown(on.ask("SELECT @a, @@time_zone, DATABASE()")), "NULL,SYSTEM," + schema + ";");
         fails_then_works(on, 1146, "42S02", "SELECT * FROM " + prefix + "_gone");
       }},
      {"change_user",
       [](Connection&) {
         Connection on;
         on.ask("SET @a = 1");
         on.check(
             mysql_change_user(on.raw(), user.c_str(), password.c_str(), other_schema.c_str()));
         equal(shown(on.ask("SELECT @a, DATABASE()")), "NULL," + other_schema + ";");
         fails(1045, "28000",
               [&] { on.check(mysql_change_user(on.raw(), user.c_str(), "wrong", nullptr)); });
       }},
      {"reconnects",
       [](Connection&) {
         for (int i = 0; i < 30; ++i)
           equal(Connection().one("SELECT " + std::to_string(i)), std::to_string(i));
       }},
  };
}

std::vector<Scenario> reads_and_writes() {
  return {
      {"ddl",
       [](Connection& on) {
         const std::string table = fresh(on, "ddl", "id INT");
         on.ask("ALTER TABLE " + table + " ADD COLUMN added VARCHAR(7)");
         equal(on.ask("SHOW COLUMNS FROM " + table).at(1).at(0), "added");
         on.ask("DROP TABLE " + table);
         equal(shown(on.ask("SHOW TABLES LIKE '" + table + "'")), "");
       }},
      {"insert",
       [](Connection& on) {
         const std::string table = fresh(on, "insert");
         equal(on.one("INSERT INTO " + table + " (v) VALUES (1),(2)"), "affected 2");
         equal(mysql_insert_id(on.raw()), 1);
         equal(on.one("INSERT INTO " + table + " (v) VALUES (3)"), "affected 1");
         equal(mysql_insert_id(on.raw()), 3);
         equal(on.one("UPDATE " + table + " SET v = 9 WHERE id < 3"), "affected 2");
         equal(on.one("DELETE FROM " + table), "affected 3");
       }},
      {"bulk_insert",
       [](Connection& on) {
         const std::string table = fresh(on, "bulk");
         std::string sql = "INSERT INTO " + table + " VALUES (1, 1)";
         for (int i = 2; i <= 1000; ++i) sql += ",(" + std::to_string(i) + ", 1)";
         equal(on.one(sql), "affected 1000");
         equal(shown(on.ask("SELECT COUNT(*), SUM(id) FROM " + table)), "1000,500500;");
       }},
      {"text_read",
       [](Connection& on) {
         const std::string table =
             fresh(on, "kinds",
                   "id INT PRIMARY KEY AUTO_INCREMENT, txt VARCHAR(100) CHARACTER SET utf8mb4,"
                   " bin VARBINARY(300), num DECIMAL(20,5), day DATE, moment DATETIME(6), big"
                   " BIGINT, ubig BIGINT UNSIGNED, nothing INT, blank VARCHAR(10)");
         std::string sql = "INSERT INTO " + table + " (" + columns + ") VALUES (";
         for (const std::string& value : kinds()) {
           std::string escaped(value.size() * 2 + 1, '\0');
           escaped.resize(
               mysql_real_escape_string(on.raw(), escaped.data(), value.data(), value.size()));
           sql += value == "NULL"       ? "NULL, "
                  : value.size() == 256 ? "_binary '" + escaped + "', "
                                        : "'" + escaped + "', ";
         }
         sql.replace(sql.size() - 2, 2, ")");
         on.ask(sql);
         equal(shown(on.ask("SELECT " + columns + " FROM " + table)), shown({kinds()}));
       }},
      {"prepared_read",
       [](Connection& on) {
         Statement statement(on, "SELECT " + columns + " FROM " + prefix + "_kinds WHERE id = ?");
         for (long long i = 0; i < 3; ++i) equal(shown(statement.run({1LL})), shown({kinds()}));
         Statement rows(on, "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5");
         equal(rows.count_by_cursor(), 5);
         equal(rows.count_by_cursor(), 5);
       }},
      {"prepared_many",
       [](Connection& on) {
         Statement first(on, "SELECT 1, ? AS a, ? AS b"), second(on, "SELECT 2, ? AS a, ? AS b");
         equal(shown(first.run({"y", "z"})) + shown(second.run({1LL, "x"})), "1,y,z;2,1,x;");
         equal(shown(first.run({1LL, "x"})) + shown(second.run({"y", 2.5})), "1,1,x;2,y,2.5;");
         equal(shown(first.run({nullptr, -7LL})) + shown(second.run({"", nullptr})),
               "1,NULL,-7;2,,NULL;");
       }},
      {"prepared_long_data",
       [](Connection& on) {
         const std::string table = fresh(on, "longdata", "v LONGBLOB"), bytes = all_bytes(6144);
         Statement statement(on, "INSERT INTO " + table + " VALUES (?)");
         statement.run({""}, bytes);
         equal(on.one("SELECT v FROM " + table) == bytes, true);
       }},
      {"prepared_error",
       [](Connection& on) {
         fails(1146, "42S02", [&] { Statement(on, "SELECT * FROM missing_table WHERE id = ?"); });
         equal(on.one("SELECT 1"), "1");
       }},
      {"text_prepare",
       [](Connection& on) {
         on.ask("PREPARE s FROM 'SELECT ? * 2'");
         on.ask("SET @p = 21");
         equal(on.one("EXECUTE s USING @p"), "42");
         on.ask("DEALLOCATE PREPARE s");
       }},
      {"read_back",
       [](Connection& on) {
         const std::string table = fresh(on, "back");
         Statement insert(on, "INSERT INTO " + table + " (v) VALUES (?)");
         Statement select(on, "SELECT v FROM " + table + " WHERE v = ?");
         for (long long i = 0; i < 200; ++i) {
           insert.run({i});
           const std::string sql = "SELECT v FROM " + table + " WHERE v = " + std::to_string(i);
           equal(i % 2 == 0 ? on.one(sql) : select.run({i}).at(0).at(0), std::to_string(i));
         }
       }},
      {"last_insert_id",
       [](Connection& on) {
         const std::string table = fresh(on, "last");
         on.ask("INSERT INTO " + table + " VALUES (41, 0)");
         on.ask("INSERT INTO " + table + " (v) VALUES (0)");
         for (int i = 0; i < 3; ++i) {
           equal(on.one("SELECT COUNT(*) FROM " + table) + on.one("SELECT LAST_INSERT_ID()"),
                 "242");
         }
       }},
      {"multi_statements",
       [](Connection& on) {
         const std::string table = fresh(on, "multi");
         std::string all;
         for (const Rows& rows :
              on.sets("SELECT 1; INSERT INTO " + table + " (v) VALUES (8); SELECT v FROM " + table +
                      "; SELECT 2 FROM " + table + " WHERE FALSE")) {
           all += shown(rows) + "|";
         }
         equal(all, "1;|affected 1;|8;||");
         fails(1146, "42S02", [&] { on.sets("SELECT 1; SELECT * FROM missing_table; SELECT 2"); });
       }},
      {"call_results",
       [](Connection& on) {
         on.ask("DROP PROCEDURE IF EXISTS " + prefix + "_p");
         on.ask("CREATE PROCEDURE " + prefix +
                "_p(n INT) BEGIN SELECT n; SELECT n + 1, 'two'; END");
         const std::vector<Rows> sets = on.sets("CALL " + prefix + "_p(4)");
         equal(shown(sets.at(0)) + shown(sets.at(1)), "4;5,two;");
       }},
      {"long_row",
       [](Connection& on) {
         const std::string table = fresh(on, "long", "v LONGTEXT");
         on.ask("INSERT INTO " + table + " SELECT REPEAT('abcde', 1048576)");
         std::string expected;
         for (int i = 0; i < 1048576; ++i) expected += "abcde";
         equal(on.one("SELECT v FROM " + table) == expected, true);
       }},
      {"empty_result",
       [](Connection& on) {
         on.check(mysql_query(on.raw(), "SELECT 1 AS id, 2 AS other FROM DUAL WHERE FALSE"));
         MYSQL_RES* result = mysql_store_result(on.raw());
         const MYSQL_FIELD* fields = mysql_fetch_fields(result);
         const std::string found = std::string(fields[0].name) + "," + fields[1].name;
         const unsigned long long count = mysql_num_rows(result);
         mysql_free_result(result);
         equal(found, "id,other");
         equal(count, 0);
       }},
      {"load_data_local",
       [](Connection& on) {
         const std::string table =
             fresh(on, "load", "id INT PRIMARY KEY, v VARCHAR(50) CHARACTER SET utf8mb4");
         const std::string load = "LOAD DATA LOCAL INFILE '" + infile + "' INTO TABLE " + table +
                                  " CHARACTER SET utf8mb4";
         equal(on.one(load), "affected 3");
         equal(shown(on.ask("SELECT * FROM " + table)), "1,one;2," + emoji + ";3,NULL;");
         fails(2, "HY000",
               [&] { on.ask("LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE " + table); });
         equal(on.one("SELECT COUNT(*) FROM " + table), "3");
       }},
      {"temporary_table",
       [](Connection& on) {
         const std::string table = prefix + "_temp";
         on.ask("CREATE TEMPORARY TABLE " + table + " AS SELECT 3 AS v");
         equal(on.one("SELECT v FROM " + table),
               Statement(on, "SELECT v FROM " + table).run({}).at(0).at(0));
         on.ask("DROP TEMPORARY TABLE " + table);
         fails_then_works(on, 1146, "42S02", "SELECT v FROM " + table);
       }},
      {"show_warnings",
       [](Connection& on) {
         on.ask("SELECT CAST('abc' AS SIGNED)");
         equal(mysql_warning_count(on.raw()), 1);
         equal(on.ask("SHOW WARNINGS").at(0).at(1), "1292");
         on.ask("DROP TABLE IF EXISTS " + prefix + "_never");
         equal(on.ask("SHOW WARNINGS").at(0).at(1), "1051");
       }},
  };
}

std::vector<Scenario> transactions() {
  return {
      {"commit",
       [](Connection& on) {
         const std::string table = fresh(on, "commit");
         on.ask("BEGIN");
         on.ask("INSERT INTO " + table + " (v) VALUES (1)");
         on.check(mysql_commit(on.raw()) ? 1 : 0);
         equal(both_count(on, table), "1,1");
       }},
      {"rollback",
       [](Connection& on) {
         const std::string table = fresh(on, "rollback");
         on.ask("BEGIN");
         on.ask("INSERT INTO " + table + " (v) VALUES (1)");
         on.check(mysql_rollback(on.raw()) ? 1 : 0);
         equal(both_count(on, table), "0,0");
       }},
      {"own_writes",
       [](Connection& on) {
         const std::string table = fresh(on, "own");
         on.ask("START TRANSACTION");
         on.ask("INSERT INTO " + table + " (v) VALUES (1)");
         equal(both_count(on, table), "1,0");
         equal(Statement(on, "SELECT COUNT(*) FROM " + table).run({}).at(0).at(0), "1");
         on.ask("COMMIT");
         equal(both_count(on, table), "1,1");
       }},
      {"autocommit_off",
       [](Connection& on) {
         const std::string table = fresh(on, "autocommit");
         on.check(mysql_autocommit(on.raw(), 0) ? 1 : 0);
         on.ask("INSERT INTO " + table + " (v) VALUES (1)");
         equal(both_count(on, table), "1,0");
         on.check(mysql_commit(on.raw()) ? 1 : 0);
         on.check(mysql_autocommit(on.raw(), 1) ? 1 : 0);
         equal(both_count(on, table), "1,1");
       }},
      {"savepoint",
       [](Connection& on) {
         const std::string table = fresh(on, "savepoint"),
                           insert = "INSERT INTO " + table + " (id) VALUES ";
         for (const std::string& sql :
              {std::string("BEGIN"), insert + "(1)", std::string("SAVEPOINT s"), insert + "(2)",
               std::string("ROLLBACK TO SAVEPOINT s"), std::string("COMMIT")}) {
           on.ask(sql);
         }
         equal(shown(on.ask("SELECT id FROM " + table)), "1;");
       }},
      {"for_update",
       [](Connection& on) {
         const std::string table = fresh(on, "lock"),
                           locking = "SELECT v FROM " + table + " WHERE id = 1 FOR UPDATE";
         Connection other;
         on.ask("INSERT INTO " + table + " VALUES (1, 7)");
         on.ask("BEGIN");
         equal(on.one(locking), "7");
         unsigned code = 0;
         try {
           other.ask(locking + " NOWAIT");
         } catch (const SqlError& error) {
           code = error.code;
         }
         equal(code == 1205 || code == 3572, true);  // MariaDB, MySQL
         on.ask("COMMIT");
         equal(other.one(locking + " NOWAIT"), "7");
       }},
  };
}

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c >= ' ' && c <= '~' ? c : '?';
  }
  return json + "\"";
}

void run_all(Connection& on, const std::vector<Scenario>& scenarios) {
  for (const Scenario& scenario : scenarios) {
    const auto start = std::chrono::steady_clock::now();
    std::string detail;
    try {
      scenario.run(on);
    } catch (const std::exception& error) {
      detail = std::string("failed: ") + error.what();
    }
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    std::printf("{\"scenario\": \"%s\", \"ok\": %s, \"detail\": %s, \"ms\": %lld}\n", scenario.name,
                detail.empty() ? "true" : "false", quoted(detail).c_str(),
                static_cast<long long>(taken.count()));
    std::fflush(stdout);
  }
}

}  // namespace

int main() {
  try {
    Connection on;
    run_all(on, sessions_and_errors());
    run_all(on, reads_and_writes());
    run_all(on, transactions());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
