/// Statements that begin, end or hold something of the session: transactions,
/// locks, handlers, prepared statements, other sessions.
#include <charconv>

#include "routing/statement_reader.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {

void StatementReader::read_start() {
  using enum Effect;
  advance();
  if (!token_->is(Word::transaction)) {
    write(Cause::administers, {implicit_commit});  // START REPLICA
    return skip_rest();
  }
  write(Cause::transaction, {begins_transaction});
  bool after_read = false;
  for (; !token_->ends_statement(); advance()) {
    if (after_read && token_->is(Word::only)) statement_.effects.set(begins_read_only_transaction);
    if (token_->is(Word::snapshot)) statement_.effects.set(consistent_snapshot);
    after_read = token_->is(Word::read);
  }
}

void StatementReader::read_begin() {
  advance();
  if (token_->ends_statement() || token_->is(Word::work)) {
    write(Cause::transaction, {Effect::begins_transaction});
    return skip_rest();
  }
  read_block();
}

// BEGIN NOT ATOMIC … END, and other compound statements outside of routines.
void StatementReader::read_block() {
  write(Cause::routine, {Effect::calls_routine});
  while (!done()) {
    if (token_->kind == TokenKind::semicolon) statement_.effects.set(Effect::several);
    advance();
  }
}

void StatementReader::read_commit_or_rollback() {
  using enum Effect;
  write(Cause::transaction);
  bool to_savepoint = false;
  bool no = false;
  for (advance(); !token_->ends_statement(); advance()) {
    if (token_->is(Word::to)) to_savepoint = true;
    if (to_savepoint) continue;
    if (token_->is(Word::chain) && !no) statement_.effects.set(begins_transaction);
    if (token_->is(Word::release) && !no) statement_.effects.set(disconnects);
    no = token_->is(Word::no);
  }
  statement_.effects.set(to_savepoint ? savepoint : ends_transaction);
}

void StatementReader::read_lock() {
  using enum Effect;
  advance();
  if (token_->is(Word::table) || token_->is(Word::tables)) {
    write(Cause::table_lock, {locks_tables, implicit_commit});
  } else {
    write(Cause::table_lock, {takes_backup_lock});  // LOCK INSTANCE FOR BACKUP
  }
  skip_rest();
}

void StatementReader::read_unlock() {
  using enum Effect;
  advance();
  if (token_->is(Word::instance)) {
    write(Cause::table_lock, {ends_backup_lock});
  } else {
    write(Cause::table_lock, {unlocks_tables, implicit_commit});
  }
  skip_rest();
}

void StatementReader::read_flush() {
  using enum Effect;
  write(Cause::administers, {implicit_commit});
  bool for_word = false;
  for (advance(); !token_->ends_statement(); advance()) {
    const bool export_word = for_word && same_word(token_->text, "export");
    if (token_->is(Word::with) || export_word) write(Cause::table_lock, {global_lock});
    for_word = token_->is(Word::for_);
  }
}

void StatementReader::read_backup() {
  using enum Effect;
  write(Cause::table_lock, {takes_backup_lock});
  advance();
  const bool stage = token_->is(Word::stage);
  const bool unlock = token_->is(Word::unlock);
  if (stage) advance();
  if (unlock || (stage && token_->is(Word::end))) {
    statement_.effects = {ends_backup_lock};
  }
  skip_rest();
}

void StatementReader::read_handler() {
  write(Cause::handler);
  for (advance(); !token_->ends_statement(); advance()) {
    if (token_->is(Word::read)) return feed_rest();
    if (token_->is(Word::open)) statement_.effects.set(Effect::opens_handler);
    if (token_->is(Word::close)) statement_.effects.set(Effect::closes_handler);
  }
}

// PREPARE name FROM …, EXECUTE name USING …, EXECUTE IMMEDIATE …,
// DEALLOCATE PREPARE name and DROP PREPARE name.
void StatementReader::read_prepare() {
  using enum Effect;
  const bool execute = token_->is(Word::execute);
  const bool deallocate = token_->is(Word::deallocate);
  // read_drop() has said so.
  const bool drop = token_->is(Word::prepare) && statement_.cause == Cause::prepares;
  if (execute) {
    write(Cause::executes, {executes});
  } else {
    write(Cause::prepares, {deallocate || drop ? deallocates : prepares});
  }
  advance();
  if (deallocate) advance();  // PREPARE
  if (execute && token_->is(Word::immediate)) {
    advance();
  } else if (token_->is_name()) {
    statement_.name = token_->bare();
    advance();
  }
  feed_rest();
}

void StatementReader::read_kill() {
  write(Cause::administers, {Effect::kills});
  advance();
  if (token_->is(Word::hard) || token_->is(Word::soft)) advance();
  if (token_->is(Word::query)) {
    statement_.kill.query_only = true;
    advance();
  } else if (token_->is(Word::connection)) {
    advance();
  }
  if (token_->kind == TokenKind::number) {
    std::uint64_t id = 0;
    const char* end = token_->text.data() + token_->text.size();
    const auto [stop, error] = std::from_chars(token_->text.data(), end, id);
    advance();
    if (error == std::errc{} && stop == end && token_->ends_statement()) statement_.kill.id = id;
  }
  feed_rest();
}

}  // namespace sluice::routing
