/// How an exchange of StatementRunner's ended: answered, refused, lost, and what then.
#include <algorithm>
#include <utility>

#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/log.hpp"
#include "proxy/statement_runner.hpp"

namespace sluice::proxy {
namespace {

using routing::LinkRole;
using routing::Reason;
namespace errors = protocol::server_error;

/// Links that cannot be brought into a session's state, until that is its own fault.
constexpr unsigned most_refused_links = 8;

/// What a statement that ran beside others on a busy backend would have taken with
/// less of a crowd; without this, a crowd of quick ones would look slow, and stay one.
std::chrono::microseconds alone_time(std::uint64_t in_flight, std::chrono::microseconds took) {
  constexpr std::uint64_t no_crowd = 8;
  constexpr std::uint64_t most = 32;
  const std::uint64_t crowd = std::clamp<std::uint64_t>(in_flight / no_crowd, 1, most);
  return took / static_cast<std::chrono::microseconds::rep>(crowd);
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

}  // namespace sluice::proxy
