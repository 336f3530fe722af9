/// Reads one statement after another from a scanner and says what each does.
///
/// The first word decides which reader goes on; each is a short walk over the
/// tokens that matters for its kind, and the rest goes to a StatementBody.
///
/// Drive it: read() until done(). A statement ends at a semicolon, at the end
/// of the text, or where the text cannot be read any further.
#pragma once

#include "routing/sql_scanner.hpp"
#include "routing/statement.hpp"
#include "routing/statement_body.hpp"

namespace sluice::routing {

class StatementReader {
 public:
  StatementReader(SqlScanner& scanner, const Dialect& dialect)
      : scanner_(scanner), dialect_(dialect), body_(dialect, statement_) {}

  /// The next statement; Cause::empty if there is none before the semicolon.
  [[nodiscard]] Statement read();
  [[nodiscard]] bool done() const {
    return token_->kind == TokenKind::end || token_->kind == TokenKind::broken;
  }
  [[nodiscard]] bool broken() const { return token_->kind == TokenKind::broken; }

 private:
  // Each stands on the statement's first word and leaves token_ on its end.
  void read_statement();
  void read_query();
  void read_parenthesized();
  void read_explained();
  void read_data_change();
  void read_load();
  void read_create();
  void read_drop();
  void read_alter();
  void read_stored_program();
  // session_statements.cpp
  void read_start();
  void read_begin();
  void read_commit_or_rollback();
  void read_lock();
  void read_unlock();
  void read_flush();
  void read_backup();
  void read_handler();
  void read_prepare();
  void read_kill();
  void read_block();
  // set_statement.cpp
  void read_set();
  void read_assignments();
  void read_set_transaction(bool session, bool global);
  void read_set_for_statement();
  void note_assignment(std::string_view name, bool next_transaction_only);
  // show_statement.cpp
  void read_show();
  void read_show_variables();

  void advance() {
    token_ = &body_.current();
    scanner_.next(body_.current());
  }
  /// The next token, fed to the body.
  void advance_fed() {
    body_.feed();
    advance();
  }
  /// Feeds the rest, from token_ on, to the body.
  void feed_rest();
  /// Passes over the rest without a look.
  void skip_rest();
  void write(Cause cause, Effects effects = {});
  void read_only_so_far();

  SqlScanner& scanner_;
  const Dialect& dialect_;
  Statement statement_;
  StatementBody body_;
  const Token* token_ = nullptr;  // body_.current(), where advance() has left it
};

}  // namespace sluice::routing
