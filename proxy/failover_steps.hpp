/// What each step of a failover plan does at a backend, and how it is verified.
///
/// One StepRunner serves one plan: it keeps its connections. Results are words, empty
/// if the step was done and verified.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "proxy/backend_hand.hpp"
#include "proxy/failover_executor.hpp"

namespace sluice::proxy {

/// With which account, and how, a failover talks to a backend.
[[nodiscard]] SqlTarget failover_target(const config::Settings& settings, std::size_t backend);

class StepRunner {
 public:
  StepRunner(const config::Settings& settings, FailoverHooks& hooks)
      : settings_(settings), hooks_(hooks) {}

  [[nodiscard]] std::string agree(const routing::Step& step);
  [[nodiscard]] std::string finish_transactions(const routing::Step& step);
  [[nodiscard]] std::string read_only(const routing::Step& step, bool on);
  [[nodiscard]] std::string receive(const routing::Step& step, bool on);
  [[nodiscard]] std::string drain(const routing::Step& step);
  [[nodiscard]] std::string catch_up(const routing::Step& step);
  [[nodiscard]] std::string promote(const routing::Step& step);
  [[nodiscard]] std::string publish(const routing::Step& step);
  [[nodiscard]] std::string repoint(const routing::Step& step);

  /// What the account lacks there, in words.
  [[nodiscard]] std::string missing_rights(std::size_t backend);

  /// The topology of now with a fresh look at every backend that answers.
  [[nodiscard]] routing::Topology fresh_topology(std::chrono::milliseconds patience);

 private:
  [[nodiscard]] BackendHand& hand(std::size_t backend);
  [[nodiscard]] const std::string& name(std::size_t backend) const;
  /// Looks until `good` says so or the deadline passes; then `otherwise`, or why not.
  template <class Good>
  [[nodiscard]] std::string look_until(std::size_t backend, routing::TimePoint deadline, Good good,
                                       std::string otherwise);
  [[nodiscard]] std::string wait_applied(std::size_t backend, routing::Flavour flavour,
                                         const std::string& gtid, routing::TimePoint deadline);

  const config::Settings& settings_;
  FailoverHooks& hooks_;
  std::map<std::size_t, std::unique_ptr<BackendHand>> hands_;
};

}  // namespace sluice::proxy
