/// Watches the tokens of one statement and notes what they mean for routing.
///
/// It knows no grammar, only what makes a statement more than a plain read:
/// locking clauses, INTO, assignments, calls of what is not a built-in function,
/// variables and tables that speak of one server. That is why its cost is
/// constant per token and its memory a few words.
///
/// Drive it: write a token to current(), then feed() it or overwrite it with the
/// next; in order, up to the statement's end. What it
/// finds goes to the Statement, which must outlive it. Access only ever turns
/// from read to write; a write keeps its cause.
#pragma once

#include <cstdint>

#include "routing/sql_scanner.hpp"
#include "routing/statement.hpp"

namespace sluice::routing {

class StatementBody {
 public:
  StatementBody(const Dialect& dialect, Statement& statement)
      : dialect_(dialect), statement_(statement) {}
  StatementBody(const StatementBody&) = delete;
  StatementBody& operator=(const StatementBody&) = delete;

  /// Forgets all tokens: a new statement begins.
  void restart();

  /// Where the next token is to be written. Tokens are not copied: loading what
  /// has just been stored in pieces stalls the processor.
  [[nodiscard]] Token& current() { return *current_; }
  /// Looks at the current token; current() is another one behind it.
  void feed();

  /// It is a write, for this cause if it was a read so far.
  void fail(Cause cause);

  /// A name before the next parenthesis is a table: INSERT INTO t (a, b).
  void expect_columns() { columns_may_follow_ = true; }
  /// Names before parentheses are no calls, and nothing is evaluated, until the
  /// statement's first SELECT: CREATE TABLE t (a VARCHAR(10)) AS SELECT f().
  void expect_definitions() { definitions_ = true; }

 private:
  /// Where in `@@scope.name` the tokens stand.
  enum class Variable : std::uint8_t { none, name, after_scope, after_name };

  void look_at(const Token& token);
  void feed_word(const Token& token);
  bool feed_variable(const Token& token);
  void note_variable(std::string_view name);
  void open_parenthesis(bool glued);
  void note_call(const Token& function, bool glued);
  void check_table(const Token& token);
  void check_qualifier();
  [[nodiscard]] bool at_with_level() const {
    return depth_ >= 0 && depth_ < 64 && ((with_levels_ >> depth_) & 1) != 0;
  }
  void set_with_level(bool on);

  const Dialect& dialect_;
  Statement& statement_;
  Token tokens_[3];
  Token* current_ = &tokens_[0];
  Token* previous_ = &tokens_[1];  // of those that were fed; kind end: none yet
  Token* before_previous_ = &tokens_[2];
  std::uint64_t with_levels_ = 0;  // bit d: between WITH and its SELECT at depth d
  std::int64_t depth_ = 0;
  Variable variable_ = Variable::none;
  bool columns_may_follow_ = false;
  bool definitions_ = false;
  bool in_into_ = false;
  std::string_view qualifier_;          // of the dot that came last; empty if it has one itself
  bool information_schema_ = false;     // its dot is the previous token
  bool opened_last_insert_id_ = false;  // the previous token opens LAST_INSERT_ID(
  bool subquery_must_follow_ = false;   // the previous token opens ANY( or LATERAL(
};

}  // namespace sluice::routing
