#include "routing/held_things.hpp"

#include <algorithm>
#include <utility>

#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

constexpr std::string_view until_reset = "COM_RESET_CONNECTION";

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return made;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

/// Where a sequence of numbers stands, or what thread it was, has no default to go back to.
bool stays_set(std::string_view name) {
  return name == "rand_seed1" || name == "rand_seed2" || name == "pseudo_thread_id" ||
         name == "insert_id";
}

/// Does the value put the one-shot variable back to what a new session has?
bool sets_back(const Assignment& assignment) {
  const std::string& name = assignment.variable;
  const std::string& value = assignment.value;
  if (name == "timestamp" && value == "0") return true;
  if (name == "gtid_next" && same_word(value, "automatic")) return true;
  return same_word(value, "default") && !stays_set(name);
}

}  // namespace

void HeldNames::take(std::string name, Times times) {
  if (name.size() > longest_name || (names_.size() >= most_names && !names_.contains(name))) {
    unknown_ = true;
    return;
  }
  std::uint32_t& count = names_[std::move(name)];
  if (count == 0 || times == Times::counted) ++count;
}

void HeldNames::release(const std::string& name) {
  const auto at = names_.find(name);
  if (at != names_.end() && --at->second == 0) names_.erase(at);
}

std::string HeldNames::listed(std::string_view before, std::string_view after) const {
  static constexpr std::size_t shown = 3;
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, times] : names_) {
    if (!text.empty()) text += ", ";
    if (++count > shown) return text + "...";
    text += before;
    text += name;
    text += after;
  }
  return text;
}

void HeldThings::note(std::string_view sql, const Statement& statement, const Dialect& dialect,
                      std::string_view schema, const Outcome& outcome) {
  static constexpr Effects relevant{Effect::creates_temporary_table,
                                    Effect::drops_temporary_table,
                                    Effect::locks_tables,
                                    Effect::unlocks_tables,
                                    Effect::global_lock,
                                    Effect::takes_user_lock,
                                    Effect::releases_user_lock,
                                    Effect::opens_handler,
                                    Effect::closes_handler,
                                    Effect::prepares,
                                    Effect::executes,
                                    Effect::deallocates,
                                    Effect::takes_backup_lock,
                                    Effect::ends_backup_lock,
                                    Effect::xa};
  const bool touches_tables = tables_.any() && statement.cause == Cause::defines_schema;
  const bool begins = table_lock_ && statement.effects.has(Effect::begins_transaction);
  const bool sets =
      statement.effects.has(Effect::sets_variables) && (variables_.any() || !timestamp_.empty());
  if (!statement.effects.any(relevant) && !touches_tables && !begins && !sets &&
      !outcome.one_shot_set) {
    return;
  }
  ++revision_;
  const Noting in{.dialect = dialect, .schema = schema, .outcome = outcome};
  const bool whole = statement.cause != Cause::oversized;
  if (whole && !statement.effects.has(Effect::several)) return note_one(sql, statement, in);
  // All of several ran, one after the other; if one failed, nobody knows which.
  const bool divides =
      whole && !outcome.failed &&
      !statement.effects.any({Effect::calls_routine, Effect::executes, Effect::changes_schema});
  const auto parts = divides ? parts_of(sql, dialect) : std::nullopt;
  if (!parts) return note_unread(statement.effects, outcome);
  Dialect alone = dialect;
  alone.multi_statements = false;
  for (const std::string_view part : *parts) note_one(part, classify(part, alone), in);
}

/// The worst that statements with these effects may have done.
void HeldThings::note_unread(Effects effects, const Outcome& outcome) {
  if (effects.has(Effect::creates_temporary_table)) tables_.take_unknown();
  if (effects.has(Effect::takes_user_lock)) user_locks_.take_unknown();
  if (effects.has(Effect::opens_handler)) handlers_.take_unknown();
  if (effects.has(Effect::prepares)) prepared_.take_unknown();
  if (effects.has(Effect::locks_tables)) table_lock_ = true;
  if (effects.has(Effect::global_lock)) global_lock_ = true;
  if (effects.has(Effect::takes_backup_lock)) backup_.fill(true);
  if (effects.has(Effect::xa)) xa_ = true;
  if (effects.has(Effect::executes)) {
    user_locks_.take_unknown();
    prepared_.take_unknown();
  }
  if (outcome.one_shot_set) variables_.take_unknown();
  if (effects.any({Effect::sets_variables}) && !timestamp_.empty()) {
    timestamp_.clear();
    variables_.take_unknown();
  }
}

void HeldThings::note_one(std::string_view sql, const Statement& statement, const Noting& in) {
  note_tables(sql, statement, in);
  note_user_locks(sql, statement, in);
  note_locks(sql, statement, in);
  note_handlers(sql, statement, in);
  if (statement.effects.has(Effect::xa)) note_xa(sql, in);
  note_prepared(sql, statement, in);
  if (statement.effects.has(Effect::executes)) note_execution(sql, statement, in);
  note_variables(sql, statement, in);
}

void HeldThings::note_tables(std::string_view sql, const Statement& statement, const Noting& in) {
  if (in.outcome.failed) return;  // a DROP of several may have dropped some; they stay
  if (statement.effects.has(Effect::creates_temporary_table)) {
    if (auto table = created_temporary_table(sql, in.dialect, in.schema)) {
      tables_.take(std::move(*table));
    } else {
      tables_.take_unknown();
    }
    return;
  }
  if (!tables_.any()) return;
  if (statement.cause == Cause::defines_schema && renames_tables(sql, in.dialect))
    return tables_.take_unknown();
  // Without TEMPORARY, too: it is the temporary table that goes first.
  if (const auto dropped = dropped_tables(sql, in.dialect, in.schema))
    for (const std::string& table : *dropped) tables_.release(table);
}

void HeldThings::note_user_locks(std::string_view sql, const Statement& statement,
                                 const Noting& in) {
  using Kind = UserLockCall::Kind;
  const bool takes = statement.effects.has(Effect::takes_user_lock);
  if (!takes && !statement.effects.has(Effect::releases_user_lock)) return;
  const auto calls = user_lock_calls(sql, in.dialect);
  if (!calls) {
    if (takes) user_locks_.take_unknown();
    return;
  }
  // A call that fails, by a deadlock or a KILL, gets nothing, but those before it did.
  if (in.outcome.failed && calls->size() == 1) return;
  for (const UserLockCall& call : *calls) {
    // A lock that was not granted is counted as held: it is let go by the same call.
    if (call.kind == Kind::take) user_locks_.take(call.name, HeldNames::Times::counted);
    if (call.kind == Kind::release && !in.outcome.failed) user_locks_.release(call.name);
    if (call.kind == Kind::release_all && !in.outcome.failed) user_locks_.clear();
  }
}

void HeldThings::note_locks(std::string_view sql, const Statement& statement, const Noting& in) {
  const Effects effects = statement.effects;
  if (in.outcome.failed) return;
  if (effects.has(Effect::locks_tables)) table_lock_ = true;
  if (effects.has(Effect::global_lock)) global_lock_ = true;
  if (effects.has(Effect::unlocks_tables)) table_lock_ = global_lock_ = false;
  // BEGIN lets go of LOCK TABLES, but not of FLUSH TABLES WITH READ LOCK.
  if (effects.has(Effect::begins_transaction) && !effects.has(Effect::ends_transaction))
    table_lock_ = false;
  const bool takes = effects.has(Effect::takes_backup_lock);
  if (!takes && !effects.has(Effect::ends_backup_lock)) return;
  if (const auto which = backup_lock_of(sql, in.dialect)) {
    backup_[static_cast<std::size_t>(*which)] = takes;
  } else if (takes) {
    backup_.fill(true);
  }
}

void HeldThings::note_handlers(std::string_view sql, const Statement& statement, const Noting& in) {
  const bool opens = statement.effects.has(Effect::opens_handler);
  if (in.outcome.failed || (!opens && !statement.effects.has(Effect::closes_handler))) return;
  const auto change = handler_change(sql, in.dialect);
  if (change && change->opens) {
    handlers_.take(change->name);
  } else if (change) {
    handlers_.release(change->name);
  } else if (opens) {
    handlers_.take_unknown();
  }
}

void HeldThings::note_xa(std::string_view sql, const Noting& in) {
  if (in.outcome.failed) return;
  const XaStep step = xa_step_of(sql, in.dialect);
  if (step == XaStep::begin) xa_ = true;
  // MySQL lets a prepared transaction go, MariaDB keeps it: the status flag tells.
  if ((step == XaStep::finish || step == XaStep::prepare) && !in.outcome.in_transaction)
    xa_ = false;
}

void HeldThings::keep_text(const std::string& name, std::optional<std::string> text) {
  if (const auto old = texts_.find(name); old != texts_.end()) {
    text_size_ -= old->second.size();
    texts_.erase(old);
  }
  if (!text || text_size_ + text->size() > text_budget) return;
  text_size_ += text->size();
  texts_.emplace(name, std::move(*text));
}

void HeldThings::note_prepared(std::string_view sql, const Statement& statement, const Noting& in) {
  const bool prepares = statement.effects.has(Effect::prepares);
  if (!prepares && !statement.effects.has(Effect::deallocates)) return;
  const std::string name = lower(statement.name);
  if (name.empty()) {
    if (prepares) prepared_.take_unknown();
    return;
  }
  // A PREPARE that fails has dropped the statement of that name before.
  if (!prepares || in.outcome.failed) {
    if (prepares || !in.outcome.failed) {
      prepared_.release(name);
      keep_text(name, std::nullopt);
    }
    return;
  }
  prepared_.take(name);
  PreparedText from = prepared_text_of(sql, in.dialect);
  if (from.variable) {
    asked_name_ = name;
    asked_variable_ = std::move(*from.variable);
  }
  keep_text(name, std::move(from.literal));
}

void HeldThings::learn_text(std::optional<std::string> text) {
  keep_text(asked_name_, std::move(text));
  asked_name_.clear();
  asked_variable_.clear();
}

std::optional<HeldThings::Executed> HeldThings::executed(std::string_view sql,
                                                         const Statement& statement,
                                                         const Dialect& dialect) const {
  if (!statement.effects.has(Effect::executes) || statement.effects.has(Effect::several) ||
      statement.cause == Cause::oversized)
    return std::nullopt;
  Executed inner;
  if (statement.name.empty()) {
    PreparedText from = prepared_text_of(sql, dialect);
    if (!from.literal) return std::nullopt;
    inner.sql = std::move(*from.literal);
  } else {
    const auto at = texts_.find(lower(statement.name));
    if (at == texts_.end()) return std::nullopt;
    inner.sql = at->second;
  }
  Dialect alone = dialect;
  alone.multi_statements = false;
  inner.statement = classify(inner.sql, alone);
  inner.statement.name = {};
  return inner;
}

/// It does what its text does; where that is not known, it may have taken locks.
void HeldThings::note_execution(std::string_view sql, const Statement& statement,
                                const Noting& in) {
  const auto inner = executed(sql, statement, in.dialect);
  const bool readable =
      inner && !inner->statement.effects.any({Effect::executes, Effect::prepares, Effect::several});
  if (readable) {
    note_one(inner->sql, inner->statement, in);
  } else if (!in.outcome.failed) {
    if (in.outcome.one_shot_set) variables_.take_unknown();
    user_locks_.take_unknown();
    if (in.dialect.mariadb) {
      handlers_.take_unknown();
      table_lock_ = global_lock_ = true;
    }
  }
}

void HeldThings::note_variables(std::string_view sql, const Statement& statement,
                                const Noting& in) {
  const bool sets = statement.effects.has(Effect::sets_variables);
  if (in.outcome.failed || (!sets && !in.outcome.one_shot_set)) return;
  const auto assignments = sets ? assignments_of(sql, in.dialect) : std::nullopt;
  if (!assignments) {
    // EXECUTE is seen twice: once as it is, once as what it runs.
    if (in.outcome.one_shot_set && !statement.effects.has(Effect::executes))
      variables_.take_unknown();
    return;
  }
  bool seen = false;
  for (const Assignment& assignment : *assignments) {
    if (kind_of_variable(assignment.variable) != VariableKind::one_shot) continue;
    seen = true;
    const bool clock = assignment.variable == "timestamp";
    if (clock) timestamp_.clear();
    variables_.release(assignment.variable);
    if (sets_back(assignment)) continue;
    if (clock && is_number(assignment.value)) {
      timestamp_ = assignment.value;
    } else {
      variables_.take(assignment.variable);
    }
  }
  if (in.outcome.one_shot_set && !seen) variables_.take_unknown();  // a function did
}

Pins HeldThings::decided() noexcept {
  Pins pins;
  for (const Pin pin :
       {Pin::temporary_table, Pin::table_lock, Pin::global_lock, Pin::backup_lock, Pin::user_lock,
        Pin::handler, Pin::xa, Pin::prepared_text, Pin::one_shot_variable})
    pins.add(pin);
  return pins;
}

Pins HeldThings::pins() const noexcept {
  Pins pins;
  if (tables_.any()) pins.add(Pin::temporary_table);
  if (table_lock_) pins.add(Pin::table_lock);
  if (global_lock_) pins.add(Pin::global_lock);
  if (std::find(backup_.begin(), backup_.end(), true) != backup_.end()) pins.add(Pin::backup_lock);
  if (user_locks_.any()) pins.add(Pin::user_lock);
  if (handlers_.any()) pins.add(Pin::handler);
  if (xa_) pins.add(Pin::xa);
  if (prepared_.any()) pins.add(Pin::prepared_text);
  if (variables_.any()) pins.add(Pin::one_shot_variable);
  return pins;
}

std::string HeldThings::end_of(Pin pin) const {
  const auto with_names = [](const HeldNames& names, std::string_view before,
                             std::string_view after = {}) {
    return names.known() ? std::string(before) + names.listed() + std::string(after)
                         : std::string(until_reset);
  };
  switch (pin) {
    case Pin::user_variable: return "another value that can be read back";
    case Pin::temporary_table: return with_names(tables_, "DROP TEMPORARY TABLE ");
    case Pin::table_lock:
    case Pin::global_lock: return "UNLOCK TABLES";
    case Pin::backup_lock: {
      static constexpr std::array<std::string_view, 3> ends{"UNLOCK INSTANCE", "BACKUP STAGE END",
                                                            "BACKUP UNLOCK"};
      std::string text;
      for (std::size_t i = 0; i < ends.size(); ++i) {
        if (!backup_[i]) continue;
        if (!text.empty()) text += ", ";
        text += ends[i];
      }
      return text;
    }
    case Pin::user_lock:
      return user_locks_.known() && user_locks_.size() == 1
                 ? user_locks_.listed("RELEASE_LOCK('", "')")
                 : "RELEASE_ALL_LOCKS()";
    case Pin::handler: return with_names(handlers_, "HANDLER ", " CLOSE");
    case Pin::xa: return "XA COMMIT, XA ROLLBACK";
    case Pin::prepared_text: return with_names(prepared_, "DEALLOCATE PREPARE ");
    case Pin::one_shot_variable:
      if (variables_.any_of(stays_set)) break;
      return with_names(variables_, "SET ", " = DEFAULT");
    case Pin::cursor: return "the last row fetched, or the statement closed";
    case Pin::long_data: return "the statement executed or reset";
    case Pin::next_transaction: return "the next transaction";
    case Pin::session_tracking:
    case Pin::role:
    case Pin::routine:
    case Pin::oversized: break;
  }
  return std::string(until_reset);
}

}  // namespace sluice::routing
