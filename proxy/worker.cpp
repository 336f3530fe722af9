#include "proxy/worker.hpp"

#include <algorithm>
#include <future>

#include "proxy/client_session.hpp"
#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

constexpr std::chrono::seconds housekeeping_interval{1};

/// A backend in use that no longer answers, or no longer is what it was.
bool must_be_cut(const routing::Topology& after, std::size_t backend) {
  const routing::BackendView& view = after.backends[backend];
  if (view.health.state != routing::Health::down || view.health_distrusted) return false;
  // What a lost primary has under way is cut once there is another: until then
  // it may come back, and the outcome of a write may yet be known.
  const bool was_primary = after.last_primary == view.name;
  return !was_primary || after.primary.has_value();
}

}  // namespace

Worker::Worker(std::size_t index, std::size_t workers, Shared& shared)
    : index_(index),
      shared_(shared),
      work_(context_.get_executor()),
      socket_watch_(context_.get_executor()),
      pool_(context_.get_executor(),
            {shared.settings, shared.counters, shared.budgets, shared.backend_tls,
             [this](std::size_t backend) { shared_.ask_for_relief(index_, backend); },
             &socket_watch_}),
      shared_links_(context_.get_executor(), pool_, shared.counters),
      topology_(shared.topology),
      routines_(shared.routines.published()),
      random_(std::random_device{}()),
      digests_(static_cast<std::size_t>(shared.settings->limits.digest_memory.bytes) / workers,
               shared.settings->backends.size()),
      load_(shared.settings->backends.size()) {
  for (const config::Backend& backend : shared.settings->backends)
    backend_max_lag_.push_back(backend.max_lag);
}

Worker::~Worker() {
  stop();
  join();
}

void Worker::start() {
  asio::co_spawn(context_.get_executor(), housekeeping(), rethrow);
  socket_watch_.start();
  thread_ = std::thread([this] { context_.run(); });
}

void Worker::adopt(Socket::native_handle_type handle, asio::generic::stream_protocol protocol,
                   std::shared_ptr<SessionRecord> record, protocol::Channel channel) {
  session_count_.fetch_add(1, std::memory_order_relaxed);
  auto begin = [this, handle, protocol, record = std::move(record), channel]() mutable {
    Socket socket(executor());
    error_code error;
    socket.assign(protocol, handle, error);
    sessions_.push_front(
        std::make_unique<ClientSession>(*this, std::move(socket), std::move(record), channel));
    const auto at = sessions_.begin();
    if (stopping_ || error) (*at)->close();
    auto ended = [this, at](std::exception_ptr exception) {
      rethrow(exception);
      end_session(at);
    };
    asio::co_spawn(executor(), (*at)->run(), std::move(ended));
  };
  asio::post(context_, std::move(begin));
}

void Worker::end_session(std::list<std::unique_ptr<ClientSession>>::iterator at) {
  if ((*at)->visitors > 0) {
    // A KILL still looks at it; it will be the one to end it.
    auto again = [this, at] { end_session(at); };
    asio::post(context_, std::move(again));
    return;
  }
  sessions_.erase(at);
  session_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::topology_changed(std::shared_ptr<const routing::Topology> before,
                              std::shared_ptr<const routing::Topology> after) {
  auto apply = [this, before = std::move(before), after = std::move(after)] {
    for (std::size_t i = 0; i < after->backends.size(); ++i) {
      const bool known = i < before->backends.size();
      if (known && before->backends[i].role != after->backends[i].role) pool_.retire(i);
      const bool was_down = known && must_be_cut(*before, i);
      if (!was_down && must_be_cut(*after, i)) pool_.cut(i);
      if (after->backends[i].admin.state == routing::AdminState::offline) pool_.retire(i);
    }
    for (Event* waiter : topology_waiters_) waiter->notify();
  };
  asio::post(context_, std::move(apply));
}

Task<bool> Worker::topology_change(Clock::time_point until) {
  Event event(executor());
  const auto at = topology_waiters_.insert(topology_waiters_.end(), &event);
  auto late = [&event] { event.notify(); };
  const Deadline deadline(executor(), until, late);
  co_await event.wait();
  topology_waiters_.erase(at);
  co_return !deadline.late();
}

void Worker::kill(std::uint32_t session, KillScope scope) {
  auto visit = [this, session, scope] {
    const auto at = std::find_if(sessions_.begin(), sessions_.end(),
                                 [&](const auto& one) { return one->id() == session; });
    if (at == sessions_.end()) return;
    ClientSession* victim = at->get();
    ++victim->visitors;
    auto done = [victim](std::exception_ptr exception) {
      --victim->visitors;
      rethrow(exception);
    };
    asio::co_spawn(executor(), victim->kill(scope), std::move(done));
  };
  asio::post(context_, std::move(visit));
}

void Worker::relieve(std::size_t backend) {
  auto give = [this, backend] { pool_.relieve(backend); };
  asio::post(context_, std::move(give));
}

void Worker::visit_digests(std::function<void(routing::DigestTable&)> visit) {
  auto look = [this, visit = std::move(visit)] { visit(digests_); };
  asio::post(context_, std::move(look));
}

void Worker::drain() {
  auto begin = [this] {
    draining_ = true;
    for (const auto& session : sessions_) session->drain();
  };
  asio::post(context_, std::move(begin));
}

void Worker::stop() {
  auto end = [this] {
    if (stopping_) return;
    stopping_ = draining_ = true;
    for (const auto& session : sessions_) session->close();
    pool_.close_all();
    socket_watch_.stop();
    if (housekeeping_timer_) housekeeping_timer_->cancel();
    work_.reset();
  };
  asio::post(context_, std::move(end));
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

std::span<const routing::Load> Worker::load() {
  for (std::size_t i = 0; i < load_.size(); ++i) {
    const BackendCounters& counters = *shared_.counters.backends[i];
    load_[i] = {static_cast<std::uint32_t>(read(counters.in_flight)),
                static_cast<double>(read(counters.latency_us))};
  }
  return load_;
}

Task<> Worker::housekeeping() {
  housekeeping_timer_ = std::make_unique<Timer>(executor());
  while (!stopping_) {
    housekeeping_timer_->expires_after(housekeeping_interval);
    auto [error] = co_await housekeeping_timer_->async_wait(use_result);
    if (error || stopping_) break;
    shared_links_.sweep(Clock::now());
    pool_.sweep(Clock::now());
    if (draining_)
      for (const auto& session : sessions_) session->drain();
  }
}

}  // namespace sluice::proxy
