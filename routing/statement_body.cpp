#include "routing/statement_body.hpp"

#include "routing/builtin_functions.hpp"
#include "routing/routines.hpp"
#include "routing/server_facts.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {

void StatementBody::restart() {
  *previous_ = {};
  *before_previous_ = {};
  with_levels_ = 0;
  depth_ = 0;
  variable_ = Variable::none;
  columns_may_follow_ = false;
  definitions_ = false;
  in_into_ = false;
  information_schema_ = false;
  opened_last_insert_id_ = false;
  subquery_must_follow_ = false;
}

void StatementBody::fail(Cause cause) {
  if (statement_.access == Access::write) return;
  statement_.access = Access::write;
  statement_.cause = cause;
}

void StatementBody::feed() {
  look_at(*current_);
  Token* const oldest = before_previous_;
  before_previous_ = previous_;
  previous_ = current_;
  current_ = oldest;
}

void StatementBody::look_at(const Token& token) {
  if (opened_last_insert_id_) {
    opened_last_insert_id_ = false;
    if (!token.is(')')) statement_.effects.set(Effect::sets_last_insert_id);
  }
  if (subquery_must_follow_) {
    subquery_must_follow_ = false;
    if (!token.is(Word::select) && !token.is(Word::with) && !token.is(Word::values) &&
        !token.is(Word::table) && !token.is('(')) {
      statement_.effects.set(Effect::calls_routine);
      fail(Cause::routine);
    }
  }
  if (variable_ != Variable::none && feed_variable(token)) {
    current_->kind = TokenKind::system_variable;
    current_->word = Word::none;
    return;
  }
  switch (token.kind) {
    case TokenKind::word: feed_word(token); break;
    case TokenKind::name: check_table(token); break;
    case TokenKind::user_variable:
      statement_.effects.set(Effect::reads_user_variables);
      if (in_into_) statement_.effects.set(Effect::sets_user_variables);
      break;
    case TokenKind::system_variable: variable_ = Variable::name; break;
    case TokenKind::assign:
      statement_.effects.set(Effect::sets_user_variables);
      fail(Cause::assigns_variable);
      break;
    case TokenKind::punctuation:
      if (token.is('(')) {
        open_parenthesis(token.glued);
      } else if (token.is(')')) {
        --depth_;
      } else if (token.is('.')) {
        check_qualifier();
      }
      break;
    case TokenKind::broken: fail(Cause::unknown); break;
    default: break;
  }
}

void StatementBody::feed_word(const Token& token) {
  // INSERT and REPLACE are also functions.
  if (previous_->is(Word::insert) || previous_->is(Word::replace)) fail(Cause::writes_data);
  if (previous_->is(Word::with) && same_word(token.text, "rollup")) set_with_level(false);
  switch (token.word) {
    case Word::select:
      definitions_ = false;
      columns_may_follow_ = false;
      set_with_level(false);
      break;
    case Word::values:
    case Word::set: columns_may_follow_ = false; [[fallthrough]];
    case Word::table: set_with_level(false); break;
    case Word::with:
      if (previous_->kind == TokenKind::end || previous_->is('(') ||
          statement_.access == Access::write) {
        set_with_level(true);
      }
      break;
    case Word::update:
      set_with_level(false);
      fail(previous_->is(Word::for_) ? Cause::locks_rows : Cause::writes_data);
      break;
    case Word::share:
      if (previous_->is(Word::for_)) fail(Cause::locks_rows);
      break;
    case Word::lock: fail(Cause::locks_rows); break;
    case Word::for_:
      if (previous_->is(Word::value) &&
          (before_previous_->is(Word::next) || before_previous_->is(Word::previous))) {
        fail(Cause::sequence);
      }
      break;
    case Word::into:
      in_into_ = true;
      fail(Cause::into);
      break;
    case Word::from: in_into_ = false; break;
    case Word::procedure: fail(Cause::routine); break;
    case Word::sql_calc_found_rows: statement_.effects.set(Effect::counts_found_rows); break;
    case Word::delete_:
    case Word::load: fail(Cause::writes_data); break;
    case Word::create:
    case Word::alter:
    case Word::drop:
    case Word::rename: fail(Cause::defines_schema); break;
    case Word::call:
    case Word::grant:
    case Word::revoke:
    case Word::kill:
    case Word::optimize:
    case Word::purge:
    case Word::signal:
    case Word::resignal:
    case Word::unlock:
    case Word::returning: fail(Cause::unknown); break;
    default: check_table(token); break;
  }
}

// True if the token belongs to the variable's name.
bool StatementBody::feed_variable(const Token& token) {
  switch (variable_) {
    case Variable::name:
      if (!token.is_name()) break;
      if (token.word == Word::global || token.word == Word::persist ||
          token.word == Word::persist_only || same_word(token.bare(), "global")) {
        fail(Cause::asks_role);
        variable_ = Variable::after_scope;
      } else if (token.word == Word::session || token.word == Word::local) {
        variable_ = Variable::after_scope;
      } else {
        note_variable(token.bare());
        variable_ = Variable::after_name;
      }
      return true;
    case Variable::after_scope:
      if (!token.is('.')) break;
      variable_ = Variable::name;
      return true;
    case Variable::after_name:
      // A structured variable, @@hot_cache.key_buffer_size, is global.
      if (!token.is('.')) break;
      fail(Cause::asks_role);
      variable_ = Variable::name;
      return true;
    case Variable::none: break;
  }
  variable_ = Variable::none;
  return false;
}

void StatementBody::note_variable(std::string_view name) {
  switch (find_variable(name)) {
    case VariableKind::plain: break;
    case VariableKind::role: fail(Cause::asks_role); break;
    case VariableKind::session_local: fail(Cause::session_local); break;
    case VariableKind::previous:
      statement_.effects.set(Effect::speaks_of_previous);
      fail(Cause::session_local);
      break;
    case VariableKind::connection_id:
      statement_.effects.set(Effect::asks_connection_id);
      fail(Cause::session_local);
      break;
  }
}

void StatementBody::set_with_level(bool on) {
  if (depth_ < 0 || depth_ >= 64) return;
  const std::uint64_t bit = std::uint64_t{1} << depth_;
  with_levels_ = on ? with_levels_ | bit : with_levels_ & ~bit;
}

void StatementBody::open_parenthesis(bool glued) {
  const Token& name = *previous_;
  const bool may_be_call = name.is_name() && !definitions_;
  const bool columns = columns_may_follow_ && name.is_name() && name.word != Word::values &&
                       name.word != Word::value;
  columns_may_follow_ = false;
  if (may_be_call && !columns) {
    // Behind `)` and AS, a name with a parenthesis is an alias with columns, a
    // type or an operator; in WITH it is a common table's name.
    const bool declared =
        before_previous_->is(')') || before_previous_->is(Word::as) || at_with_level();
    const bool keyword = name.kind == TokenKind::word && may_precede_parenthesis(name.word);
    // COLUMNS in JSON_TABLE(…, '$[*]' COLUMNS (…)).
    const bool behind_string =
        name.is(Word::columns) && before_previous_->kind == TokenKind::string;
    if (name.kind == TokenKind::word && may_precede_subquery(name.word)) {
      subquery_must_follow_ = true;
    } else if (name.is(Word::of) && before_previous_->is(Word::member)) {
      // x MEMBER OF (…)
    } else if (!keyword && !declared && !behind_string) {
      note_call(name, glued);
    }
  } else if (!definitions_ &&
             (name.kind == TokenKind::string || name.kind == TokenKind::number ||
              name.kind == TokenKind::user_variable || name.kind == TokenKind::system_variable)) {
    fail(Cause::unknown);
  }
  ++depth_;
  set_with_level(false);
}

void StatementBody::note_call(const Token& function, bool glued) {
  const bool qualified = before_previous_->is('.');
  FunctionKind kind = FunctionKind::unknown;
  if (function.kind == TokenKind::word && !qualified) kind = find_function(function.text, dialect_);
  // A quoted name may be that of a built-in function, too, or of a stored one: where
  // the built-in one matters to the session, it is taken for both.
  if (function.kind == TokenKind::name && !qualified) {
    kind = find_function(function.bare(), dialect_);
    if (kind == FunctionKind::pure || kind == FunctionKind::pure_if_adjacent)
      kind = FunctionKind::unknown;
    if (kind != FunctionKind::unknown) {
      statement_.effects.set(Effect::calls_routine);
      fail(Cause::routine);
    }
  }
  if (kind == FunctionKind::pure_if_adjacent) {
    kind = glued || dialect_.ignore_space ? FunctionKind::pure : FunctionKind::unknown;
  }
  switch (kind) {
    case FunctionKind::pure:
    case FunctionKind::pure_if_adjacent: break;
    case FunctionKind::unknown:
      if (dialect_.routines != nullptr && (!qualified || !qualifier_.empty()) &&
          dialect_.routines->reads_only(qualified ? qualifier_ : std::string_view(),
                                        function.bare())) {
        statement_.effects.set(Effect::calls_reading_function);
        break;
      }
      statement_.effects.set(Effect::calls_routine);
      fail(Cause::routine);
      break;
    case FunctionKind::takes_user_lock:
      statement_.effects.set(Effect::takes_user_lock);
      fail(Cause::user_lock);
      break;
    case FunctionKind::releases_user_lock:
      statement_.effects.set(Effect::releases_user_lock);
      fail(Cause::user_lock);
      break;
    case FunctionKind::asks_user_lock: fail(Cause::user_lock); break;
    case FunctionKind::sequence: fail(Cause::sequence); break;
    case FunctionKind::one_server: fail(Cause::one_server); break;
    case FunctionKind::last_insert_id:
      opened_last_insert_id_ = true;
      statement_.effects.set(Effect::speaks_of_previous);
      fail(Cause::session_local);
      break;
    case FunctionKind::previous:
      statement_.effects.set(Effect::speaks_of_previous);
      fail(Cause::session_local);
      break;
    case FunctionKind::connection_id:
      statement_.effects.set(Effect::asks_connection_id);
      fail(Cause::session_local);
      break;
  }
}

// A table is known by what stands before it: information_schema. or, where that
// is the session's schema, FROM and JOIN.
void StatementBody::check_table(const Token& token) {
  const bool in_information_schema = information_schema_;
  information_schema_ = false;
  if (in_information_schema || previous_->is(Word::from) || previous_->is(Word::join)) {
    if (is_one_server_table(token.bare())) fail(Cause::one_server);
  } else if (token.kind == TokenKind::name && previous_->is('.')) {
    // sql_mode=ORACLE: s.NEXTVAL
    if (same_word(token.text, "nextval") || same_word(token.text, "currval")) {
      fail(Cause::sequence);
    }
  }
}

void StatementBody::check_qualifier() {
  qualifier_ = {};
  if (!previous_->is_name() || before_previous_->is('.')) return;
  qualifier_ = previous_->bare();
  const std::string_view schema = previous_->bare();
  if (is_system_schema(schema)) fail(Cause::one_server);
  information_schema_ = same_word(schema, "information_schema");
}

}  // namespace sluice::routing
