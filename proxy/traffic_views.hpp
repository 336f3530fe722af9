/// What SHOW DECISIONS, LATENCY and ROUTE HISTORY answer with. Pure.
///
/// Column names are an interface: add, don't rename. *_us in microseconds.
#pragma once

#include "proxy/admin_views.hpp"

namespace sluice::proxy {

/// Statements by reason, with what the reason means.
[[nodiscard]] AdminTable decisions_table(const AdminFilter& filter, const Counters& counters);

/// Since the start: of statements by class, as clients see them, and of replies by
/// backend. Quantiles are estimates within the buckets of latency.hpp.
[[nodiscard]] AdminTable latency_table(const AdminFilter& filter, const Counters& counters,
                                       const routing::Topology& topology);

inline constexpr std::size_t most_route_rows = 100;

/// The last decisions of these sessions, newest first, `most_route_rows` at most.
/// The filter is of users.
[[nodiscard]] AdminTable route_history_table(const AdminFilter& filter, const Sessions& sessions,
                                             const routing::Topology& topology, Moment now);

}  // namespace sluice::proxy
