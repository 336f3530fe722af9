/// What the admin port can see and do; implemented by App.
///
/// Thread: all of it on the control thread.
/// Lifetime: outlives the AdminServer; references are good until the next call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings.hpp"
#include "proxy/counters.hpp"
#include "proxy/failover_agent.hpp"
#include "proxy/session_registry.hpp"
#include "routing/digest_table.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// What the process is at.
enum class Phase : std::uint8_t {
  starting,  ///< not every backend has answered or failed yet
  serving,
  draining,  ///< told to stop: no new clients
};

class AdminTarget {
 public:
  virtual ~AdminTarget() = default;

  /// The latest snapshot; never null.
  [[nodiscard]] virtual std::shared_ptr<const routing::Topology> topology() const = 0;
  [[nodiscard]] virtual const Counters& counters() const = 0;
  [[nodiscard]] virtual const SessionRegistry& sessions() const = 0;
  [[nodiscard]] virtual const config::Settings& settings() const = 0;
  /// Facts for SHOW STATUS beyond the counters (uptime, workers, version …).
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> status() const = 0;

  /// What all workers have learnt of the statements, most frequent first.
  [[nodiscard]] virtual std::vector<routing::DigestRow> digests() = 0;
  /// Forgets it.
  virtual void reset_digests() = 0;

  [[nodiscard]] virtual Phase phase() const = 0;

  /// False if there is no such backend.
  virtual bool set_backend(std::string_view name, routing::AdminState state, std::string by,
                           std::string why) = 0;
  /// False if there is no such session.
  virtual bool kill(std::uint64_t session, KillScope scope) = 0;

  [[nodiscard]] virtual FailoverReport failover() const = 0;
  /// What would be done now, or if the primary were lost.
  [[nodiscard]] virtual routing::Plan failover_plan() const = 0;
  /// Starts it, unless the plan does not act: then it says why.
  [[nodiscard]] virtual routing::Plan switchover(std::string_view to, std::string by) = 0;
};

}  // namespace sluice::proxy
