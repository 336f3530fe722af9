/// SET in all its forms. Always a write; what counts is what it assigns.
#include "routing/statement_reader.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {

void StatementReader::read_set() {
  write(Cause::session_setting);
  advance();
  if (token_->is(Word::password) || token_->is(Word::resource)) {
    write(Cause::administers, {Effect::implicit_commit});
    return skip_rest();
  }
  if (token_->is(Word::statement)) return read_set_for_statement();
  if (token_->is(Word::role)) {
    advance();
    if (!token_->is('=') && token_->kind != TokenKind::assign) {
      statement_.effects.set(Effect::sets_role);
      return skip_rest();
    }
    statement_.effects.set(Effect::sets_variables);  // no such variable; the backend will say so
    return feed_rest();
  }
  if (token_->is(Word::default_)) {
    advance();
    if (token_->is(Word::role)) write(Cause::administers, {Effect::implicit_commit});
    return skip_rest();
  }
  read_assignments();
}

// [scope] name = expression, @v = expression, NAMES …, CHARACTER SET …,
// [scope] TRANSACTION …; separated by commas.
void StatementReader::read_assignments() {
  using enum Effect;
  bool global = false;  // a scope without @@ also holds for the assignments behind it
  bool session = false;
  while (!token_->ends_statement()) {
    bool at_sign = false;
    bool at_scope = false;
    bool scoped_global = false;
    if (token_->kind == TokenKind::user_variable) {
      statement_.effects.set(sets_user_variables);
      advance();
      if (token_->kind == TokenKind::assign) advance();
    } else {
      if (token_->kind == TokenKind::system_variable) {
        at_sign = true;
        advance();
      }
      if (token_->is(Word::global) || token_->is(Word::persist) || token_->is(Word::persist_only)) {
        if (!at_sign) global = true;
        scoped_global = true;
        statement_.effects.set(sets_global);
        statement_.cause = Cause::administers;
        advance();
        if (token_->is('.')) advance();
      } else if (token_->is(Word::session) || token_->is(Word::local)) {
        if (!at_sign) session = true;
        at_scope = true;
        advance();
        if (token_->is('.')) advance();
      }
      if (token_->is(Word::transaction) && !at_sign) {
        return read_set_transaction(at_scope, scoped_global);
      }
      if (token_->is(Word::names) || token_->is(Word::character) || token_->is(Word::charset)) {
        statement_.effects.set({sets_variables, sets_charset});
      } else if (token_->is_name() && !scoped_global) {
        note_assignment(token_->bare(), at_sign && !at_scope);
      } else if (!token_->is_name()) {
        statement_.effects.set(sets_variables);
      }
      advance();
    }
    // The `:=` of an assignment is none inside an expression.
    if (token_->kind == TokenKind::assign) advance();
    std::int64_t depth = 0;
    for (; !token_->ends_statement(); advance()) {
      if (token_->is('(')) ++depth;
      if (token_->is(')')) --depth;
      if (depth <= 0 && token_->is(',')) break;
      body_.feed();
    }
    if (token_->ends_statement()) break;
    body_.feed();
    advance();
  }
  // SET GLOBAL a = 1, b = 2 sets both globally, in some versions; count it as both.
  if (global && session) statement_.effects.set(sets_variables);
}

void StatementReader::note_assignment(std::string_view name, bool next_transaction_only) {
  using enum Effect;
  statement_.effects.set(sets_variables);
  if (same_word(name, "autocommit")) {
    statement_.effects.set(sets_autocommit);
  } else if (same_word(name, "sql_mode")) {
    statement_.effects.set(sets_sql_mode);
  } else if (starts_with_word(name, "session_track_")) {
    statement_.effects.set(session_tracking);
  } else if (starts_with_word(name, "character_set_") || starts_with_word(name, "collation_")) {
    statement_.effects.set(sets_charset);
  } else if (same_word(name, "last_insert_id") || same_word(name, "identity")) {
    statement_.effects.set(sets_last_insert_id);
  } else if (next_transaction_only &&
             (same_word(name, "transaction_isolation") ||
              same_word(name, "transaction_read_only") || same_word(name, "tx_isolation") ||
              same_word(name, "tx_read_only"))) {
    // SET @@transaction_isolation shapes the next transaction only, unlike
    // SET transaction_isolation.
    statement_.effects.set(sets_next_transaction);
  }
}

void StatementReader::read_set_transaction(bool session, bool global) {
  if (session) {
    statement_.effects.set(Effect::sets_variables);
  } else if (!global) {
    write(Cause::transaction, {Effect::sets_next_transaction});
  }
  skip_rest();
}

// MariaDB: SET STATEMENT a = 1, b = 2 FOR statement. The settings are undone at
// its end, so only the inner statement's effects stay; but no replica is asked
// to run under settings that were not looked at.
void StatementReader::read_set_for_statement() {
  while (!token_->ends_statement() && !token_->is(Word::for_)) {
    body_.feed();
    advance();
  }
  if (token_->ends_statement()) return;
  advance();
  if (token_->is(Word::set)) {
    write(Cause::unknown, {Effect::sets_variables});  // refused by the server
    return skip_rest();
  }
  if (token_->ends_statement()) return;
  body_.restart();
  read_statement();
  if (statement_.access == Access::read) write(Cause::session_setting);
}

}  // namespace sluice::routing
