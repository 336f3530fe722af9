#include "proxy/statement_runner.hpp"

#include <algorithm>

#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/log.hpp"
#include "proxy/planted_bugs.hpp"

namespace sluice::proxy {
namespace {

using protocol::packet_header_size;
using routing::LinkRole;
using routing::Reason;
using routing::Target;
namespace errors = protocol::server_error;

/// A backend that refuses a connection may be back before the monitor says so.
constexpr std::chrono::milliseconds try_again{100};
/// Links that cannot be brought into a session's state, until that is its own fault.
constexpr unsigned most_refused_links = 8;

bool same_letters(char a, char b) { return (a | 0x20) == (b | 0x20); }

/// Does the statement ask for the insert id, rather than for warnings or counts?
bool asks_insert_id(std::string_view sql) {
  for (const std::string_view word : {"last_insert_id", "identity"}) {
    if (std::search(sql.begin(), sql.end(), word.begin(), word.end(), same_letters) != sql.end())
      return true;
  }
  return false;
}

/// What a statement that ran beside others on a busy backend would have taken with
/// less of a crowd; without this, a crowd of quick ones would look slow, and stay one.
std::chrono::microseconds alone_time(std::uint64_t in_flight, std::chrono::microseconds took) {
  constexpr std::uint64_t no_crowd = 8;
  constexpr std::uint64_t most = 32;
  const std::uint64_t crowd = std::clamp<std::uint64_t>(in_flight / no_crowd, 1, most);
  return took / static_cast<std::chrono::microseconds::rep>(crowd);
}

/// The stored functions as a session with this default schema means them.
class SessionRoutines final : public routing::KnownRoutines {
 public:
  SessionRoutines(Worker& worker, std::string_view schema) : worker_(worker), schema_(schema) {}

  [[nodiscard]] bool reads_only(std::string_view qualifier,
                                std::string_view name) const noexcept override {
    const routing::RoutineCatalogue* known = worker_.routines();
    return known != nullptr && known->reads_only(qualifier, schema_, name);
  }

 private:
  Worker& worker_;
  std::string_view schema_;
};

/// Can a replica not answer it, even in a read-only transaction?
bool asks_primary(const routing::Statement& statement) {
  using routing::Cause;
  using routing::Effect;
  // A transaction that begins within another one commits that, and may write.
  if (statement.effects.has(Effect::begins_transaction) &&
      !statement.effects.any({Effect::begins_read_only_transaction, Effect::ends_transaction}))
    return true;
  switch (statement.cause) {
    case Cause::asks_role:
    case Cause::one_server:
    case Cause::routine:
    case Cause::sequence:
    case Cause::user_lock:
    case Cause::table_lock:
    case Cause::temporary_table:
    case Cause::handler: return statement.access == routing::Access::write;
    default: return false;
  }
}

/// Errors by which a replica says that what it was sent writes (P2).
bool refuses_writes(std::uint16_t code) {
  return code == errors::cant_in_read_only_transaction || code == errors::option_prevents ||
         code == errors::read_only_mode;
}

/// Errors by which a backend says that it, or the link, goes away.
bool says_goodbye(std::uint16_t code) {
  return code == errors::server_shutdown || code == errors::connection_killed ||
         code == errors::session_was_killed || code == errors::client_interaction_timeout;
}

}  // namespace

StatementRunner::StatementRunner(Worker& worker, PacketStream& client, SessionRecord& record)
    : worker_(worker),
      client_(client),
      record_(record),
      relay_(client,
             static_cast<std::size_t>(worker.shared().settings->limits.session_buffer.bytes)),
      kill_over_(worker.executor()) {
  insert_id_ = std::make_shared<InsertId>(worker_.executor());
  worker_.pool().add_holder(*this);
}

StatementRunner::~StatementRunner() {
  worker_.pool().remove_holder(*this);
  if (sharing_) sharing_->abandon(&relay_);
  leave_groups();
  for (Slot* slot : {&primary_, &replica_}) {
    if (!slot->place) continue;
    slot->place->abandon(&relay_);
    // A transaction or a pin must not outlive its session on the link.
    if (slot == home_ && bound()) slot->place->dirty = true;
    // An unknown in its image equals no session's state: it will be set anew.
    if (slot == unsettled_slot_ && !unsettled_.empty()) slot->place->dirty = true;
  }
}

void StatementRunner::begin_session(const protocol::ClientIdentity& identity, std::uint16_t status,
                                    config::Secret password, routing::RoutePolicy policy) {
  give_up_links();  // before the state goes by which they are judged
  user_ = identity.user;
  password_ = std::move(password);
  capabilities_ = identity.capabilities;
  if (identity.collation != 0) collation_ = identity.collation;
  login_status_ = status_ = status;
  after_reset_.reset();
  policy_ = policy;
  reset();
  note_own_answer(protocol::Command::ping, {});  // the login's OK
  wanted_.schema = identity.schema;
  state_changed();
  show();
}

/// What a reset does is known from the first link to the primary on.
Task<> StatementRunner::learn_after_reset() {
  const auto& topology = *worker_.topology();
  if (after_reset_ || !topology.primary) co_return;
  const auto until = Clock::now() + worker_.shared().settings->failover.hold;
  co_await obtain(primary_, *topology.primary, LinkRole::primary, until);
}

Task<Next> StatementRunner::reset_connection(Work& work) {
  co_await learn_after_reset();
  reset();
  if (after_reset_) {
    for (const auto& [name, value] : after_reset_->variables()) wanted_.set(name, value);
    if (wanted_.schema.empty()) wanted_.erase("collation_database");  // it is so already
    state_changed();
    update_dialect();
  }
  co_return co_await answer_ok(work);
}

Task<> StatementRunner::forget_login_modes() {
  if ((capabilities_ & protocol::capability::ignore_space) == 0 || !dialect_.mariadb) co_return;
  co_await learn_after_reset();
  if (!after_reset_) co_return;
  if (const std::string* modes = after_reset_->find("sql_mode")) wanted_.set("sql_mode", *modes);
  state_changed();
  update_dialect();
}

/// All that a login and a reset have in common.
void StatementRunner::reset() {
  give_up_links();
  const std::string schema = wanted_.schema;
  wanted_.clear();
  wanted_.schema = schema;  // COM_RESET_CONNECTION keeps the schema
  pins_.clear();
  status_ = login_status_;
  insert_id_ = std::make_shared<InsertId>(worker_.executor());
  user_variables_.clear();
  unsettled_.clear();
  uncarried_.clear();
  held_.clear();
  statements_.clear();
  previous_rows_.reset();
  state_changed();
  own_answers_.clear();
  warnings_ = 0;
  failed_ = false;
  update_dialect();
  show();
}

void StatementRunner::set_multi_statements(bool on) {
  if (on) {
    capabilities_ |= protocol::capability::multi_statements;
  } else {
    capabilities_ &= ~protocol::capability::multi_statements;
  }
  state_changed();
  update_dialect();
  // The link that cannot be left is switched by the command itself.
  if (home_ != nullptr && home_->place) home_->place->dirty = true;
}

// The life of a statement.
Task<Next> StatementRunner::run(Work& work) {
  const auto now = Clock::now();
  Trip trip{.hold_until = now + worker_.shared().settings->failover.hold};
  // A KILL of the statement before must not hit this one.
  while (killing_) co_await kill_over_.wait();
  begin_run();
  const Timed timed(worker_.shared().counters.took(work.statement.access), now);

  if (work.statement.effects.has(routing::Effect::speaks_of_previous) ||
      !insert_id_->names.empty()) {
    while (insert_id_->asking) co_await insert_id_->settled.wait();
  }
  if (!insert_id_->collations.variables().empty()) {
    while (insert_id_->asking) co_await insert_id_->settled.wait();
    for (const std::string& name : wanted_.unknowns()) {
      const std::string* value = insert_id_->collations.find(name);
      if (value != nullptr) {
        wanted_.set(name, *value);
      } else {
        wanted_.erase(name);
      }
    }
    insert_id_->collations.clear();
    state_changed();
  }
  if (!insert_id_->names.empty()) {
    insert_id_->names.clear();
    user_variables_ = std::move(insert_id_->variables);
    if (std::exchange(insert_id_->lost, false)) {
      pins_.add(routing::Pin::user_variable);
      co_return co_await lost_hold(work, false);
    }
  }
  co_return co_await make_trip(work, trip);
}

void StatementRunner::begin_run() {
  ++runs_;
  running_ = true;
  kill_requested_ = false;
  record_.busy.store(true, std::memory_order_relaxed);
  add(worker_.shared().counters.statements);
  record_.statements.fetch_add(1, std::memory_order_relaxed);
}

/// From backend to backend, until one has answered or there is nothing more to try.
Task<Next> StatementRunner::make_trip(Work& work, Trip& trip) {
  Shared& shared = worker_.shared();
  for (;;) {
    if (aborted_) co_return Next::close;
    if (kill_requested_)
      co_return co_await answer_error(work, errors::query_interrupted, "70100",
                                      "Query execution was interrupted");
    Slot* held = held_for(work);
    if (bound() && held == nullptr) co_return co_await lost_hold(work, false);
    if (held == &replica_ && in_transaction_on_replica() && asks_primary(work.statement)) {
      const bool moved = co_await move_read_only_transaction(trip.hold_until);
      if (!moved) co_return co_await lost_hold(work, false);
      continue;
    }
    routing::Decision decision = decide(work, held, trip.avoid);
    if (trip.rerun == Reason::misrouted) {
      const auto& topology = *worker_.topology();
      decision = topology.primary
                     ? routing::Decision{Target::primary, *topology.primary, Reason::misrouted}
                     : routing::Decision{Target::wait, 0, Reason::no_primary};
    }
    if (decision.target == Target::wait) {
      if (!trip.held) add(shared.counters.writes_held);
      trip.held = true;
      const auto now = Clock::now();
      if (now >= trip.hold_until) {
        co_return co_await answer_error(
            work, errors::read_only_mode, "HY000",
            "Sluice: no primary took this statement within failover.hold; nothing was sent");
      }
      co_await worker_.topology_change(std::min(trip.hold_until, now + try_again));
      trip.avoid = 0;
      continue;
    }
    if (trip.rerun) decision.reason = *trip.rerun;

    if (decision.target != Target::held) {
      const Sharing sharing = judge_sharing(work, decision, trip);
      if (sharing == Sharing::later) {
        co_await worker_.shared_links().learnt(work.digest, trip.learn_until);
        continue;
      }
      if (sharing == Sharing::yes) {
        const std::optional<Next> next = co_await run_shared(work, decision, trip);
        if (next) co_return *next;
        continue;
      }
    }

    Slot& slot = decision.target == Target::held      ? *held
                 : decision.target == Target::primary ? primary_
                                                      : replica_;
    const LinkRole role =
        decision.target == Target::primary ? LinkRole::primary : LinkRole::replica;
    // Leaving the link that alone knows some variables: ask it first.
    if (unsettled() && (decision.target == Target::held
                            ? held != unsettled_slot_
                            : &slot != unsettled_slot_ || !stays(slot, decision.backend, role))) {
      const bool settled = co_await settle();
      if (!settled) {
        pins_.add(routing::Pin::user_variable);
        co_return co_await lost_hold(work, false);
      }
      continue;  // it may be pinned now
    }
    if (decision.target != Target::held) {
      const OpenFailure failure = co_await obtain(slot, decision.backend, role, trip.hold_until);
      if (!slot.place) {
        // Its own refusal is the client's answer, unless another backend may do.
        const bool unreachable = !failure.refusal;
        if (unreachable) shared.traffic_error(decision.backend);
        trip.stay_away_from(decision.backend);
        if (unreachable || decision.target == Target::replica) continue;
        if (failure.refusal->code == errors::con_count && Clock::now() < trip.hold_until) {
          co_await worker_.topology_change(std::min(trip.hold_until, Clock::now() + try_again));
          trip.avoid = 0;
          continue;
        }
        co_return co_await answer_error(work, failure.refusal->code, failure.refusal->sqlstate,
                                        failure.refusal->message);
      }
    }
    if (aborted_ || kill_requested_) continue;
    const std::size_t backend = slot.place->backend();
    note_decision(work, backend, decision.reason);

    const InUse in_use(in_use_, slot);
    const Attempt attempt{.backend = backend,
                          .pins = pins_,
                          .bound = bound(),
                          .in_transaction = in_transaction(),
                          .on_replica = slot.place->role() == LinkRole::replica,
                          .retryable = work.statement.access == routing::Access::read && !bound() &&
                                       !work.streamed && work.how != Work::How::fetch,
                          .crowd = read(shared.counters.backends[backend]->in_flight)};
    const RelayEnd end = co_await exchange(work, slot);
    std::optional<Next> next;
    switch (end) {
      case RelayEnd::complete: next = co_await after_reply(work, slot, attempt, trip); break;
      case RelayEnd::sync_failed:
      case RelayEnd::refused: next = co_await after_refusal(work, slot, attempt, trip, end); break;
      case RelayEnd::moved:  // of shared links only
      case RelayEnd::lost: next = co_await after_loss(work, slot, attempt, trip); break;
      case RelayEnd::cut:
      case RelayEnd::client_gone:
        slot.place->abandon(&relay_);
        slot.place->close();
        if (end == RelayEnd::cut)
          log::warning("session", "session {}: link to backend {} lost in the middle of a reply",
                       record_.id, worker_.topology()->backends[backend].name);
        next = Next::close;
        break;
    }
    if (next) co_return *next;
  }
}

/// All of the reply is here, its last packet held back: draw the conclusions, or
/// find that another backend has to be asked (nullopt).
Task<std::optional<Next>> StatementRunner::after_reply(Work& work, Slot& slot, Attempt attempt,
                                                       Trip& trip) {
  const bool refused_as_write =
      attempt.on_replica && relay_.lone_error() && refuses_writes(relay_.summary().error_code);
  if (refused_as_write && !attempt.in_transaction && !bound() && !work.streamed && !trip.rerun &&
      !work.statement.effects.has(routing::Effect::begins_read_only_transaction)) {
    relay_.discard();
    slot.place.release();
    note_misroute(work);
    trip.rerun = Reason::misrouted;
    co_return std::nullopt;
  }
  // Routed here a moment before the role was taken from it: refused, not executed.
  const bool lost_role = worker_.topology()->writes_held ||
                         worker_.topology()->primary != std::optional(attempt.backend);
  if (lost_role && !attempt.on_replica && !attempt.in_transaction && !bound() && !work.streamed &&
      relay_.lone_error() && refuses_writes(relay_.summary().error_code) &&
      Clock::now() < trip.hold_until) {
    relay_.discard();
    slot.place.release();
    trip.rerun = Reason::moved;
    co_return std::nullopt;
  }
  if (attempt.retryable && relay_.lone_error() && says_goodbye(relay_.summary().error_code) &&
      Clock::now() < trip.hold_until) {
    relay_.discard();
    slot.place->close();
    slot.place.release();
    worker_.shared().traffic_error(attempt.backend);
    add(worker_.shared().counters.reads_moved);
    trip.stay_away_from(attempt.backend);
    trip.rerun = Reason::moved;
    co_return std::nullopt;
  }
  if (refused_as_write && attempt.in_transaction && in_transaction_on_replica() &&
      work.buffered > 0 && !work.streamed) {
    // The primary may see other faults first, and some statements end the transaction.
    relay_.discard();
    const bool moved = co_await move_read_only_transaction(trip.hold_until);
    if (moved) co_return std::nullopt;
    co_return co_await lost_hold(work, false);
  }
  if (refused_as_write && attempt.in_transaction) {
    // A replica is read-only before its transaction is; on one server it is
    // the transaction that refuses.
    relay_.discard();
    co_return co_await answer_error(work, errors::cant_in_read_only_transaction, "25006",
                                    dialect_.mariadb
                                        ? "Cannot execute statement in a READ ONLY transaction"
                                        : "Cannot execute statement in a READ ONLY transaction.");
  }
  const bool shareable_read = shareable(work);
  if (attempt.retryable && work.how != Work::How::prepare && !work.sql.empty())
    note_digest(work, attempt.backend, alone_time(attempt.crowd, slot.place->last_service()));
  learn(work, slot, attempt.pins);
  if (work.how == Work::How::prepare) note_prepared(work, *slot.place);
  if (!held_.asked_variable().empty()) co_await learn_prepared_text(slot.place.link());
  consume_command(work);
  const error_code error = co_await relay_.finish();
  // A PREPARE has no warnings, as a rule, and leaves the counts of the statement before.
  const bool counts_elsewhere = work.how == Work::How::prepare && last_ != &slot &&
                                previous_rows_.has_value() && !relay_.summary().failed &&
                                relay_.summary().warnings == 0;
  last_ = counts_elsewhere ? nullptr : &slot;
  if (!counts_elsewhere) previous_rows_.reset();
  if (!bound()) home_ = nullptr;
  if (shareable_read && !relay_.summary().failed && relay_.summary().warnings == 0) {
    previous_rows_ = relay_.summary().rows;
    release_unneeded(slot);
  }
  if (slot.place && slot.place->closed()) slot.place.release();
  running_ = false;
  show();
  const bool disconnect =
      work.statement.effects.has(routing::Effect::disconnects) && !relay_.summary().failed;
  co_return error || disconnect ? Next::close : Next::go_on;
}

/// What had to go ahead of the statement was refused: the session's state, or the
/// PREPARE of what it executes. Elsewhere it may do; on the primary its word is final.
Task<std::optional<Next>> StatementRunner::after_refusal(Work& work, Slot& slot, Attempt attempt,
                                                         Trip& trip, RelayEnd end) {
  const protocol::Buffer refusal = end == RelayEnd::refused ? refusal_ : relay_.sync_error();
  const auto err = protocol::decode_err(refusal);
  if (end == RelayEnd::sync_failed) {
    // The link is in a state that nobody asked for.
    relay_.discard();
    slot.place->close();
    slot.place.release();
    if (attempt.on_replica && attempt.retryable) {
      trip.stay_away_from(attempt.backend);
      co_return std::nullopt;
    }
    // What one session may set, nobody without privileges may set back (MySQL:
    // require_row_format): such a link is of no use, but another one may be.
    if (!attempt.bound && work.buffered > 0 && trip.refused_links++ < most_refused_links)
      co_return std::nullopt;
  } else if (err && attempt.on_replica && !attempt.bound && refuses_writes(err->code) &&
             !trip.rerun) {
    slot.place.release();
    note_misroute(work);
    trip.rerun = Reason::misrouted;
    co_return std::nullopt;
  }
  if (!err) co_return Next::close;
  if (slot.place && slot.place->closed()) slot.place.release();
  co_return co_await answer_error(work, err->code, err->sql_state, err->message);
}

/// The link was lost, and nothing of the reply has reached the client.
Task<std::optional<Next>> StatementRunner::after_loss(Work& work, Slot& slot, Attempt attempt,
                                                      Trip& trip) {
  Shared& shared = worker_.shared();
  relay_.discard();
  const bool sent = slot.place->sent_main;
  slot.place->close();
  slot.place.release();
  shared.traffic_error(attempt.backend);
  add(shared.counters.backends[attempt.backend]->link_errors);
  if (attempt.bound) co_return co_await lost_hold(work, sent);
  pins_ = attempt.pins;
  if (attempt.retryable || (!sent && !work.streamed)) {
    add(shared.counters.reads_moved);
    if (attempt.on_replica) trip.stay_away_from(attempt.backend);
    if (attempt.retryable) trip.rerun = Reason::moved;
    if (Clock::now() < trip.hold_until) co_return std::nullopt;
  }
  if (routing::may_write(work.statement)) unknown_write_ = Clock::now();
  add(shared.counters.outcomes_unknown);
  co_return co_await answer_error(
      work, errors::server_shutdown, "08S01",
      "Sluice: the backend was lost while this statement was under way; whether it was "
      "executed is unknown");
}

void StatementRunner::note_decision(const Work& work, std::size_t backend, routing::Reason reason) {
  record_.backend.store(static_cast<std::int32_t>(backend), std::memory_order_relaxed);
  record_.last_reason.store(reason, std::memory_order_relaxed);
  record_.history.add({RouteHistory::present(), backend, work.statement.access, reason});
  Counters& counters = worker_.shared().counters;
  add(counters.decisions[static_cast<std::size_t>(reason)]);
  BackendCounters& counted = *counters.backends[backend];
  add(work.statement.access == routing::Access::read ? counted.reads : counted.writes);
}

void StatementRunner::note_misroute(Work& work) {
  add(worker_.shared().counters.misroutes);
  const std::string_view sql = work.prepared != nullptr ? work.prepared->sql : work.sql;
  log::warning("misroute", "a statement taken for a read was refused as a write: {}",
               sql.substr(0, 200));
  work.misrouted = true;
  if (work.prepared == nullptr) return;
  // Its next execution goes to the primary at once.
  work.prepared->statement.access = routing::Access::write;
  work.prepared->statement.cause = routing::Cause::routine;
}

routing::Statement StatementRunner::classify(std::string_view sql, bool whole) const {
  const SessionRoutines routines(worker_, wanted_.schema);
  routing::Dialect dialect = dialect_;
  dialect.routines = &routines;
  routing::Statement statement =
      whole ? routing::classify(sql, dialect) : routing::classify_beginning(sql, dialect);
  // Unqualified names speak of one backend's inner life there.
  if (statement.access == routing::Access::read &&
      (routing::is_system_schema(wanted_.schema) || wanted_.schema == "information_schema")) {
    statement.access = routing::Access::write;
    statement.cause = routing::Cause::one_server;
  }
  return statement;
}

StatementRunner::Slot* StatementRunner::held_for(const Work& work) {
  Slot* slot = nullptr;
  if (bound()) {
    slot = home_;
  } else if (work.statement.effects.has(routing::Effect::speaks_of_previous) &&
             !forgets("previous")) {
    const bool at_primary = asks_insert_id(work.sql) && primary_.place && !forgets("insert_id");
    slot = at_primary ? &primary_ : last_;
    // What does more than ask belongs to the primary, whatever it hears there.
    routing::Pins left_behind = routing::pins_of(work.statement);
    left_behind.remove(routing::Pin::user_variable);
    if (slot == &replica_ &&
        (left_behind.any() ||
         work.statement.effects.any({routing::Effect::several, routing::Effect::calls_routine})))
      slot = nullptr;
  }
  if (slot == nullptr || !slot->place || slot->place->closed()) return nullptr;
  return slot;
}

routing::Decision StatementRunner::decide(const Work& work, const Slot* held, std::uint64_t avoid) {
  const auto& topology = worker_.topology();
  const routing::Bonds bonds{.in_transaction = in_transaction(),
                             .autocommit_off = (status_ & protocol::status::autocommit) == 0,
                             // A cursor keeps the session on its link, for writes, too.
                             .pinned = pins_.any() || work.wants_cursor,
                             .serializable = routing::is_serializable(wanted_),
                             .holds_link = held != nullptr,
                             .required = required_.empty() ? nullptr : &required_,
                             .unknown_write = unknown_write_};
  const routing::RouteInput input{.statement = work.statement,
                                  .bonds = bonds,
                                  .topology = *topology,
                                  .load = worker_.load(),
                                  .policy = policy_,
                                  .now = Clock::now(),
                                  .seed = worker_.luck(),
                                  .avoid = avoid};
  return routing::route(input);
}

/// The link of an open transaction or of a pin is gone. A transaction that was
/// not being committed is certainly rolled back; a pin's state cannot be had again.
Task<Next> StatementRunner::lost_hold(Work& work, bool sent) {
  const bool pinned = pins_.any();
  held_.clear();
  const bool in_doubt = sent && work.statement.effects.any({routing::Effect::ends_transaction,
                                                            routing::Effect::implicit_commit});
  pins_.clear();
  status_ = static_cast<std::uint16_t>(login_status_ & ~protocol::status::in_transaction);
  if (home_ != nullptr) home_->place.release();
  home_ = last_ = nullptr;
  if (in_doubt) {
    unknown_write_ = Clock::now();
    add(worker_.shared().counters.outcomes_unknown);
    co_await answer_error(work, errors::server_shutdown, "08S01",
                          "Sluice: the backend was lost while the transaction was being ended; "
                          "whether it was committed is unknown");
  } else {
    co_await answer_error(work, errors::lock_deadlock, "40001",
                          "Sluice: the backend of this transaction was lost and the transaction "
                          "was rolled back; try restarting transaction");
  }
  co_return pinned ? Next::close : Next::go_on;
}

/// The rest of a read-only transaction belongs to the primary: what comes next can be
/// answered there alone.
Task<bool> StatementRunner::move_read_only_transaction(Clock::time_point until) {
  if (unsettled()) {
    const bool settled = co_await settle();
    if (!settled || pins_.any()) co_return false;
  }
  const auto topology = worker_.topology();
  if (!topology->primary) co_return false;
  InternalQuery ending(worker_.executor());
  std::string commit = "COMMIT AND NO CHAIN NO RELEASE";
  const error_code failed = co_await ending.run(replica_.place.link(), std::move(commit));
  if (failed) co_return false;
  status_ &= static_cast<std::uint16_t>(
      ~(protocol::status::in_transaction | protocol::status::in_read_only_transaction));
  home_ = nullptr;
  co_await obtain(primary_, *topology->primary, LinkRole::primary, until);
  if (!primary_.place) co_return false;
  const InUse in_use(in_use_, primary_);
  const std::shared_ptr<Link> link = primary_.place.link();
  const error_code error = co_await sync_now(link, wanted_);
  if (error) co_return false;
  InternalQuery query(worker_.executor());
  std::string statement = "START TRANSACTION READ ONLY";
  const error_code lost = co_await query.run(link, std::move(statement));
  if (lost || query.refusal()) co_return false;
  status_ |= protocol::status::in_transaction | protocol::status::in_read_only_transaction;
  home_ = &primary_;
  co_return true;
}

void StatementRunner::pin(routing::Pin pin) {
  pins_.add(pin);
  show();
}

}  // namespace sluice::proxy
