#include "proxy/statement_runner.hpp"

#include <algorithm>

#include "protocol/command.hpp"
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

bool same_letters(char a, char b) { return (a | 0x20) == (b | 0x20); }

/// Does the statement ask for the insert id, rather than for warnings or counts?
bool asks_insert_id(std::string_view sql) {
  for (const std::string_view word : {"last_insert_id", "identity"}) {
    if (std::search(sql.begin(), sql.end(), word.begin(), word.end(), same_letters) != sql.end())
      return true;
  }
  return false;
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

void StatementRunner::note_decision(const Work& work, std::size_t backend, routing::Reason reason) {
  record_.backend.store(static_cast<std::int32_t>(backend), std::memory_order_relaxed);
  record_.last_reason.store(reason, std::memory_order_relaxed);
  record_.history.add({RouteHistory::present(), backend, work.statement.access, reason});
  Counters& counters = worker_.shared().counters;
  add(counters.decisions[static_cast<std::size_t>(reason)]);
  BackendCounters& counted = *counters.backends[backend];
  add(work.statement.access == routing::Access::read ? counted.reads : counted.writes);
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

void StatementRunner::pin(routing::Pin pin) {
  pins_.add(pin);
  show();
}

}  // namespace sluice::proxy
