/// A connection and a prepared statement of the C API, for the scenarios.
///
/// All is text: NULL is "NULL", and what is no result set is one row
/// "affected N". Whatever the library reports is thrown as a SqlError.
#pragma once

#include <mysql.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

inline std::string env(const char* name) {
  const char* value = std::getenv((std::string("ENDPOINT_") + name).c_str());
  return value != nullptr ? value : "";
}

inline const std::string host = env("HOST"), user = env("USER"), password = env("PASSWORD"),
                         schema = env("SCHEMA"), prefix = env("PREFIX"), infile = env("INFILE"),
                         other_schema = schema + "_b", missing_schema = schema + "_missing",
                         emoji = "Grüße 🚰",
                         columns = "txt, bin, num, day, moment, big, ubig, nothing, blank";
inline const bool tls = env("TLS") == "1";

struct SqlError : std::runtime_error {
  SqlError(unsigned error_code, std::string sql_state, const char* message)
      : std::runtime_error(message), code(error_code), state(std::move(sql_state)) {}
  explicit SqlError(MYSQL* from)
      : SqlError(mysql_errno(from), mysql_sqlstate(from), mysql_error(from)) {}
  explicit SqlError(MYSQL_STMT* from)
      : SqlError(mysql_stmt_errno(from), mysql_stmt_sqlstate(from), mysql_stmt_error(from)) {}
  unsigned code;
  std::string state;
};

class Connection {
 public:
  explicit Connection(const std::string& with_password = password, const std::string& into = schema)
      : mysql_(mysql_init(nullptr)) {
    const unsigned on = 1;
    const unsigned seconds = 10;
    const my_bool enforce = tls ? 1 : 0;
    mysql_options(mysql_, MYSQL_OPT_LOCAL_INFILE, &on);
    mysql_options(mysql_, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(mysql_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (tls) mysql_options(mysql_, MYSQL_OPT_SSL_ENFORCE, &enforce);
    const auto port = static_cast<unsigned>(std::stoul(env("PORT")));
    if (mysql_real_connect(mysql_, host.c_str(), user.c_str(), with_password.c_str(), into.c_str(),
                           port, nullptr, CLIENT_MULTI_STATEMENTS) == nullptr) {
      SqlError error(mysql_);
      mysql_close(mysql_);
      throw error;
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { mysql_close(mysql_); }

  MYSQL* raw() const { return mysql_; }

  void check(int failed) const {
    if (failed != 0) throw SqlError(mysql_);
  }

  /// All results of a command: rows as text with NULL as "NULL", a count as one row.
  std::vector<Rows> sets(const std::string& sql) const {
    check(mysql_real_query(mysql_, sql.data(), sql.size()));
    std::vector<Rows> all;
    int more = 0;
    do {
      MYSQL_RES* result = mysql_store_result(mysql_);
      if (result == nullptr && mysql_field_count(mysql_) != 0) throw SqlError(mysql_);
      all.emplace_back();
      if (result == nullptr)
        all.back().push_back({"affected " + std::to_string(mysql_affected_rows(mysql_))});
      while (MYSQL_ROW row = result != nullptr ? mysql_fetch_row(result) : nullptr) {
        const unsigned long* lengths = mysql_fetch_lengths(result);
        all.back().emplace_back();
        for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
          all.back().back().push_back(row[i] != nullptr ? std::string(row[i], lengths[i]) : "NULL");
        }
      }
      mysql_free_result(result);
      more = mysql_next_result(mysql_);
    } while (more == 0);
    if (more > 0) throw SqlError(mysql_);
    return all;
  }
  Rows ask(const std::string& sql) const { return sets(sql).front(); }
  std::string one(const std::string& sql) const { return ask(sql).at(0).at(0); }

 private:
  MYSQL* mysql_;
};

/// A value to bind: its type on the wire, and its bytes.
struct Value {
  Value(std::string text) : type(MYSQL_TYPE_STRING), bytes(std::move(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(long long number)
      : type(MYSQL_TYPE_LONGLONG), bytes(reinterpret_cast<const char*>(&number), sizeof number) {}
  Value(double number)
      : type(MYSQL_TYPE_DOUBLE), bytes(reinterpret_cast<const char*>(&number), sizeof number) {}
  Value(std::nullptr_t) : type(MYSQL_TYPE_NULL) {}
  enum_field_types type;
  std::string bytes;
};

class Statement {
 public:
  Statement(const Connection& connection, const std::string& sql)
      : statement_(mysql_stmt_init(connection.raw())) {
    if (mysql_stmt_prepare(statement_, sql.data(), sql.size()) != 0) {
      SqlError error(statement_);
      mysql_stmt_close(statement_);
      throw error;
    }
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { mysql_stmt_close(statement_); }

  void check(int failed) const {
    if (failed != 0) throw SqlError(statement_);
  }

  /// Runs it with these values; the rows as text. long_data goes ahead, in pieces, for the first
  /// value.
  Rows run(std::vector<Value> values, const std::string& long_data = {}) const {
    std::vector<MYSQL_BIND> binds(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      binds[i].buffer_type = values[i].type;
      binds[i].buffer = values[i].bytes.data();
      binds[i].buffer_length = values[i].bytes.size();
    }
    if (!binds.empty()) check(mysql_stmt_bind_param(statement_, binds.data()));
    for (std::size_t at = 0; at < long_data.size(); at += 300'000) {
      const std::string piece = long_data.substr(at, 300'000);
      check(mysql_stmt_send_long_data(statement_, 0, piece.data(), piece.size()));
    }
    check(mysql_stmt_execute(statement_));
    const unsigned width = mysql_stmt_field_count(statement_);
    Rows rows;
    if (width == 0) return rows;
    check(mysql_stmt_store_result(statement_));
    std::vector<std::string> buffers(width, std::string(4096, '\0'));
    std::vector<unsigned long> lengths(width);
    std::vector<my_bool> nulls(width);
    std::vector<MYSQL_BIND> outputs(width);
    for (unsigned i = 0; i < width; ++i) {
      outputs[i].buffer_type = MYSQL_TYPE_STRING;
      outputs[i].buffer = buffers[i].data();
      outputs[i].buffer_length = buffers[i].size();
      outputs[i].length = &lengths[i];
      outputs[i].is_null = &nulls[i];
    }
    check(mysql_stmt_bind_result(statement_, outputs.data()));
    while (mysql_stmt_fetch(statement_) == 0) {
      rows.emplace_back();
      for (unsigned i = 0; i < width; ++i) {
        rows.back().push_back(nulls[i] != 0 ? "NULL" : buffers[i].substr(0, lengths[i]));
      }
    }
    mysql_stmt_free_result(statement_);
    return rows;
  }

  /// Opens a cursor on the server and fetches through it, two rows at a time.
  std::size_t count_by_cursor() const {
    const unsigned long type = CURSOR_TYPE_READ_ONLY;
    const unsigned long ahead = 2;
    mysql_stmt_attr_set(statement_, STMT_ATTR_CURSOR_TYPE, &type);
    mysql_stmt_attr_set(statement_, STMT_ATTR_PREFETCH_ROWS, &ahead);
    check(mysql_stmt_execute(statement_));
    std::size_t count = 0;
    while (mysql_stmt_fetch(statement_) == 0) ++count;
    check(mysql_stmt_reset(statement_) ? 1 : 0);
    return count;
  }

 private:
  MYSQL_STMT* statement_;
};
