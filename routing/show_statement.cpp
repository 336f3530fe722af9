/// SHOW: what describes schemas may come from a replica, what describes a
/// server, its accounts or this session's past may not.
#include "routing/server_facts.hpp"
#include "routing/statement_reader.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {

void StatementReader::read_show() {
  read_only_so_far();
  advance();
  bool status_scope = false;
  while (token_->is(Word::full) || token_->is(Word::extended) || token_->is(Word::global) ||
         token_->is(Word::session) || token_->is(Word::local) || token_->is(Word::storage)) {
    if (token_->is(Word::global)) status_scope = true;
    advance();
  }
  switch (token_->word) {
    case Word::variables:
      if (!status_scope) return read_show_variables();
      body_.fail(Cause::asks_role);
      break;
    case Word::warnings:
    case Word::errors:
    case Word::count:  // SHOW COUNT(*) WARNINGS
      statement_.effects.set(Effect::speaks_of_previous);
      body_.fail(Cause::session_local);
      return skip_rest();
    case Word::tables:
    case Word::triggers:
    case Word::columns:
    case Word::fields:
    case Word::index:
    case Word::indexes:
    case Word::keys:
    case Word::databases:
    case Word::schemas:
    case Word::character:
    case Word::charset:
    case Word::collation:
    case Word::engines:
    case Word::plugins:
    case Word::privileges:
    case Word::authors:
    case Word::contributors: break;
    case Word::table:  // TABLE STATUS
      advance();
      if (!token_->is(Word::status)) body_.fail(Cause::unknown);
      break;
    case Word::procedure:
    case Word::function:
    case Word::package:
      advance();
      if (token_->text.size() == 4 && same_word(token_->text, "body")) advance();
      if (!token_->is(Word::status)) body_.fail(Cause::one_server);  // PROCEDURE CODE
      break;
    case Word::create:
      advance();
      // A replica's events are disabled there, and its accounts may be its own.
      if (token_->is(Word::event) || token_->is(Word::user) || token_->is(Word::server)) {
        body_.fail(Cause::one_server);
      }
      break;
    case Word::open:
    case Word::events:
    case Word::grants:
    case Word::status:
    case Word::processlist:
    case Word::profile:
    case Word::profiles:
    case Word::binlog:
    case Word::binary:
    case Word::engine:
    case Word::master:
    case Word::replica:
    case Word::slave:
    case Word::all:
    case Word::explain:
    case Word::analyze: body_.fail(Cause::one_server); break;
    default: {
      const bool known = same_word(token_->text, "replicas") ||
                         same_word(token_->text, "relaylog") ||
                         same_word(token_->text, "client_statistics") ||
                         same_word(token_->text, "user_statistics") ||
                         same_word(token_->text, "index_statistics") ||
                         same_word(token_->text, "table_statistics") ||
                         same_word(token_->text, "binlogs") || same_word(token_->text, "mutex");
      body_.fail(known ? Cause::one_server : Cause::unknown);
      break;
    }
  }
  if (token_->ends_statement()) return;
  advance();
  feed_rest();
}

// A read if it names what it wants, and nothing of that tells a primary from a
// replica: SHOW VARIABLES LIKE 'sql_mode'.
void StatementReader::read_show_variables() {
  bool named = false;
  for (advance(); !token_->ends_statement(); advance()) {
    if (token_->kind == TokenKind::string) {
      if (may_match_role_variable(token_->bare())) body_.fail(Cause::asks_role);
      named = true;
    } else if (token_->kind == TokenKind::word) {
      const bool harmless = token_->is(Word::like) || token_->is(Word::where) ||
                            token_->is(Word::or_) || token_->is(Word::in) ||
                            same_word(token_->text, "variable_name");
      if (!harmless) body_.fail(Cause::asks_role);
    } else if (!token_->is('=') && !token_->is(',') && !token_->is('(') && !token_->is(')')) {
      body_.fail(Cause::asks_role);
    }
    body_.feed();
  }
  if (!named) body_.fail(Cause::asks_role);
}

}  // namespace sluice::routing
