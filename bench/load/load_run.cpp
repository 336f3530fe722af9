#include "bench/load/load_run.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace sluice::load {

namespace {

constexpr std::chrono::seconds grace{2};
constexpr std::size_t scratch_size = 256 * 1024;

double seconds_of(timeval time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double seconds_between(Clock::time_point from, Clock::time_point until) {
  return std::chrono::duration<double>(until - from).count();
}

}  // namespace

Usage usage_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {seconds_of(usage.ru_utime), seconds_of(usage.ru_stime), usage.ru_nvcsw, usage.ru_nivcsw};
}

LoadRun::LoadRun(const Options& options)
    : options_(options),
      fast_(options, options.sql),
      slow_(options, options.slow_sql),
      scratch_(scratch_size) {}

LoadRun::~LoadRun() {
  if (epoll_ >= 0) close(epoll_);
}

Figures LoadRun::run() {
  log_in();
  start_ = Clock::now();
  measure_from_ = start_ + options_.warmup;
  measure_until_ = measure_from_ + options_.measured;
  last_ = measure_until_ + grace;
  if (!open_loop())
    for (const auto& connection : connections_) send(*connection, Clock::now());
  else
    for (const auto& connection : connections_) idle_.push_back(connection.get());
  for (;;) {
    const Clock::time_point now = Clock::now();
    if (phase_ == Phase::warmup && now >= measure_from_) enter(Phase::measured, now);
    if (phase_ == Phase::measured && now >= measure_until_) enter(Phase::grace, now);
    if (open_loop()) send_what_is_due(now);
    const bool all_sent = !open_loop() || due_of(next_statement_) >= measure_until_;
    if (phase_ == Phase::grace && (now >= last_ || (busy_ == 0 && all_sent))) {
      count_unfinished(now);
      break;
    }
    if (figures_.lost_connections == connections_.size())
      throw ConnectError("all connections are lost: " + figures_.first_error);
    wait(now);
  }
  return figures_;
}

void LoadRun::log_in() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw ConnectError("epoll_create1 failed");
  const Clock::time_point begin = Clock::now();
  std::vector<Workload*> workloads{&fast_};
  if (options_.slow_share > 0) workloads.push_back(&slow_);
  for (unsigned i = 0; i < options_.connections + options_.idle; ++i) {
    const bool silent = i >= options_.connections;
    auto connection =
        std::make_unique<Connection>(options_, silent ? std::vector<Workload*>{} : workloads);
    if (silent) {
      silent_.push_back(std::move(connection));
      continue;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->descriptor(), &event) != 0)
      throw ConnectError("epoll_ctl failed");
    connections_.push_back(std::move(connection));
  }
  figures_.login_seconds = seconds_between(begin, Clock::now());
}

void LoadRun::enter(Phase phase, Clock::time_point now) {
  phase_ = phase;
  if (phase == Phase::measured) {
    measure_from_ = now;
    // Who accounts for other processes reads their clocks at these two words.
    std::fputs("measuring\n", stderr);
    usage_before_ = usage_now();
    return;
  }
  const Usage after = usage_now();
  std::fputs("measured\n", stderr);
  figures_.seconds = seconds_between(measure_from_, now);
  figures_.usage = after - usage_before_;
}

Clock::time_point LoadRun::due_of(std::uint64_t statement) const noexcept {
  return start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                      static_cast<double>(statement) / options_.rate));
}

bool LoadRun::next_is_slow() noexcept {
  slow_due_ += options_.slow_share;
  if (slow_due_ < 1) return false;
  slow_due_ -= 1;
  return true;
}

void LoadRun::send(Connection& connection, Clock::time_point due) {
  if (connection.send(due, next_is_slow() ? 1 : 0))
    ++busy_;
  else
    lose(connection);
}

void LoadRun::send_what_is_due(Clock::time_point now) {
  while (!idle_.empty()) {
    const Clock::time_point due = due_of(next_statement_);
    if (due > now || due >= measure_until_) return;
    Connection& connection = *idle_.front();
    idle_.pop_front();
    ++next_statement_;
    send(connection, due);
  }
}

void LoadRun::wait(Clock::time_point now) {
  Clock::time_point until = phase_ == Phase::warmup     ? measure_from_
                            : phase_ == Phase::measured ? measure_until_
                                                        : last_;
  if (open_loop() && !idle_.empty() && due_of(next_statement_) < measure_until_)
    until = std::min(until, due_of(next_statement_));
  const auto left = std::max(Clock::duration::zero(), until - now);
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec timeout{whole.count(), (left - whole).count()};
  epoll_event events[256];
  const int ready = epoll_pwait2(epoll_, events, std::size(events), &timeout, nullptr);
  if (ready < 0 && errno != EINTR) throw ConnectError("epoll_pwait2 failed");
  for (int i = 0; i < ready; ++i) take(*static_cast<Connection*>(events[i].data.ptr));
}

void LoadRun::take(Connection& connection) {
  const bool was_busy = connection.busy();
  const Connection::Outcome outcome = connection.receive(scratch_);
  if (outcome == Connection::Outcome::pending) return;
  if (was_busy) --busy_;
  settle(connection, outcome, Clock::now());
}

bool LoadRun::counts(Clock::time_point due, Clock::time_point now) const noexcept {
  if (open_loop()) return due >= start_ + options_.warmup && due < measure_until_;
  return phase_ == Phase::measured && now < measure_until_;
}

void LoadRun::settle(Connection& connection, Connection::Outcome outcome, Clock::time_point now) {
  if (outcome == Connection::Outcome::lost) return lose(connection);
  const bool refused = outcome == Connection::Outcome::refused;
  if (refused && figures_.first_error.empty()) figures_.first_error = connection.error();
  if (phase_ == Phase::measured) ++figures_.replies;
  if (counts(connection.due(), now)) {
    auto& latency = connection.workload() == 0 ? figures_.latency : figures_.slow_latency;
    latency.record(now - connection.due());
    ++(refused ? figures_.errors : figures_.statements);
    figures_.rows += connection.rows();
    figures_.bytes += connection.bytes();
  }
  if (open_loop())
    idle_.push_back(&connection);
  else if (now < measure_until_)
    send(connection, now);
}

void LoadRun::lose(Connection& connection) {
  if (figures_.first_error.empty()) figures_.first_error = connection.error();
  ++figures_.errors;
  ++figures_.lost_connections;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.descriptor(), nullptr);
  std::erase(idle_, &connection);
}

void LoadRun::count_unfinished(Clock::time_point now) {
  const auto count = [&](Clock::time_point due, Histogram& latency) {
    if (due < measure_from_ || due >= measure_until_) return;
    ++figures_.unfinished;
    latency.record(now - due);
  };
  for (const auto& connection : connections_) {
    if (!connection->busy()) continue;
    count(connection->due(),
          connection->workload() == 0 ? figures_.latency : figures_.slow_latency);
  }
  if (!open_loop()) return;
  for (; due_of(next_statement_) < measure_until_; ++next_statement_)
    count(due_of(next_statement_), figures_.latency);
}

}  // namespace sluice::load
