/// Carries out a failover plan, step by step, and verifies each one at the backend.
///
/// A step that is essential and fails ends the plan: before `appoint` what was done is
/// put back (`undo`), after it the goal stays in the state file and is resumed. The
/// state is on disk before anything that cannot be taken back.
///
/// Each step has its budget; a backend that does not answer costs no more than that.
/// Thread: one that may wait, and always the same; FailoverHooks are called from it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "proxy/failover_state.hpp"
#include "routing/failover.hpp"

namespace sluice::proxy {

/// What the rest of the process does for the executor. Safe from its thread.
class FailoverHooks {
 public:
  virtual ~FailoverHooks() = default;

  [[nodiscard]] virtual std::shared_ptr<const routing::Topology> topology() const = 0;
  /// Monitor::rule; returns when the snapshot is out. False: the process is stopping.
  virtual bool rule(const std::string& appointed, bool writes_held) = 0;
  virtual void probe_now(std::size_t backend) = 0;
  /// Sessions in a transaction on this backend.
  [[nodiscard]] virtual std::size_t open_transactions(std::size_t backend) const = 0;
  /// Commands on their way to it or back.
  [[nodiscard]] virtual std::uint64_t in_flight(std::size_t backend) const = 0;
  [[nodiscard]] virtual bool stopping() const = 0;
  /// What is known now, on this topology; `drained` is the caller's to set.
  [[nodiscard]] virtual routing::FailoverFacts facts(const routing::Topology& topology) const = 0;
  /// The state, saved if `durable`. Empty: it worked.
  virtual std::string change(bool durable, const std::function<void(FailoverState&)>& how) = 0;
  /// For whoever watches: what is being done.
  virtual void progress(const std::string& words) = 0;
};

struct FailoverOutcome {
  routing::Plan plan;  ///< as it was in the end; a refusal if `choose` refused
  bool done = false;
  bool undone = false;
  std::string text;  ///< the steps with their times, or what went wrong
  std::chrono::milliseconds took{0};
  std::chrono::milliseconds held{0};  ///< from `hold_writes` to `release`
};

class FailoverExecutor {
 public:
  FailoverExecutor(std::shared_ptr<const config::Settings> settings, FailoverHooks& hooks);
  ~FailoverExecutor();
  FailoverExecutor(const FailoverExecutor&) = delete;
  FailoverExecutor& operator=(const FailoverExecutor&) = delete;

  FailoverOutcome run(routing::Plan plan, const routing::FailoverPolicy& policy);

  /// What the account lacks on each backend, in words; empty where it has all.
  [[nodiscard]] std::vector<std::string> check_privileges();

 private:
  class Run;

  std::shared_ptr<const config::Settings> settings_;
  FailoverHooks& hooks_;
};

}  // namespace sluice::proxy
