/// StatementRunner's short way: a plain read on a link that other sessions use too.
#include "protocol/command.hpp"
#include "proxy/statement_runner.hpp"
#include "routing/digest.hpp"

namespace sluice::proxy {
namespace {

using routing::LinkRole;
using routing::SharingVerdict;
using routing::Target;

/// Longer commands do not share: many of them would fill a link.
constexpr std::size_t most_shared_bytes = 16 * 1024;
/// How long a first-seen statement waits for others of its kind to be judged.
constexpr std::chrono::milliseconds learning_patience{100};
/// How long a read waits for a shared link before it asks for one of its own.
constexpr std::chrono::seconds room_patience{3};

}  // namespace

/// What may go on a shared link by what it is; whether it is quick is the digest's.
bool StatementRunner::shareable(const Work& work) const {
  if (!routing::may_share(work.statement) || bound() || work.streamed || wanted_.has_unknowns() ||
      work.buffered > most_shared_bytes || (status_ & protocol::status::autocommit) == 0) {
    return false;
  }
  if (work.how == Work::How::plain) return work.kind == protocol::ReplyKind::query;
  return work.how == Work::How::execute &&
         work.command->command == protocol::Command::stmt_execute && !work.wants_cursor &&
         !work.prepared->sends_long_data && !work.prepared->has_cursor &&
         (work.prepared->state_version == state_version_ || work.prepared->state == wanted_);
}

std::shared_ptr<SharedGroup> StatementRunner::group_at(std::size_t backend, LinkRole role) {
  if (groups_.size() <= backend) groups_.resize(backend + 1);
  std::shared_ptr<SharedGroup>& group = groups_[backend];
  if (group && group->role() == role) return group;
  if (group) --group->members;
  group = worker_.shared_links().group(kind_for(backend, role), wanted_);
  ++group->members;
  return group;
}

void StatementRunner::leave_groups() {
  for (const auto& group : groups_)
    if (group) --group->members;
  groups_.clear();
}

/// What the session asked of its links has changed.
void StatementRunner::state_changed() {
  ++state_version_;
  leave_groups();
}

/// Whether this run may share, now, on the backend that was chosen.
StatementRunner::Sharing StatementRunner::judge_sharing(Work& work,
                                                        const routing::Decision& decision,
                                                        Trip& trip) {
  if (trip.alone || !shareable(work)) return Sharing::no;
  const LinkRole role = decision.target == Target::primary ? LinkRole::primary : LinkRole::replica;
  // Alone in its state, a session is best served by a link of its own.
  const auto group = group_at(decision.backend, role);
  if (group->members < 2) return Sharing::no;
  routing::Digest digest = work.prepared != nullptr ? work.prepared->digest : work.digest;
  if (digest == 0) digest = routing::digest(work.sql, dialect_);
  if (work.prepared != nullptr) work.prepared->digest = digest;
  work.digest = digest;
  switch (worker_.digests().verdict(digest, decision.backend, Clock::now())) {
    case SharingVerdict::eligible: return Sharing::yes;
    case SharingVerdict::unknown: break;
    case SharingVerdict::slow:
    case SharingVerdict::big:
    case SharingVerdict::penalised: return Sharing::no;
  }
  const auto now = Clock::now();
  if (trip.learn_until == Clock::time_point{}) trip.learn_until = now + learning_patience;
  if (now >= trip.learn_until || trip.learner) return Sharing::no;
  trip.learner = worker_.shared_links().begin_learning(digest);
  return trip.learner ? Sharing::no : Sharing::later;
}

void StatementRunner::note_digest(Work& work, std::size_t backend, std::chrono::microseconds took) {
  routing::Digest& digest = work.prepared != nullptr ? work.prepared->digest : work.digest;
  if (digest == 0) digest = routing::digest(work.sql, dialect_);
  const routing::DigestSample sample{.backend = backend,
                                     .micros = static_cast<std::uint32_t>(took.count()),
                                     .bytes = relay_.summary().bytes,
                                     .failed = relay_.summary().failed};
  worker_.digests().observe(digest, sample, work.sql, dialect_);
}

/// Gives a link back that only a read was needed for: others may be waiting, and what
/// the read says of itself is known without it.
void StatementRunner::release_unneeded(Slot& slot) {
  if (bound() || (unsettled() && unsettled_slot_ == &slot)) return;
  if (&slot == &primary_ && insert_id_->on_link) return;
  const std::size_t backend = slot.place->backend();
  if (groups_.size() <= backend || !groups_[backend] || groups_[backend]->members < 2) return;
  slot.place.release();
  last_ = nullptr;
}

/// Runs `work` on a link of the group. nullopt: choose again.
Task<std::optional<Next>> StatementRunner::run_shared(Work& work, routing::Decision decision,
                                                      Trip& trip) {
  const auto group = groups_[decision.backend];
  const std::shared_ptr<Link> link = group->join(group, password_, Clock::now());
  if (!link) {
    const auto until = std::min(trip.hold_until, Clock::now() + room_patience);
    const bool ready = co_await group->wait(until);
    trip.alone = !ready;
    co_return std::nullopt;
  }
  if (work.prepared != nullptr && link->prepared.find(work.prepared->key) == nullptr) {
    const error_code error = co_await worker_.shared_links().prepare(link, *work.prepared);
    // Refused here, it is refused where the session can be told why.
    trip.alone = error == asio::error::operation_aborted;
    group->left(link);
    co_return std::nullopt;
  }
  send_shared(work, decision, link);
  co_return co_await finish_shared(work, decision, trip);
}

void StatementRunner::send_shared(Work& work, routing::Decision decision,
                                  const std::shared_ptr<Link>& link) {
  note_decision(work, decision.backend, decision.reason);
  add(worker_.shared().counters.reads_shared);
  relay_.begin(capabilities_, link->flavour());
  relay_.share(*link);
  sharing_ = link;
  send_on(work, *link);
  link->flush_soon();
}

/// Waits for the reply to what `send_shared` sent. nullopt: choose again.
Task<std::optional<Next>> StatementRunner::finish_shared(Work& work, routing::Decision decision,
                                                         Trip& trip) {
  Shared& shared = worker_.shared();
  const std::shared_ptr<Link> link = sharing_;
  const RelayEnd end = co_await relay_.wait(link);
  sharing_.reset();
  switch (end) {
    case RelayEnd::complete: break;
    case RelayEnd::cut:
    case RelayEnd::client_gone:
      link->abandon(&relay_);
      if (!link->shared) link->close();
      groups_[decision.backend]->left(link);
      co_return Next::close;
    case RelayEnd::moved: add(shared.counters.reads_moved); co_return std::nullopt;
    default:
      relay_.discard();
      groups_[decision.backend]->left(link);
      if (aborted_ || kill_requested_) co_return std::nullopt;
      shared.traffic_error(decision.backend);
      add(shared.counters.backends[decision.backend]->link_errors);
      add(shared.counters.reads_moved);
      if (decision.target == Target::replica) trip.stay_away_from(decision.backend);
      trip.rerun = routing::Reason::moved;
      if (Clock::now() < trip.hold_until) co_return std::nullopt;
      co_return co_await answer_error(work, protocol::server_error::server_shutdown, "08S01",
                                      "Sluice: the backend was lost while this statement was "
                                      "under way");
  }
  trip.alone = !accept_shared(work, decision, link);
  if (trip.alone) co_return std::nullopt;
  consume_command(work);
  const error_code error = co_await relay_.finish();
  running_ = false;
  show();
  co_return error ? Next::close : Next::go_on;
}

/// The reply is here: draws the conclusions. False if it must be had again on a link
/// of its own.
bool StatementRunner::accept_shared(Work& work, const routing::Decision& decision,
                                    const std::shared_ptr<Link>& link) {
  SharedGroup& group = *groups_[decision.backend];
  const ReplySummary& summary = relay_.summary();
  const bool has_conditions = summary.failed || summary.warnings > 0;
  if (!link->shared) worker_.digests().penalise(work.digest, decision.backend, Clock::now());
  note_digest(work, decision.backend, link->last_service());
  // No read does this; whoever comes next must not find it.
  if (summary.state_learned || (summary.status & protocol::status::in_transaction) != 0)
    link->dirty = true;
  // What it leaves in the diagnostics area must be there for the next statement, and
  // an error may be for us rather than for the client: have it on a link of its own.
  if (has_conditions && !relay_.reached_client()) {
    relay_.discard();
    group.left(link);
    return false;
  }
  // A link held from earlier is not needed for what the session does now.
  if (replica_.place) release_unneeded(replica_);
  last_ = nullptr;
  previous_rows_ = summary.rows;
  own_answers_.clear();
  warnings_ = summary.warnings;
  failed_ = summary.failed;
  Slot& slot = link->role() == LinkRole::primary ? primary_ : replica_;
  if (has_conditions && !slot.place) {
    slot.place = group.take(link);
    if (slot.place) {
      link->user = record_.id;
      last_ = &slot;
    }
  } else {
    group.left(link);
  }
  return true;
}

// The short way of most reads: no coroutine but the session's, nothing that waits
// but for the reply. Whatever is out of the ordinary takes the long way.

bool StatementRunner::begin_quick(Work& work) {
  if (killing_ || aborted_ || !insert_id_->names.empty() || !shareable(work)) return false;
  const routing::Decision decision = decide(work, nullptr, 0);
  if (decision.target != Target::primary && decision.target != Target::replica) return false;
  if (groups_.size() <= decision.backend || !groups_[decision.backend]) return false;
  const auto& group = groups_[decision.backend];
  const LinkRole role = decision.target == Target::primary ? LinkRole::primary : LinkRole::replica;
  if (group->role() != role || group->members < 2) return false;
  const auto now = Clock::now();
  work.digest = work.prepared != nullptr ? work.prepared->digest : 0;
  if (work.digest == 0) work.digest = routing::digest(work.sql, dialect_);
  if (!worker_.digests().eligible(work.digest, decision.backend, now)) return false;
  const std::shared_ptr<Link> link = group->join(group, password_, now);
  if (!link) return false;
  if (work.prepared != nullptr && link->prepared.find(work.prepared->key) == nullptr) return false;
  quick_ = decision;
  quick_since_ = now;
  begin_run();
  send_shared(work, decision, link);
  return true;
}

bool StatementRunner::end_quick(Work& work, error_code& error) {
  if (!relay_.whole() || sharing_ == nullptr) return false;
  const std::shared_ptr<Link> link = std::exchange(sharing_, nullptr);
  const bool accepted = accept_shared(work, quick_, link);
  if (!accepted) {
    quick_alone_ = true;
    return false;
  }
  consume_command(work);
  quick_accepted_ = !relay_.finish_now(error);
  if (quick_accepted_) return false;
  running_ = false;
  record_.busy.store(false, std::memory_order_relaxed);
  worker_.shared().counters.reads_took.observe(quick_since_, Clock::now());
  return true;
}

Task<Next> StatementRunner::settle_quick(Work& work) {
  if (std::exchange(quick_accepted_, false)) {
    const error_code error = co_await relay_.finish();
    running_ = false;
    show();
    co_return error ? Next::close : Next::go_on;
  }
  Trip trip{.hold_until = quick_since_ + worker_.shared().settings->failover.hold};
  const Timed timed(worker_.shared().counters.reads_took, quick_since_);
  trip.alone = std::exchange(quick_alone_, false);
  if (!trip.alone) {
    const std::optional<Next> next = co_await finish_shared(work, quick_, trip);
    if (next) co_return *next;
  }
  co_return co_await make_trip(work, trip);
}

}  // namespace sluice::proxy
