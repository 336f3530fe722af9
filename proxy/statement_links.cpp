/// StatementRunner's links: getting one, keeping it at hand, giving it up, and KILL.
#include <charconv>
#include <utility>

#include "proxy/internal_query.hpp"
#include "proxy/link_verifier.hpp"
#include "proxy/log.hpp"
#include "proxy/statement_runner.hpp"
#include "proxy/user_variable_question.hpp"

namespace sluice::proxy {
namespace {

using routing::LinkRole;

constexpr std::chrono::milliseconds kill_again{50};
constexpr std::chrono::seconds kill_patience{5};

}  // namespace

void StatementRunner::give_up_links() {
  if (home_ != nullptr && home_->place && bound()) home_->place->dirty = true;
  if (!unsettled_.empty() && unsettled_slot_->place) unsettled_slot_->place->dirty = true;
  for (Slot* slot : {&primary_, &replica_}) {
    if (slot->place) slot->place->user = 0;  // what follows is another session to it
    slot->place.release();
  }
  last_ = home_ = nullptr;
}

LinkKind StatementRunner::kind_for(std::size_t backend, LinkRole role) const {
  const auto shape =
      (capabilities_ & protocol::result_shaping_capabilities) | protocol::capability::session_track;
  return {backend, role, user_, shape, collation_, false};
}

/// The link at hand will do.
bool StatementRunner::stays(const Slot& slot, std::size_t backend, LinkRole role) const {
  if (!slot.place) return false;
  const Link& link = *slot.place;
  return !link.closed() && link.backend() == backend && link.role() == role &&
         slot.place.kind().same_but_schema(kind_for(backend, role)) &&
         !(wanted_.schema.empty() && !link.image.schema.empty());
}

Task<OpenFailure> StatementRunner::obtain(Slot& slot, std::size_t backend, LinkRole role,
                                          Clock::time_point until) {
  if (stays(slot, backend, role)) co_return OpenFailure{};
  if (&slot == &primary_ && insert_id_->on_link && slot.place && !slot.place->closed()) {
    InternalQuery query(worker_.executor());
    std::string statement = "SELECT LAST_INSERT_ID()";
    const error_code error = co_await query.run(slot.place.link(), std::move(statement));
    if (!error) take_insert_id(query, *insert_id_);
    insert_id_->on_link = false;
  }
  slot.place.release();
  Shared& shared = worker_.shared();
  PlaceOutcome outcome;
  for (bool sound = false; !sound;) {
    PlaceRequest request{
        .kind = kind_for(backend, role), .wanted = &wanted_, .password = password_, .until = until};
    outcome = co_await worker_.pool().obtain(std::move(request));
    sound = !outcome.place;
    if (outcome.place)
      sound = co_await verify_link(outcome.place.link(), *shared.settings, shared.counters);
    if (!sound) outcome.place.release();
  }
  slot.place = std::move(outcome.place);
  if (slot.place && role == LinkRole::primary) after_reset_ = slot.place->after_reset;
  if (!slot.place)
    log::info("link", "no link to {} for {}: {} ({})", worker_.topology()->backends[backend].name,
              user_, outcome.failure.error.message(),
              outcome.failure.refusal ? outcome.failure.refusal->message : outcome.failure.detail);
  co_return std::move(outcome.failure);
}

void StatementRunner::take_insert_id(const InternalQuery& answer, InsertId& insert_id) {
  if (answer.rows().size() != 1 || answer.rows()[0].size() != 1 || !answer.rows()[0][0]) return;
  const std::string& text = *answer.rows()[0][0];
  std::from_chars(text.data(), text.data() + text.size(), insert_id.value);
}

Yield StatementRunner::yield_link(std::size_t backend) {
  if (bound()) return Yield::nothing;
  for (Slot* slot : {&replica_, &primary_}) {
    if (slot == in_use_ || !slot->place || slot->place->backend() != backend) continue;
    const bool asks_variables = slot == unsettled_slot_ && !unsettled_.empty();
    const bool asks_collations = slot == unsettled_slot_ && wanted_.has_unknowns();
    if ((asks_variables || asks_collations) && (insert_id_->asking || slot->place->closed()))
      continue;
    if (last_ == slot) last_ = nullptr;
    const bool asks_id = slot == &primary_ && insert_id_->on_link;
    if ((!asks_variables && !asks_id && !asks_collations) || slot->place->closed()) {
      slot->place.release();
      return Yield::now;
    }
    insert_id_->asking = true;
    if (asks_id) insert_id_->on_link = false;
    if (asks_collations) insert_id_->collations = wanted_;
    if (asks_variables) {
      insert_id_->names = std::exchange(unsettled_, {});
      insert_id_->variables = user_variables_;
    }
    asio::co_spawn(worker_.executor(),
                   hand_back(std::move(slot->place), insert_id_, asks_id, worker_.executor()),
                   rethrow);
    return Yield::soon;
  }
  return Yield::nothing;
}

/// Reads from the link what it alone knows, LAST_INSERT_ID() and user variables, and
/// lets it go. The session may end meanwhile.
Task<> StatementRunner::hand_back(Place place, std::shared_ptr<InsertId> insert_id, bool asks_id,
                                  Executor executor) {
  if (!insert_id->names.empty()) {
    std::vector<std::string> names = insert_id->names;
    const std::optional<bool> carried =
        co_await ask_user_variables(place.link(), std::move(names), insert_id->variables);
    insert_id->lost = carried != true;
  }
  if (insert_id->collations.has_unknowns() && !place->closed()) {
    co_await ask_unknowns(place.link(), insert_id->collations);
    place->image = insert_id->collations;
  }
  InternalQuery query(executor);
  std::string statement = "SELECT LAST_INSERT_ID()";
  error_code error = asio::error::not_connected;
  if (asks_id && !place->closed()) error = co_await query.run(place.link(), std::move(statement));
  if (!error) take_insert_id(query, *insert_id);
  insert_id->asking = false;
  insert_id->settled.notify();
}

void StatementRunner::abort() noexcept {
  aborted_ = true;
  if (sharing_) {
    sharing_->abandon(&relay_);
    relay_.cut_off();
  }
  if (in_use_ != nullptr && in_use_->place) in_use_->place->close();
}

/// Where the present command is under way; null if it has not been sent.
std::shared_ptr<Link> StatementRunner::link_at_work() const {
  if (sharing_) return sharing_;
  return in_use_ != nullptr && in_use_->place->sent_main ? in_use_->place.link() : nullptr;
}

Task<> StatementRunner::kill_query() {
  if (!running_) co_return;
  const std::uint64_t run = runs_;
  if (killing_) co_return;  // another KILL is at it
  const std::shared_ptr<Link> victim = link_at_work();
  if (!victim) {
    kill_requested_ = true;  // it has not been sent, and will not be
    co_return;
  }
  if (victim == sharing_) {
    // Its own error is answered by Sluice, whether the backend gets to it or not.
    kill_requested_ = true;
    if (!victim->serves(&relay_)) {
      victim->abandon(&relay_);
      relay_.cut_off();
      co_return;
    }
    victim->evacuate();  // a KILL must not hit a neighbour
  }
  ++victim->kills_pending;
  killing_ = true;
  PlaceRequest request{.kind = kind_for(victim->backend(), victim->role()),
                       .wanted = &wanted_,
                       .password = password_,
                       .until = Clock::now() + kill_patience};
  PlaceOutcome outcome = co_await worker_.pool().obtain(std::move(request));
  const auto until = Clock::now() + kill_patience;
  // A server forgets a KILL QUERY that comes before the statement has begun: say it
  // again as long as that very statement is under way.
  while (outcome.place && running_ && runs_ == run && link_at_work() == victim &&
         !victim->quiet() && Clock::now() < until) {
    InternalQuery query(worker_.executor());
    const auto thread = victim->facts().connection_id;
    std::string statement = "KILL QUERY " + std::to_string(thread);
    const error_code error = co_await query.run(outcome.place.link(), std::move(statement));
    if (error) break;
    Timer pause(worker_.executor(), kill_again);
    co_await pause.async_wait(use_result);
  }
  --victim->kills_pending;
  killing_ = false;
  kill_over_.notify();
}

}  // namespace sluice::proxy
