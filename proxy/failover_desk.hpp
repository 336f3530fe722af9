/// What a failover knows and what it may do to the process: state, facts, hooks.
///
/// The agent's thread, the executor on it and the control thread share it; it outlives
/// what it has posted to the control thread, which then finds it stopping.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "proxy/failover_agent.hpp"
#include "proxy/failover_executor.hpp"

namespace sluice::proxy {

class FailoverDesk final : public FailoverHooks, public std::enable_shared_from_this<FailoverDesk> {
 public:
  /// Reads the state file and writes it back, to know that it can. Throws StartupError.
  FailoverDesk(std::shared_ptr<const config::Settings> settings, FailoverLinks links);

  /// With what earlier processes knew laid under it.
  [[nodiscard]] std::shared_ptr<const routing::Topology> topology() const override;
  bool rule(const std::string& appointed, bool writes_held) override;
  void probe_now(std::size_t backend) override;
  [[nodiscard]] std::size_t open_transactions(std::size_t backend) const override {
    return links_.open_transactions(backend);
  }
  [[nodiscard]] std::uint64_t in_flight(std::size_t backend) const override {
    return links_.in_flight(backend);
  }
  [[nodiscard]] bool stopping() const override { return stopping_; }
  [[nodiscard]] routing::FailoverFacts facts(const routing::Topology& topology) const override;
  std::string change(bool durable, const std::function<void(FailoverState&)>& how) override;
  void progress(const std::string& words) override;

  [[nodiscard]] bool promotes() const;
  [[nodiscard]] std::string appointed() const;
  [[nodiscard]] const FailoverLinks& links() const noexcept { return links_; }
  /// All but `mode` and `privileges`.
  [[nodiscard]] FailoverReport report() const;
  void stop() noexcept { stopping_ = true; }

  /// Runs it on the control thread, unless we are stopping by then.
  void on_control(std::function<void(const FailoverLinks&)> what);

  std::atomic<bool> traffic_lost{false};
  /// The primary was seen by this process, or what it had is in the state file: what
  /// clients were told is known completely.
  std::atomic<bool> counted{false};

 private:
  const std::shared_ptr<const config::Settings> settings_;
  const FailoverLinks links_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  FailoverState state_;
  std::string doing_;
  std::string trouble_;
};

}  // namespace sluice::proxy
