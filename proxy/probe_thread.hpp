/// Probes one backend again and again, on a thread of its own.
///
/// Between probes it watches the connection: a backend that dies or shuts down
/// closes it, and the next probe begins at once. `probe_now` begins one at once
/// too. Two probes never begin within `min_gap`.
///
/// Each round is told twice, from the probe's thread: that it began, and what it
/// saw. Whoever listens must watch the clock in between, for a round may hang in
/// name resolution. After request_stop() nothing is told any more.
///
/// Thread: every member function may be called from anywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "proxy/probe.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

struct ProbePace {
  static constexpr std::chrono::milliseconds min_gap{20};

  std::chrono::milliseconds interval;          ///< from the start of one to the start of the next
  std::chrono::milliseconds suspect_interval;  ///< the same while in doubt
  std::chrono::milliseconds timeout;           ///< of one, connecting included
};

class ProbeThread {
 public:
  /// Rounds count from 1.
  struct Listener {
    std::function<void(std::uint64_t round, routing::TimePoint at)> began;
    std::function<void(std::uint64_t round, routing::Observation seen)> ended;
  };

  ProbeThread(SqlTarget target, ProbePace pace, Listener listener);
  ~ProbeThread();
  ProbeThread(const ProbeThread&) = delete;
  ProbeThread& operator=(const ProbeThread&) = delete;

  void probe_now() noexcept;
  void set_in_doubt(bool in_doubt) noexcept;
  /// Breaks off a round that is overdue.
  void abandon_round() noexcept;

  void request_stop() noexcept;
  /// Joins the thread. One that has not ended by `deadline` is left to itself;
  /// it touches nothing that is not its own.
  void join(routing::TimePoint deadline) noexcept;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace sluice::proxy
