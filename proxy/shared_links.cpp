#include "proxy/shared_links.hpp"

#include <algorithm>

#include "protocol/command.hpp"
#include "proxy/internal_query.hpp"
#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

constexpr std::chrono::milliseconds watch_interval{4};
/// A front is slow if it is older than this and the other links have moved on in so
/// many of the watch's looks: a busy backend may leave any thread unserved for some of
/// its time slices, but then it leaves the others unserved too.
constexpr std::chrono::milliseconds patience{20};
constexpr unsigned looks = 6;
/// And if no link moves.
constexpr std::chrono::milliseconds long_patience{250};
/// A link whose front is older than this is joined only if the others are crowded.
constexpr std::chrono::milliseconds sluggish{5};
constexpr std::size_t crowd = 64;
constexpr std::chrono::seconds growth_patience{5};
constexpr std::chrono::seconds unneeded_after{2};
/// So many at a time learn about a digest.
constexpr unsigned learners = 2;

std::string key_of(const LinkKind& kind, const routing::StateVector& state) {
  std::string key = std::to_string(kind.backend);
  const auto part = [&key](std::string_view text) {
    key += '\0';
    key += text;
  };
  part(kind.role == routing::LinkRole::primary ? "p" : "r");
  part(kind.user);
  part(std::to_string(kind.capabilities));
  part(std::to_string(kind.collation));
  part(state.schema);
  for (const auto& [name, value] : state.variables()) {
    part(name);
    part(value);
  }
  return key;
}

}  // namespace

SharedGroup::SharedGroup(SharedLinks& owner, LinkKind kind, routing::StateVector state)
    : owner_(owner), alive_(owner.alive_), kind_(std::move(kind)), state_(std::move(state)) {}

SharedGroup::~SharedGroup() {
  for (Member& member : links_) member.place->shared = false;
  if (*alive_) owner_.groups_.erase(key_);
}

std::shared_ptr<Link> SharedGroup::join(const std::shared_ptr<SharedGroup>& self,
                                        const config::Secret& password, Clock::time_point now) {
  Member* best = nullptr;
  std::size_t least = SIZE_MAX;
  std::size_t open = 0;
  for (std::size_t i = 0; i < links_.size();) {
    Member& member = links_[i];
    Link& link = *member.place;
    const bool quiet = link.quiet();
    if (link.dirty || !owner_.pool_.current(link, now)) member.leaving = true;
    if (link.closed() || (member.leaving && quiet)) {
      link.shared = false;
      std::swap(member, links_.back());
      links_.pop_back();
      continue;
    }
    ++i;
    if (member.leaving) continue;
    ++open;
    if (!link.shared && quiet && link.kills_pending == 0) link.shared = true;
    if (!link.shared) continue;
    const bool stuck = link.depth() > 0 && now - link.front_since() > sluggish;
    const std::size_t load = link.depth() + (stuck ? crowd : 0);
    if (load < least) {
      best = &member;
      least = load;
    }
  }
  // A copy: what grows may find a link at once, and the list move.
  std::shared_ptr<Link> link = best == nullptr ? nullptr : best->place.link();
  const bool wanted = !link || (least > 0 && open < target_.links());
  if (wanted && !growing_) {
    growing_ = true;
    failed_ = false;
    asio::co_spawn(owner_.executor_, grow(self, password, link != nullptr), rethrow);
  }
  if (!link) return nullptr;
  idle_since_ = now;
  owner_.start_watch();
  return link;
}

Task<bool> SharedGroup::wait(Clock::time_point until) {
  // A link that was at hand has joined the group, or was refused, within join(): there
  // is nobody left who would wake us.
  if (!growing_ && !in_flight()) co_return !failed_;
  Event turn(owner_.executor_);
  const auto at = waiting_.insert(waiting_.end(), &turn);
  bool late = false;
  {
    auto give_up = [&turn, &late] {
      late = true;
      turn.notify();
    };
    const Deadline deadline(owner_.executor_, until, give_up);
    co_await turn.wait();
  }
  waiting_.erase(at);
  co_return !late && !failed_;
}

void SharedGroup::wake_all() {
  for (Event* turn : waiting_) turn->notify();
}

void SharedGroup::left(const std::shared_ptr<Link>& link) {
  if (link->shared) target_.on_reply(link->depth(), link->front_since());
  if (!waiting_.empty()) wake_all();
  if (!link->quiet()) return;
  const auto at = std::find_if(links_.begin(), links_.end(),
                               [&](const Member& member) { return member.place.link() == link; });
  if (at == links_.end() || (!at->leaving && !link->closed())) return;
  link->shared = false;
  links_.erase(at);
}

Place SharedGroup::take(const std::shared_ptr<Link>& link) {
  const auto at = std::find_if(links_.begin(), links_.end(),
                               [&](const Member& member) { return member.place.link() == link; });
  if (at == links_.end()) return {};
  link->evacuate();
  Place place = std::move(at->place);
  links_.erase(at);
  return place;
}

bool SharedGroup::in_flight() const noexcept {
  return std::any_of(links_.begin(), links_.end(),
                     [](const Member& member) { return member.place->depth() > 0; });
}

Task<> SharedGroup::grow(std::shared_ptr<SharedGroup> self, config::Secret password,
                         bool only_if_free) {
  PlaceRequest request{.kind = self->kind_,
                       .wanted = &self->state_,
                       .password = std::move(password),
                       .until = Clock::now() + growth_patience,
                       .only_if_free = only_if_free};
  PlaceOutcome outcome = co_await self->owner_.pool_.obtain(std::move(request));
  bool ready = static_cast<bool>(outcome.place);
  if (ready) ready = co_await self->bring_into_state(outcome.place.link());
  if (ready) {
    Link& link = *outcome.place;
    link.shared = true;
    link.user = 0;
    self->links_.push_back({.place = std::move(outcome.place)});
  } else if (outcome.place) {
    outcome.place->close();
  }
  self->growing_ = false;
  self->failed_ = !ready && self->links_.empty();
  self->wake_all();
}

Task<bool> SharedGroup::bring_into_state(std::shared_ptr<Link> link) {
  InternalQuery query(owner_.executor_);
  if (link->image.schema != state_.schema && !state_.schema.empty()) {
    std::string schema = state_.schema;
    const error_code error =
        co_await query.run(link, std::move(schema), protocol::Command::init_db);
    if (error || query.refusal()) co_return false;
  }
  std::string statement = routing::difference(link->image, state_, link->role(), link->baseline);
  if (!statement.empty()) {
    const error_code error = co_await query.run(link, std::move(statement));
    if (error || query.refusal()) co_return false;
    add(owner_.counters_.state_syncs);
  }
  link->image = state_;
  co_return !link->closed();
}

/// A link that can be spared; the last one of a group only if nobody uses it.
Yield SharedGroup::yield_one() {
  const auto idle = std::find_if(links_.begin(), links_.end(),
                                 [](const Member& member) { return member.place->quiet(); });
  if (idle != links_.end()) {
    idle->place->shared = false;
    links_.erase(idle);
    return Yield::now;
  }
  const auto stays = std::count_if(links_.begin(), links_.end(),
                                   [](const Member& member) { return !member.leaving; });
  if (stays < 2) return Yield::nothing;
  const auto least =
      std::min_element(links_.begin(), links_.end(), [](const auto& a, const auto& b) {
        if (a.leaving != b.leaving) return b.leaving;
        return a.place->depth() < b.place->depth();
      });
  least->leaving = true;
  return Yield::soon;
}

SharedLinks::SharedLinks(Executor executor, LinkPool& pool, Counters& counters)
    : executor_(executor), pool_(pool), counters_(counters), watch_timer_(executor) {
  pool_.add_holder(*this);
}

SharedLinks::~SharedLinks() {
  *alive_ = false;
  pool_.remove_holder(*this);
}

std::shared_ptr<SharedGroup> SharedLinks::group(const LinkKind& kind,
                                                const routing::StateVector& state) {
  std::string key = key_of(kind, state);
  std::weak_ptr<SharedGroup>& known = groups_[key];
  if (auto group = known.lock()) return group;
  auto group = std::make_shared<SharedGroup>(*this, kind, state);
  group->key_ = std::move(key);
  known = group;
  return group;
}

Task<error_code> SharedLinks::prepare(std::shared_ptr<Link> link,
                                      const PreparedStatement& prepared) {
  const std::string key = prepared.key;
  if (const auto at = link->preparing.find(key); at != link->preparing.end()) {
    Event done(executor_);
    at->second.push_back(&done);
    co_await done.wait();
    co_return link->prepared.find(key) != nullptr ? error_code{} : moved_elsewhere;
  }
  link->preparing[key];
  InternalQuery query(executor_);
  std::string sql = prepared.sql;
  error_code error = co_await query.run(link, std::move(sql), protocol::Command::stmt_prepare);
  if (!error && (query.refusal() || !query.prepared())) error = asio::error::operation_aborted;
  if (!error) {
    std::vector<std::uint32_t> to_close;
    link->prepared.insert(key, query.prepared()->statement_id, to_close);
    for (const std::uint32_t id : to_close) {
      protocol::Buffer packet;
      protocol::append_stmt_close(packet, id);
      link->send(packet, protocol::ReplyKind::none, nullptr, 0);
    }
  }
  const auto waiting = std::move(link->preparing[key]);
  link->preparing.erase(key);
  for (Event* done : waiting) done->notify();
  co_return error;
}

std::unique_ptr<SharedLinks::Learner> SharedLinks::begin_learning(routing::Digest digest) {
  Learning& learning = learning_[digest];
  if (learning.runs >= learners) return nullptr;
  ++learning.runs;
  return std::make_unique<Learner>(*this, digest);
}

void SharedLinks::end_learning(routing::Digest digest) {
  const auto at = learning_.find(digest);
  if (at == learning_.end()) return;
  for (Event* waiter : at->second.waiting) waiter->notify();
  if (--at->second.runs == 0 && at->second.waiting.empty()) learning_.erase(at);
}

Task<> SharedLinks::learnt(routing::Digest digest, Clock::time_point until) {
  Event turn(executor_);
  std::list<Event*>& waiting = learning_[digest].waiting;
  const auto at = waiting.insert(waiting.end(), &turn);
  {
    auto give_up = [&turn] { turn.notify(); };
    const Deadline deadline(executor_, until, give_up);
    co_await turn.wait();
  }
  waiting.erase(at);
  const auto learning = learning_.find(digest);
  if (learning != learning_.end() && learning->second.runs == 0 && learning->second.waiting.empty())
    learning_.erase(learning);
}

Yield SharedLinks::yield_link(std::size_t backend) {
  for (const auto& [key, weak] : groups_) {
    const auto group = weak.lock();
    if (!group || group->backend() != backend) continue;
    const Yield yielded = group->yield_one();
    if (yielded != Yield::nothing) return yielded;
  }
  return Yield::nothing;
}

void SharedLinks::sweep(Clock::time_point now) {
  for (const auto& [key, weak] : groups_) {
    const auto group = weak.lock();
    if (!group || now - group->idle_since_ < unneeded_after) continue;
    std::erase_if(group->links_, [](SharedGroup::Member& member) {
      const bool goes = member.place->quiet() || member.place->closed();
      if (goes) member.place->shared = false;
      return goes;
    });
  }
}

void SharedLinks::start_watch() {
  if (watching_) return;
  watching_ = true;
  asio::co_spawn(executor_, watch(), rethrow);
}

Task<> SharedLinks::watch() {
  const std::shared_ptr<bool> alive = alive_;
  bool busy = true;
  while (busy) {
    watch_timer_.expires_after(watch_interval);
    co_await watch_timer_.async_wait(use_result);
    if (!*alive) co_return;
    busy = false;
    const auto now = Clock::now();
    for (const auto& [key, weak] : groups_) {
      const auto group = weak.lock();
      if (!group || !group->in_flight()) continue;
      busy = true;
      look_after(*group, now);
    }
  }
  watching_ = false;
}

void SharedLinks::look_after(SharedGroup& group, Clock::time_point now) {
  std::size_t moving = 0;
  for (SharedGroup::Member& member : group.links_) {
    const Link& link = *member.place;
    member.moved = link.depth() == 0 || link.front_since() != member.front;
    member.front = link.front_since();
    if (member.moved) {
      member.passed = 0;
      ++moving;
    }
  }
  for (SharedGroup::Member& member : group.links_) {
    Link& link = *member.place;
    if (member.moved || !link.shared || link.depth() < 2) continue;
    if (moving * 2 >= group.links_.size()) ++member.passed;
    const auto age = now - member.front;
    if (age > long_patience || (age > patience && member.passed >= looks)) link.evacuate();
  }
}

}  // namespace sluice::proxy
