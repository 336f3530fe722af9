#include "routing/statement_reader.hpp"

#include "routing/word_table.hpp"

namespace sluice::routing {

Statement StatementReader::read() {
  statement_ = Statement{};
  body_.restart();
  advance();
  if (token_->kind == TokenKind::end || token_->kind == TokenKind::semicolon) {
    write(Cause::empty);
    return statement_;
  }
  read_statement();
  if (broken()) write(Cause::unknown);
  return statement_;
}

void StatementReader::write(Cause cause, Effects effects) {
  statement_.access = Access::write;
  statement_.cause = cause;
  statement_.effects.set(effects);
}

void StatementReader::read_only_so_far() {
  statement_.access = Access::read;
  statement_.cause = Cause::plain_read;
}

void StatementReader::feed_rest() {
  for (; !token_->ends_statement(); advance()) body_.feed();
}

void StatementReader::skip_rest() {
  while (!token_->ends_statement()) advance();
}

void StatementReader::read_statement() {
  using enum Effect;
  if (token_->is('(')) return read_parenthesized();
  switch (token_->word) {
    case Word::select:
    case Word::with:
    case Word::values:
    case Word::table:
    case Word::help: return read_query();
    case Word::explain:
    case Word::describe:
    case Word::desc: return read_explained();
    case Word::analyze: return read_explained();
    case Word::show: return read_show();

    case Word::insert:
    case Word::replace:
    case Word::update:
    case Word::delete_: return read_data_change();
    case Word::load: return read_load();

    case Word::set: return read_set();
    case Word::use: write(Cause::session_setting, {changes_schema}); return skip_rest();

    case Word::begin: return read_begin();
    case Word::start: return read_start();
    case Word::commit:
    case Word::rollback: return read_commit_or_rollback();
    case Word::savepoint:
    case Word::release: write(Cause::transaction, {savepoint}); return skip_rest();
    case Word::xa: write(Cause::transaction, {xa}); return skip_rest();

    case Word::create: return read_create();
    case Word::drop: return read_drop();
    case Word::alter: return read_alter();
    case Word::rename:
    case Word::truncate: write(Cause::defines_schema, {implicit_commit}); return skip_rest();

    case Word::lock: return read_lock();
    case Word::unlock: return read_unlock();
    case Word::flush: return read_flush();
    case Word::backup: return read_backup();
    case Word::handler: return read_handler();

    case Word::prepare:
    case Word::execute:
    case Word::deallocate: return read_prepare();

    case Word::call: write(Cause::routine, {calls_routine}); break;
    case Word::do_: write(Cause::routine); break;
    case Word::signal:
    case Word::resignal: write(Cause::routine); break;
    case Word::get: write(Cause::session_local, {speaks_of_previous, sets_user_variables}); break;

    case Word::kill: return read_kill();
    case Word::grant:
    case Word::revoke:
    case Word::optimize:
    case Word::repair:
    case Word::check:
    case Word::cache:
    case Word::change:
    case Word::reset:
    case Word::stop:
    case Word::install:
    case Word::uninstall: write(Cause::administers, {implicit_commit}); return skip_rest();
    case Word::checksum:
    case Word::purge:
    case Word::binlog:
    case Word::import_:
    case Word::clone: write(Cause::administers); return skip_rest();
    case Word::shutdown:
    case Word::restart: write(Cause::administers, {disconnects}); return skip_rest();

    case Word::if_:
    case Word::case_:
    case Word::loop:
    case Word::repeat:
    case Word::while_:
    case Word::for_: return read_block();
    default: write(Cause::unknown, {calls_routine}); return skip_rest();
  }
  // CALL, DO, SIGNAL, GET DIAGNOSTICS: the arguments may do more.
  const bool call = token_->is(Word::call);
  advance();
  if (call) body_.expect_columns();  // the name of the procedure
  feed_rest();
  if (call && statement_.effects.has(reads_user_variables)) {
    statement_.effects.set(sets_user_variables);  // OUT parameters
  }
}

void StatementReader::read_query() {
  read_only_so_far();
  feed_rest();
}

void StatementReader::read_parenthesized() {
  read_only_so_far();
  while (token_->is('(')) advance_fed();
  if (token_->is(Word::select) || token_->is(Word::with) || token_->is(Word::values) ||
      token_->is(Word::table)) {
    return feed_rest();
  }
  write(Cause::unknown);
  skip_rest();
}

// EXPLAIN [options] statement, EXPLAIN FOR CONNECTION id, DESCRIBE table; and
// ANALYZE, which is MariaDB's EXPLAIN that executes, or ANALYZE TABLE.
void StatementReader::read_explained() {
  const bool analyze = token_->is(Word::analyze);
  read_only_so_far();
  advance();
  while (!token_->ends_statement()) {
    if (token_->is(Word::select) || token_->is(Word::with) || token_->is(Word::values) ||
        token_->is('(') || (token_->is(Word::table) && !analyze)) {
      return feed_rest();
    }
    if (token_->is(Word::insert) || token_->is(Word::replace) || token_->is(Word::update) ||
        token_->is(Word::delete_)) {
      return read_data_change();
    }
    if (token_->is(Word::format)) {
      advance();
      if (!token_->is('=')) continue;
      advance();
      if (!token_->ends_statement()) advance();
    } else if (token_->is(Word::for_)) {
      advance();
      if (token_->is(Word::connection)) {
        body_.fail(Cause::one_server);
        return skip_rest();
      }
      if (!token_->is(Word::schema) && !token_->is(Word::database)) break;
      advance();
      if (token_->is_name()) advance();
    } else if (token_->is(Word::into)) {
      advance_fed();
      if (token_->kind == TokenKind::user_variable) {
        statement_.effects.set(Effect::sets_user_variables);
        advance();
      }
    } else if (token_->is(Word::extended) || token_->is(Word::partitions) ||
               token_->is(Word::analyze)) {
      advance();
    } else if (analyze) {
      write(Cause::administers, {Effect::implicit_commit});
      return skip_rest();
    } else {
      return feed_rest();  // DESCRIBE table
    }
  }
  write(Cause::unknown);  // nothing to explain
  skip_rest();
}

void StatementReader::read_data_change() {
  const bool into_table = token_->is(Word::insert) || token_->is(Word::replace);
  write(Cause::writes_data);
  advance();
  if (into_table) {
    while (token_->is(Word::into) || token_->is(Word::low_priority) ||
           token_->is(Word::high_priority) || same_word(token_->text, "ignore") ||
           same_word(token_->text, "delayed")) {
      advance();
    }
    body_.expect_columns();
  }
  feed_rest();
}

void StatementReader::read_load() {
  advance();
  if (token_->is(Word::index)) {
    write(Cause::administers, {Effect::implicit_commit});  // LOAD INDEX INTO CACHE
    return skip_rest();
  }
  write(Cause::writes_data);
  // Up to SET come names, columns and variables to read into; behind it, expressions.
  bool local = false;
  for (; !token_->ends_statement() && !token_->is(Word::set); advance()) {
    if (token_->is(Word::local)) local = true;
    if (token_->is(Word::infile) && local) statement_.effects.set(Effect::load_local);
    if (token_->kind == TokenKind::user_variable) {
      statement_.effects.set(Effect::sets_user_variables);
    }
    if (token_->is(Word::character)) advance();  // CHARACTER SET, in which SET begins nothing
    if (token_->ends_statement()) return;
  }
  feed_rest();
}

void StatementReader::read_create() {
  using enum Effect;
  for (advance(); !token_->ends_statement(); advance()) {
    switch (token_->word) {
      case Word::temporary:
        write(Cause::temporary_table, {creates_temporary_table});
        body_.expect_definitions();
        return feed_rest();
      case Word::table:
        write(Cause::defines_schema, {implicit_commit});
        body_.expect_definitions();
        return feed_rest();
      case Word::procedure:
      case Word::function:
      case Word::trigger:
      case Word::event:
      case Word::package: return read_stored_program();
      case Word::user:
      case Word::role:
      case Word::server: write(Cause::administers, {implicit_commit}); return skip_rest();
      case Word::view:
      case Word::index:
      case Word::database:
      case Word::schema: write(Cause::defines_schema, {implicit_commit}); return skip_rest();
      default: break;
    }
  }
  write(Cause::defines_schema, {implicit_commit});
}

// The body of a stored program may hold semicolons, and is not executed. Where
// several statements may come at once, its end is not known.
void StatementReader::read_stored_program() {
  write(Cause::defines_schema, {Effect::implicit_commit});
  bool several = false;
  while (token_->kind != TokenKind::end && token_->kind != TokenKind::broken) {
    const bool semicolon = token_->kind == TokenKind::semicolon;
    advance();
    several = several || (semicolon && token_->kind != TokenKind::end);
  }
  if ((several || broken()) && dialect_.multi_statements) {
    statement_.effects.set({Effect::several, Effect::calls_routine});
  }
  body_.current().kind = TokenKind::end;
}

void StatementReader::read_drop() {
  using enum Effect;
  advance();
  if (token_->is(Word::prepare)) {
    write(Cause::prepares);
    return read_prepare();
  }
  if (token_->is(Word::temporary)) {
    write(Cause::temporary_table, {drops_temporary_table});
  } else if (token_->is(Word::database) || token_->is(Word::schema)) {
    // It may be the current one; then there is none.
    write(Cause::defines_schema, {implicit_commit, changes_schema});
  } else if (token_->is(Word::user) || token_->is(Word::role) || token_->is(Word::server)) {
    write(Cause::administers, {implicit_commit});
  } else {
    write(Cause::defines_schema, {implicit_commit});
  }
  skip_rest();
}

void StatementReader::read_alter() {
  advance();
  for (; !token_->ends_statement(); advance()) {
    if (token_->is(Word::event)) return read_stored_program();
    if (token_->is(Word::user) || token_->is(Word::server) || token_->is(Word::instance)) {
      write(Cause::administers, {Effect::implicit_commit});
      return skip_rest();
    }
    // Neither ALTER TABLE nor ALTER VIEW is followed by anything that we look for.
    if (token_->is(Word::table) || token_->is(Word::view)) break;
  }
  write(Cause::defines_schema, {Effect::implicit_commit});
  skip_rest();
}

}  // namespace sluice::routing
