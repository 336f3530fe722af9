/// What is worth telling when one snapshot follows another.
///
/// Pure. `news` is for the log: one line for each change of primary, role, health,
/// admin state or alarm, with its reason, and none for a mere sample. Who may
/// serve reads depends on the present as well, so `ReadNews` follows it apart.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

struct NewsLine {
  config::LogLevel level = config::LogLevel::info;
  std::string text;
};

/// Backends are matched by index.
[[nodiscard]] std::vector<NewsLine> news(const routing::Topology& before,
                                         const routing::Topology& after);

/// True if the data plane has reason to look again at what waits or is under way.
[[nodiscard]] bool matters(const routing::Topology& before, const routing::Topology& after);

/// Tells when a backend begins or ceases to serve reads, and why. Changes that
/// `news` has told already (health, admin state, the primary's role) are not told again.
class ReadNews {
 public:
  /// `max_lag` holds each backend's bound.
  [[nodiscard]] std::vector<NewsLine> look(const routing::Topology& topology,
                                           const std::vector<std::chrono::milliseconds>& max_lag,
                                           routing::TimePoint now);

 private:
  std::vector<routing::Exclusion> told_;
};

}  // namespace sluice::proxy
