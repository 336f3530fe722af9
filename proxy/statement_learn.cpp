/// StatementRunner's way back: what a reply says about the session.
#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/planted_bugs.hpp"
#include "proxy/statement_runner.hpp"
#include "proxy/user_variable_question.hpp"
#include "routing/session_scope.hpp"

namespace sluice::proxy {
namespace {

using protocol::packet_header_size;
using routing::Effect;
using routing::Pin;
namespace errors = protocol::server_error;

/// A session's own writes from more sources or with more gaps than this are
/// remembered as a moment instead.
constexpr std::size_t many_intervals = 64;

constexpr std::uint16_t session_status =
    protocol::status::in_transaction | protocol::status::autocommit |
    protocol::status::in_read_only_transaction | protocol::status::no_backslash_escapes |
    protocol::status::ansi_quotes;

bool mentions(std::string_view sql, std::string_view lower_case_word) {
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::search(sql.begin(), sql.end(), lower_case_word.begin(), lower_case_word.end(),
                     same) != sql.end();
}

}  // namespace

void StatementRunner::learn(const Work& work, Slot& slot, routing::Pins pins_before) {
  const ReplySummary& summary = relay_.summary();
  const routing::Effects effects = work.statement.effects;
  const bool was_in_transaction = in_transaction();
  // An ERR has no status bits, but what ran before it in the same command had.
  if (work.kind != protocol::ReplyKind::statistics && work.kind != protocol::ReplyKind::prepare &&
      (!summary.failed || summary.status != 0)) {
    status_ = static_cast<std::uint16_t>(summary.status & session_status);
    if (forgets("transaction"))
      status_ = static_cast<std::uint16_t>(status_ & ~protocol::status::in_transaction);
  }
  if (summary.last_insert_id != 0) insert_id_->value = summary.last_insert_id;
  if (&slot == &primary_ &&
      (summary.last_insert_id != 0 ||
       effects.any({Effect::sets_last_insert_id, Effect::calls_routine, Effect::executes}))) {
    insert_id_->on_link = true;
    slot.place->insert_id.reset();
  }
  // A PREPARE leaves ROW_COUNT() as it was.
  const auto row_counts = [](const OwnAnswer& answer) {
    return answer.command == protocol::Command::ping ||
           answer.command == protocol::Command::set_option;
  };
  if (work.how != Work::How::prepare || summary.failed ||
      !std::all_of(own_answers_.begin(), own_answers_.end(), row_counts)) {
    own_answers_.clear();
  }
  warnings_ = summary.warnings;
  failed_ = summary.failed;
  const auto inner = held_.executed(work.sql, work.statement, dialect_);
  if (summary.state_learned) {
    // SET CHARACTER SET looks like SET NAMES, but brings the default collation.
    if (effects.has(Effect::sets_charset) && !mentions(work.sql, "names"))
      slot.place->image.forget_names();
    wanted_ = slot.place->image;
    if (forgets("charset"))
      for (const std::string_view name : {"character_set_results", "results_collation"})
        wanted_.erase(name);
    state_changed();
    if (wanted_.has_unknowns()) unsettled_slot_ = &slot;
    update_dialect();
    record_.set_names({user_, wanted_.schema});
  }

  // No tracker tells of GET_LOCK in a routine: whoever has the link next must not have it.
  if (effects.has(Effect::calls_routine) ||
      (inner && inner->statement.effects.has(Effect::calls_routine)))
    slot.place->dirty = true;
  // Of a lone statement that failed nothing is left; of several, some may be.
  if (summary.failed && !effects.has(Effect::several)) pins_ = pins_before;
  if (!summary.failed) {
    const bool opaque = effects.has(Effect::calls_routine) ||
                        (effects.has(Effect::executes) &&
                         (!inner || inner->statement.effects.has(Effect::calls_routine)));
    if (opaque && (summary.state_changed || !summary.trackers_heard)) pins_.add(Pin::routine);
    // The trackers are silent about `@v := 1` inside of a routine. MariaDB lists its
    // variables; on MySQL, nobody else must have the link.
    if (opaque && !dialect_.mariadb) slot.place->dirty = true;
    if (opaque && dialect_.mariadb && !pins_.has(Pin::routine)) {
      unsettled_slot_ = &slot;
      if (std::find(unsettled_.begin(), unsettled_.end(), all_user_variables) == unsettled_.end())
        unsettled_.emplace_back(all_user_variables);
    }
    // A SET that the trackers do not hear of, behind an EXECUTE that nobody rewrites.
    if (inner && dialect_.mariadb && routing::with_session_scope(inner->sql, dialect_))
      pins_.add(Pin::routine);
  }
  if (pins_before.has(Pin::next_transaction) && !in_transaction() &&
      !effects.has(Effect::sets_next_transaction)) {
    learn_next_transaction(work, slot, was_in_transaction);
  }
  if (work.prepared != nullptr && work.how == Work::How::execute) {
    work.prepared->sends_long_data = false;
    work.prepared->has_cursor = summary.cursor_open;
    if (summary.cursor_open) pins_.add(Pin::cursor);
    lift_statement_pins();
  }
  // A server closes the cursor with its last row.
  if (work.prepared != nullptr && work.how == Work::How::fetch &&
      (summary.status & protocol::status::last_row_sent) != 0) {
    work.prepared->has_cursor = false;
    lift_statement_pins();
  }
  if (effects.has(Effect::sets_user_variables)) note_user_variables(work, slot);
  if (inner && inner->statement.effects.has(Effect::sets_user_variables)) {
    Work executed;
    executed.statement = inner->statement;
    executed.sql = inner->sql;
    note_user_variables(executed, slot);
  }
  if (inner ? routing::may_change_routines(inner->statement, inner->sql)
            : routing::may_change_routines(work.statement, work.sql))
    worker_.shared().routines.changed();
  note_held(work, slot,
            {.failed = summary.failed,
             .in_transaction = in_transaction(),
             .one_shot_set = summary.one_shot_set});
  forget_pins();
  learn_writes(work, was_in_transaction);
  home_ = bound() ? &slot : nullptr;
}

/// Pins that statements have in common go with the last of them.
void StatementRunner::lift_statement_pins() {
  if (!statements_.any(&PreparedStatement::sends_long_data)) pins_.remove(Pin::long_data);
  if (!statements_.any(&PreparedStatement::has_cursor)) pins_.remove(Pin::cursor);
}

/// SET TRANSACTION shapes the one transaction that begins next. What uses no table
/// of an engine with transactions, or is refused beforehand, leaves it waiting.
void StatementRunner::learn_next_transaction(const Work& work, Slot& slot,
                                             bool was_in_transaction) {
  const bool may_have_been_one =
      !relay_.summary().failed && work.statement.cause == routing::Cause::writes_data;
  if (!was_in_transaction && !may_have_been_one) return;
  pins_.remove(Pin::next_transaction);
  if (!was_in_transaction) slot.place->dirty = true;  // nobody else's transaction
}

void StatementRunner::forget_pins() {
  if (forgets("temporary_table")) pins_.remove(Pin::temporary_table);
  if (forgets("locks"))
    for (const Pin pin : {Pin::user_lock, Pin::table_lock, Pin::handler}) pins_.remove(pin);
}

void StatementRunner::learn_writes(const Work& work, bool was_in_transaction) {
  if (forgets("read_your_writes")) return;
  const ReplySummary& summary = relay_.summary();
  if (!summary.gtid.empty()) {
    required_ = required_.merge(summary.gtid);
    // Before the OK leaves: a failover must not give up what the client was told.
    worker_.shared().acknowledged.note(worker_.index(), summary.gtid);
    std::size_t intervals = 0;
    for (const auto& source : required_.mysql()) intervals += source.intervals.size();
    if (intervals > many_intervals) {
      required_ = {};
      unknown_write_ = Clock::now();
    }
    return;
  }
  // No GTID where trackers speak means that nothing was committed. Where they do
  // not (an error, rows that end with EOF), something may have been.
  if ((work.misrouted || routing::may_write(work.statement)) && !in_transaction() &&
      !summary.trackers_heard)
    unknown_write_ = Clock::now();
  // MySQL does not tell the GTID of what SET autocommit=1 commits.
  const bool committed_on_the_way = was_in_transaction && !in_transaction() && !summary.failed &&
                                    work.statement.cause != routing::Cause::transaction;
  if (committed_on_the_way) unknown_write_ = Clock::now();
}

/// Remembers which variables the statement may have assigned, failed or not.
void StatementRunner::note_user_variables(const Work& work, Slot& slot) {
  unsettled_slot_ = &slot;
  const std::string_view sql = work.prepared != nullptr ? work.prepared->sql : work.sql;
  const auto names = work.statement.cause == routing::Cause::oversized
                         ? std::nullopt
                         : routing::mentioned_user_variables(sql, dialect_);
  if (!names) {
    pins_.add(Pin::user_variable);
    uncarried_.clear();  // nobody knows any more whose values would end the pin
    return;
  }
  const auto mentioned = [&](const std::string& name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  if (std::any_of(uncarried_.begin(), uncarried_.end(), mentioned)) {
    // Perhaps they can be carried now: they are asked for once more.
    for (std::string& name : uncarried_)
      if (!mentioned(name)) unsettled_.push_back(std::move(name));
    uncarried_.clear();
    pins_.remove(Pin::user_variable);
  }
  for (const std::string& name : *names)
    if (std::find(unsettled_.begin(), unsettled_.end(), name) == unsettled_.end())
      unsettled_.push_back(name);
}

/// What the session holds on the link, and with it the pins that are due.
void StatementRunner::note_held(const Work& work, Slot& slot, routing::Outcome outcome) {
  const bool prepared = work.prepared != nullptr;
  const std::string_view sql = prepared ? work.prepared->sql : work.sql;
  const std::string& schema = prepared ? work.prepared->state.schema : wanted_.schema;
  held_.note(sql, work.statement, dialect_, schema, outcome);
  pins_.subtract(routing::HeldThings::decided());
  pins_.merge(held_.pins());
  const std::string* clock = wanted_.find("timestamp");
  if (held_.timestamp() == (clock == nullptr ? std::string() : *clock)) return;
  for (routing::StateVector* state : {&wanted_, &slot.place->image}) {
    if (held_.timestamp().empty()) {
      state->erase("timestamp");
    } else {
      state->set("timestamp", held_.timestamp());
    }
  }
}

/// PREPARE … FROM @v: what EXECUTE is going to do stands in the variable.
Task<> StatementRunner::learn_prepared_text(std::shared_ptr<Link> link) {
  std::optional<std::string> text;
  InternalQuery query(worker_.executor());
  std::string question = "SELECT " + held_.asked_variable();
  error_code error = co_await query.run(link, std::move(question));
  if (!error && query.rows().size() == 1 && query.rows()[0].size() == 1) text = query.rows()[0][0];
  held_.learn_text(std::move(text));
  std::string as_before = "DO 0";  // ROW_COUNT() is 0 behind a PREPARE
  error = co_await query.run(link, std::move(as_before));
}

/// Asks the link what alone it knows: variables assigned there, collations. False if
/// it can no longer say.
Task<bool> StatementRunner::settle() {
  Slot& slot = *unsettled_slot_;
  const bool lost = !slot.place || slot.place->closed();
  if (wanted_.has_unknowns()) {
    if (lost) {
      // Without its collation a character set brings the default one.
      for (const std::string& name : wanted_.unknowns()) wanted_.erase(name);
      state_changed();
    } else {
      const InUse in_use(in_use_, slot);
      const std::shared_ptr<Link> link = slot.place.link();
      co_await ask_unknowns(link, wanted_);
      link->image = wanted_;
      state_changed();
      last_ = nullptr;
    }
  }
  if (unsettled_.empty()) co_return true;
  if (lost || slot.place->closed()) co_return false;
  const InUse in_use(in_use_, slot);
  const std::shared_ptr<Link> link = slot.place.link();
  std::vector<std::string> names = std::exchange(unsettled_, {});
  std::vector<std::string> asked = names;
  const std::optional<bool> carried =
      co_await ask_user_variables(link, std::move(names), user_variables_);
  if (carried == false) co_return false;
  if (!carried) {
    pins_.add(Pin::user_variable);
    uncarried_ = std::move(asked);
    if (home_ == nullptr) home_ = &slot;
  }
  last_ = nullptr;  // what the previous statement left on the link is gone
  co_return true;
}

Task<> StatementRunner::settle_state() {
  if (!wanted_.has_unknowns()) co_return;
  if (insert_id_->asking) co_await insert_id_->settled.wait();
  const Slot& slot = *unsettled_slot_;
  if (!slot.place || slot.place->closed()) co_return;  // the next statement sees to it
  co_await settle();
}

Task<> StatementRunner::ask_unknowns(std::shared_ptr<Link> link, routing::StateVector& state) {
  using routing::StateVector;
  // What SET NAMES brought to the results is what it brought to the connection.
  const std::string* results = state.find(StateVector::results_collation);
  const bool of_results = results != nullptr && *results == StateVector::unknown;
  if (of_results) state.set(StateVector::results_collation, "");
  const std::vector<std::string> names = state.unknowns();
  std::string statement;
  for (const std::string& name : names) {
    statement += statement.empty() ? "SELECT @@" : ", @@";
    statement += name;
  }
  if (names.empty()) co_return;
  InternalQuery query(link->executor());
  const error_code error = co_await query.run(link, std::move(statement));
  const bool answered =
      !error && query.rows().size() == 1 && query.rows()[0].size() == names.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (answered && !query.rows()[0][i] && names[i] == "character_set_results") {
      state.set(names[i], "");
    } else if (answered && query.rows()[0][i]) {
      if (of_results && names[i] == "collation_connection")
        state.set(StateVector::results_collation, *query.rows()[0][i]);
      state.set(names[i], *query.rows()[0][i]);
    } else {
      state.erase(names[i]);
    }
  }
}

void StatementRunner::show() {
  if (pins_ != shown_pins_ || (pins_.any() && held_.revision() != shown_held_)) show_pins();
  record_.in_transaction.store(in_transaction(), std::memory_order_relaxed);
  record_.busy.store(running_, std::memory_order_relaxed);
}

void StatementRunner::show_pins() {
  std::vector<SessionRecord::Pinned> pinned;
  for (std::size_t i = 0; i < routing::pin_count; ++i) {
    const auto pin = static_cast<Pin>(i);
    if (pins_.has(pin)) pinned.push_back({pin, Clock::now(), held_.end_of(pin)});
  }
  record_.set_pinned(std::move(pinned));
  shown_pins_ = pins_;
  shown_held_ = held_.revision();
}

}  // namespace sluice::proxy
