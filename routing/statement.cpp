#include "routing/statement.hpp"

#include "routing/sql_scanner.hpp"
#include "routing/statement_reader.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

using ExecutableComments = SqlScanner::ExecutableComments;

/// What one way to read the whole text has found.
struct Reading {
  Statement statement;
  bool saw_executable_comment = false;
  bool ambiguous = false;
};

/// Takes `part`, which comes behind `whole` in the same text, into it.
void append(Statement& whole, const Statement& part, const Dialect& dialect) {
  const bool reads = whole.access == Access::read && part.access == Access::read;
  if (!reads || !dialect.multi_statements) {
    whole.access = Access::write;
    whole.cause = Cause::several_statements;
  }
  whole.effects.set(part.effects);
  whole.effects.set(Effect::several);
}

Reading read_all(std::string_view sql, const Dialect& dialect, ExecutableComments mode) {
  SqlScanner scanner(sql, dialect, mode);
  StatementReader reader(scanner, dialect);
  Reading reading;
  reading.statement = reader.read();
  // An empty statement counts only if something follows it.
  bool skipped_empty = false;
  while (!reader.done()) {
    const Statement part = reader.read();
    if (part.cause == Cause::empty) {
      skipped_empty = true;
      continue;
    }
    if (skipped_empty) append(reading.statement, Statement{}, dialect);
    append(reading.statement, part, dialect);
  }
  reading.saw_executable_comment = scanner.saw_executable_comment();
  reading.ambiguous = scanner.ambiguous();
  if (reading.ambiguous) reading.statement.effects.set(Effect::several);
  if (scanner.executable_comments_differ()) {
    reading.statement.effects.set(Effect::several);
    if (reading.statement.access == Access::read) {
      reading.statement.access = Access::write;
      reading.statement.cause = Cause::executable_comment;
    }
  }
  return reading;
}

/// The worse of two readings: a backend may choose either.
Statement worse(const Statement& entered, const Statement& skipped) {
  Statement result = entered;
  if (entered.access == Access::read && skipped.access == Access::write) {
    result.access = Access::write;
    result.cause = Cause::executable_comment;
  }
  result.effects.set(skipped.effects);
  return result;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Looks through the comments before the statement.
Hint find_hint(std::string_view sql) {
  for (;;) {
    while (!sql.empty() && is_blank(sql.front())) sql.remove_prefix(1);
    if (!sql.starts_with("/*")) return Hint::none;
    const std::size_t end = sql.find("*/", 2);
    if (end == sql.npos) return Hint::none;
    std::string_view comment = trim(sql.substr(2, end - 2));
    sql.remove_prefix(end + 2);
    if (!starts_with_word(comment, "sluice")) continue;
    comment = trim(comment.substr(6));
    if (!comment.starts_with(':')) continue;
    comment = trim(comment.substr(1));
    if (same_word(comment, "primary")) return Hint::primary;
    if (same_word(comment, "replica")) return Hint::replica;
  }
}

Statement classify_text(std::string_view sql, const Dialect& dialect) {
  const Reading entered = read_all(sql, dialect, ExecutableComments::enter);
  Statement statement = entered.statement;
  if (entered.saw_executable_comment) {
    statement = worse(statement, read_all(sql, dialect, ExecutableComments::skip).statement);
  }
  statement.hint = find_hint(sql);
  return statement;
}

}  // namespace

Statement classify(std::string_view sql, const Dialect& dialect) noexcept {
  if (sql.size() > classify_limit) {
    return classify_beginning(sql.substr(0, classify_limit), dialect);
  }
  return classify_text(sql, dialect);
}

Statement classify_beginning(std::string_view sql, const Dialect& dialect) noexcept {
  Statement statement = classify_text(sql, dialect);
  statement.access = Access::write;
  statement.cause = Cause::oversized;
  SqlScanner scanner(sql, dialect, ExecutableComments::skip);
  Token first;
  scanner.next(first);
  const bool plain_change = first.is(Word::insert) || first.is(Word::replace) ||
                            first.is(Word::update) || first.is(Word::delete_) ||
                            first.is(Word::load);
  if (!plain_change || dialect.multi_statements) statement.effects.set(Effect::several);
  return statement;
}

}  // namespace sluice::routing
