#include "proxy/link_pool.hpp"

#include <algorithm>

namespace sluice::proxy {
namespace {

/// A waiter looks again this often: another worker's link may have ended.
constexpr std::chrono::milliseconds look_again{10};
/// How many idle links are compared for the best fit.
constexpr std::size_t compared = 8;

/// How far the image is from what is wanted; 0: nothing to send.
std::size_t distance(const routing::StateVector& image, const routing::StateVector& wanted) {
  if (image == wanted) return 0;
  std::size_t steps = 1;
  if (image.schema != wanted.schema) ++steps;
  if (image.variables() != wanted.variables()) ++steps;
  return steps;
}

OpenFailure closed_failure() {
  OpenFailure failure;
  failure.error = asio::error::operation_aborted;
  failure.refusal = protocol::Refusal{protocol::server_error::server_shutdown, "08S01",
                                      "Server shutdown in progress"};
  failure.detail = "the pool is closed";
  return failure;
}

}  // namespace

void Place::release() noexcept {
  if (LinkPool* pool = std::exchange(pool_, nullptr))
    pool->give_back(std::move(kind_), std::move(link_));
  link_.reset();
}

LinkPool::LinkPool(Executor executor, Environment environment)
    : executor_(std::move(executor)),
      environment_(std::move(environment)),
      retired_at_(environment_.settings->backends.size(), Clock::time_point::min()) {}

LinkPool::~LinkPool() { close_all(); }

Task<PlaceOutcome> LinkPool::obtain(PlaceRequest request) {
  const std::size_t backend = request.kind.backend;
  PlaceOutcome outcome;
  for (;;) {
    if (closed_) {
      outcome.failure = closed_failure();
      co_return outcome;
    }
    if (auto link = take_idle(request)) {
      outcome.place = Place(*this, request.kind, std::move(link));
      co_return outcome;
    }
    auto token = environment_.budgets[backend]->acquire();
    if (!token && evict_idle(backend)) token = environment_.budgets[backend]->acquire();
    if (token) co_return co_await open(request, std::move(token));
    if (request.only_if_free) {
      outcome.failure.error = asio::error::no_buffer_space;
      outcome.failure.detail = "all links to the backend are in use";
      co_return outcome;
    }
    // A session that merely keeps a link handy gives it up for one in need.
    const Yield yielded = relieve(backend);
    if (yielded == Yield::now) continue;
    if (Clock::now() >= request.until) {
      outcome.failure.error = asio::error::timed_out;
      outcome.failure.refusal =
          protocol::Refusal{protocol::server_error::con_count, "08004", "Too many connections"};
      outcome.failure.detail = "all links to the backend are in use";
      co_return outcome;
    }
    if (yielded == Yield::nothing) environment_.ask_others(backend);
    Waiter waiter(executor_);
    waiter.backend = backend;
    const auto at = waiters_.insert(waiters_.end(), &waiter);
    auto look = [&waiter] { waiter.ready.notify(); };
    {
      const Deadline again(executor_, std::min(request.until, Clock::now() + look_again), look);
      co_await waiter.ready.wait();
    }
    waiters_.erase(at);
  }
}

std::shared_ptr<Link> LinkPool::take_idle(const PlaceRequest& request) {
  LinkKind kind = request.kind;
  std::vector<std::shared_ptr<Link>>* best_bucket = nullptr;
  std::size_t best_index = 0;
  std::size_t best_distance = SIZE_MAX;
  for (const bool selected : {true, false}) {
    // A link without a schema can get one; never the other way round.
    if (selected && request.wanted->schema.empty()) continue;
    kind.schema_selected = selected;
    const auto bucket = idle_.find(kind);
    if (bucket == idle_.end()) continue;
    std::vector<std::shared_ptr<Link>>& links = bucket->second;
    std::erase_if(links, [](const auto& link) { return link->closed(); });
    for (std::size_t i = links.size(), seen = 0; i-- > 0 && seen < compared; ++seen) {
      const std::size_t steps = distance(links[i]->image, *request.wanted);
      if (steps >= best_distance) continue;
      best_bucket = &links;
      best_index = i;
      best_distance = steps;
      if (steps == 0) break;
    }
  }
  if (best_bucket == nullptr) return nullptr;
  auto link = std::move((*best_bucket)[best_index]);
  best_bucket->erase(best_bucket->begin() + static_cast<std::ptrdiff_t>(best_index));
  return link;
}

Yield LinkPool::relieve(std::size_t backend) {
  if (evict_idle(backend)) return Yield::now;
  for (auto at = holders_.begin(); at != holders_.end(); ++at) {
    const Yield yielded = (*at)->yield_link(backend);
    if (yielded == Yield::nothing) continue;
    // The next one in need asks another session first.
    holders_.splice(holders_.end(), holders_, at);
    return yielded;
  }
  return Yield::nothing;
}

bool LinkPool::evict_idle(std::size_t backend) {
  for (auto& [kind, links] : idle_) {
    if (kind.backend != backend || links.empty()) continue;
    links.front()->close();
    links.erase(links.begin());
    return true;
  }
  return false;
}

Task<PlaceOutcome> LinkPool::open(PlaceRequest& request, std::shared_ptr<void> token) {
  const std::size_t backend = request.kind.backend;
  const config::Backend& settings = environment_.settings->backends[backend];
  OpenRequest open_request;
  open_request.backend = backend;
  open_request.address = settings.address;
  open_request.tls = settings.tls;
  open_request.tls_context = environment_.tls[backend];
  open_request.role = request.kind.role;
  open_request.user = request.kind.user;
  open_request.password = request.password;
  open_request.capabilities = request.kind.capabilities;
  open_request.collation = request.kind.collation;
  open_request.watch = environment_.watch;
  open_request.deadline = environment_.settings->pool.login_timeout;
  OpenOutcome opened = co_await open_link(executor_, std::move(open_request),
                                          *environment_.counters.backends[backend]);
  PlaceOutcome outcome;
  if (!opened.link) {
    add(environment_.counters.backends[backend]->link_errors);
    outcome.failure = std::move(opened.failure);
    co_return outcome;
  }
  if (closed_) {
    // Nobody would close it later, and its read loop would keep the worker alive.
    opened.link->close();
    outcome.failure = closed_failure();
    co_return outcome;
  }
  opened.link->budget_token = std::move(token);
  std::erase_if(all_, [](const auto& link) { return link.expired(); });
  all_.push_back(opened.link);
  outcome.place = Place(*this, request.kind, std::move(opened.link));
  co_return outcome;
}

bool LinkPool::reusable(const Link& link, Clock::time_point now) const {
  return link.quiet() && !link.dirty && link.kills_pending == 0 && current(link, now);
}

bool LinkPool::current(const Link& link, Clock::time_point now) const {
  if (closed_ || link.closed()) return false;
  if (link.opened_at() <= retired_at_[link.backend()]) return false;
  const auto max_age = environment_.settings->pool.max_age;
  return max_age.count() == 0 || now - link.opened_at() < max_age;
}

void LinkPool::give_back(LinkKind kind, std::shared_ptr<Link> link) noexcept {
  if (!link) return;
  const std::size_t backend = link->backend();
  const auto now = Clock::now();
  if (reusable(*link, now)) {
    kind.schema_selected = !link->image.schema.empty();
    link->idle_since = now;
    idle_[std::move(kind)].push_back(std::move(link));
  } else {
    link->close();
    link.reset();
  }
  wake(backend);
}

void LinkPool::wake(std::size_t backend) {
  for (Waiter* waiter : waiters_) {
    if (waiter->backend != backend || waiter->ready.signalled()) continue;
    waiter->ready.notify();
    return;
  }
}

void LinkPool::add_holder(LinkHolder& holder) { holders_.push_back(&holder); }

void LinkPool::remove_holder(LinkHolder& holder) { holders_.remove(&holder); }

void LinkPool::retire(std::size_t backend) {
  retired_at_[backend] = Clock::now();
  for (auto& [kind, links] : idle_) {
    if (kind.backend != backend) continue;
    for (auto& link : links) link->close();
    links.clear();
  }
}

void LinkPool::cut(std::size_t backend) {
  retire(backend);
  for (const auto& weak : all_) {
    const auto link = weak.lock();
    if (link && link->backend() == backend) link->close(asio::error::timed_out);
  }
}

void LinkPool::sweep(Clock::time_point now) {
  const auto idle_timeout = environment_.settings->pool.idle_timeout;
  for (auto& [kind, links] : idle_) {
    std::erase_if(links, [&](const std::shared_ptr<Link>& link) {
      const bool ends = !reusable(*link, now) ||
                        (idle_timeout.count() != 0 && now - link->idle_since > idle_timeout);
      if (ends) link->close();
      return ends;
    });
  }
  std::erase_if(idle_, [](const auto& bucket) { return bucket.second.empty(); });
  std::erase_if(all_, [](const auto& link) { return link.expired(); });
}

void LinkPool::close_all() {
  closed_ = true;
  idle_.clear();
  for (const auto& weak : all_)
    if (const auto link = weak.lock()) link->close();
  for (Waiter* waiter : waiters_) waiter->ready.notify();
}

std::size_t LinkPool::idle_count() const noexcept {
  std::size_t count = 0;
  for (const auto& [kind, links] : idle_) count += links.size();
  return count;
}

}  // namespace sluice::proxy
