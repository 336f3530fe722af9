/// All that Sluice tells Prometheus. README.md lists the metrics; a test compares.
///
/// Counters are read without a lock, so two that belong together may differ by
/// what happens in between. What is not known is +Inf where it is a lag (P8).
/// Cost: grows with backends and sessions, not with traffic.
#pragma once

#include <string>

#include "proxy/admin_target.hpp"
#include "proxy/process_facts.hpp"

namespace sluice::proxy {

[[nodiscard]] std::string metrics_text(const AdminTarget& target, const ProcessFacts& process,
                                       routing::TimePoint now);

}  // namespace sluice::proxy
