#include "proxy/probe_thread.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <system_error>
#include <utility>

namespace sluice::proxy {
namespace {

using routing::Clock;
using routing::TimePoint;
using std::chrono::milliseconds;

// Ends a poll(2) from another thread.
class Wake {
 public:
  Wake() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Wake() { ::close(descriptor_); }
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  void notify() noexcept { ::eventfd_write(descriptor_, 1); }
  void clear() noexcept {
    eventfd_t count = 0;
    ::eventfd_read(descriptor_, &count);
  }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

// Signals are for the control thread, and SIGPIPE for nobody.
void block_signals() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

struct ProbeThread::Shared {
  Shared(SqlTarget target, ProbePace its_pace, Listener its_listener)
      : probe(std::move(target)), pace(its_pace), listener(std::move(its_listener)) {}

  void run() {
    for (std::uint64_t round = 1; !stopping; ++round) {
      const TimePoint began = Clock::now();
      tell([&] { listener.began(round, began); });
      routing::Observation seen = probe.look(began + pace.timeout);
      tell([&] { listener.ended(round, std::move(seen)); });
      rest(began);
    }
  }

  // What is told under the lock is not told after request_stop() has returned.
  template <class Telling>
  void tell(Telling telling) {
    const std::scoped_lock lock(mutex);
    if (!stopping) telling();
  }

  // Until the next round is due, wanted, or the backend has closed the connection.
  void rest(TimePoint began) {
    while (!stopping) {
      const bool hurry = wanted;
      const milliseconds interval =
          hurry ? ProbePace::min_gap : (in_doubt ? pace.suspect_interval : pace.interval);
      const auto left = std::chrono::ceil<milliseconds>(began + interval - Clock::now());
      if (left.count() <= 0) break;
      std::array<pollfd, 2> watched{pollfd{wake.descriptor(), POLLIN, 0},
                                    pollfd{hurry ? -1 : probe.descriptor(), POLLRDHUP, 0}};
      ::poll(watched.data(), watched.size(), static_cast<int>(left.count()));
      if (watched[0].revents != 0) wake.clear();
      if (watched[1].revents != 0) wanted = true;
    }
    wanted = false;
  }

  Probe probe;
  Wake wake;
  const ProbePace pace;
  std::atomic<bool> wanted{false};
  std::atomic<bool> in_doubt{false};
  std::atomic<bool> stopping{false};

  std::mutex mutex;  // guards listener and ended
  Listener listener;
  std::condition_variable end;
  bool ended = false;
};

ProbeThread::ProbeThread(SqlTarget target, ProbePace pace, Listener listener)
    : shared_(std::make_shared<Shared>(std::move(target), pace, std::move(listener))) {
  thread_ = std::thread([shared = shared_] {
    block_signals();
    shared->run();
    const std::scoped_lock lock(shared->mutex);
    shared->ended = true;
    shared->end.notify_all();
  });
}

ProbeThread::~ProbeThread() {
  request_stop();
  join(Clock::now() + std::chrono::seconds{1});
}

void ProbeThread::probe_now() noexcept {
  shared_->wanted = true;
  shared_->wake.notify();
}

void ProbeThread::set_in_doubt(bool in_doubt) noexcept {
  if (shared_->in_doubt.exchange(in_doubt) != in_doubt) shared_->wake.notify();
}

void ProbeThread::abandon_round() noexcept { shared_->probe.interrupt(); }

void ProbeThread::request_stop() noexcept {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->probe.stop();
  shared_->wake.notify();
}

void ProbeThread::join(TimePoint deadline) noexcept {
  if (!thread_.joinable()) return;
  std::unique_lock lock(shared_->mutex);
  const bool ended = shared_->end.wait_until(lock, deadline, [this] { return shared_->ended; });
  lock.unlock();
  if (ended)
    thread_.join();
  else
    thread_.detach();
}

}  // namespace sluice::proxy
