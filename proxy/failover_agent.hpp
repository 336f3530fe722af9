/// Watches the topology and acts on it: the only one who starts a failover.
///
/// In mode "promote" a thread of its own asks the planner at every new snapshot and
/// has the executor carry out what it says; one plan at a time. In the other modes it
/// only answers what would be done.
///
/// The state file is read at construction (StartupError if it is damaged): the elected
/// primary is appointed before the first snapshot, and a plan that broke off is
/// resumed once every backend has been seen or given up.
///
/// Lifetime: stop() before Monitor, workers and the control context go.
/// Thread: construction, start(), stop(), topology_changed() on the control thread;
/// the rest from anywhere.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "proxy/failover_state.hpp"
#include "routing/failover.hpp"

namespace sluice::proxy {

/// What the agent needs of the process.
struct FailoverLinks {
  std::function<std::shared_ptr<const routing::Topology>()> topology;
  std::function<void(std::function<void()>)> on_control;              ///< runs it there, later
  std::function<void(const std::string& appointed, bool held)> rule;  ///< control thread
  std::function<void(const std::string& backend)> probe_now;          ///< control thread
  std::function<bool()> first_round_done;                             ///< control thread
  std::function<std::size_t(std::size_t backend)> open_transactions;
  std::function<std::uint64_t(std::size_t backend)> in_flight;
  std::function<std::uint64_t(std::size_t backend)> answered;     ///< grows with replies
  std::function<std::uint64_t(std::size_t backend)> link_errors;  ///< grows with lost links
  std::function<routing::GtidSet()> acknowledged;
  std::function<void(const routing::GtidSet&)> forget_acknowledged;
};

/// For SHOW FAILOVER.
struct FailoverReport {
  std::string mode;
  std::string doing;  ///< the step under way; empty: none
  std::string appointed;
  std::string trouble;  ///< why it cannot act, if it cannot
  std::vector<Deposed> deposed;
  std::vector<std::string> privileges;  ///< by backend; empty: it has all. None: not checked
  std::vector<HistoryRow> history;
};

class FailoverAgent {
 public:
  FailoverAgent(std::shared_ptr<const config::Settings> settings, FailoverLinks links);
  ~FailoverAgent();
  FailoverAgent(const FailoverAgent&) = delete;
  FailoverAgent& operator=(const FailoverAgent&) = delete;

  /// Appoints whom the state file names.
  void start();
  void stop();
  /// A snapshot that matters was published.
  void topology_changed();

  /// What it would do now: about the present state of things, or, if all is well,
  /// about the loss of the primary.
  [[nodiscard]] routing::Plan dry_run() const;
  /// Starts a switchover, unless the plan that is returned says why not.
  [[nodiscard]] routing::Plan switchover(std::string_view target, std::string by);
  [[nodiscard]] FailoverReport report() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::proxy
