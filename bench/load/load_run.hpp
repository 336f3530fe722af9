/// Drives all connections on the calling thread and counts.
///
/// Closed loop: a connection sends when it has its reply; latency counts from
/// the send. It shows what the system can do, and hides its pauses: while it
/// hangs, nothing is asked.
/// Open loop: statement k is due k/rate seconds after the start, and goes out
/// on the connection that has been idle longest. Latency counts from when it
/// was due, also if every connection was busy then: that is what corrects for
/// coordinated omission (Gil Tene, "How NOT to Measure Latency").
///
/// With a slow share, every so many-th statement is the other one: exactly that
/// share, evenly spread.
///
/// Only replies that come in the measured time count in the closed loop, only
/// statements that fell due in it in the open one. Those still unanswered after
/// a grace of two seconds are counted as `unfinished` and enter the histogram
/// with the age that they have reached.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "bench/load/connection.hpp"
#include "bench/load/figures.hpp"

namespace sluice::load {

class LoadRun {
 public:
  explicit LoadRun(const Options& options);
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;
  ~LoadRun();

  /// Once. Throws ConnectError.
  Figures run();

 private:
  enum class Phase : std::uint8_t { warmup, measured, grace };

  void log_in();
  void enter(Phase phase, Clock::time_point now);
  void send(Connection& connection, Clock::time_point due);
  [[nodiscard]] bool next_is_slow() noexcept;
  void send_what_is_due(Clock::time_point now);
  void wait(Clock::time_point now);
  void take(Connection& connection);
  void settle(Connection& connection, Connection::Outcome outcome, Clock::time_point now);
  void lose(Connection& connection);
  void count_unfinished(Clock::time_point now);
  [[nodiscard]] bool counts(Clock::time_point due, Clock::time_point now) const noexcept;
  [[nodiscard]] Clock::time_point due_of(std::uint64_t statement) const noexcept;
  [[nodiscard]] bool open_loop() const noexcept { return options_.rate > 0; }

  const Options& options_;
  Workload fast_;
  Workload slow_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> silent_;
  std::deque<Connection*> idle_;  ///< open loop: longest idle first
  std::vector<std::uint8_t> scratch_;
  Phase phase_ = Phase::warmup;
  Clock::time_point start_, measure_from_, measure_until_, last_;
  Usage usage_before_;
  std::uint64_t next_statement_ = 0;  ///< open loop: the next to send
  double slow_due_ = 0;               ///< reaches 1 when the next statement is a slow one
  unsigned busy_ = 0;
  Figures figures_;
};

}  // namespace sluice::load
