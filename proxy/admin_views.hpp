/// The tables that SHOW answers with, built from snapshots. Pure.
///
/// Column names are an interface: scripts and tests read them. Add, don't rename.
/// Units: *_ms in milliseconds; moments as UTC in ISO 8601.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings.hpp"
#include "protocol/resultset.hpp"
#include "proxy/admin_command.hpp"
#include "proxy/counters.hpp"
#include "proxy/failover_agent.hpp"
#include "proxy/session_registry.hpp"
#include "routing/digest_table.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

struct AdminTable {
  using Column = protocol::ResultSetWriter::Column;
  using Cell = protocol::ResultSetWriter::Cell;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  ///< each as long as `columns`
};

/// The same moment on both clocks: snapshots carry the steady one.
struct Moment {
  routing::TimePoint steady;
  std::chrono::system_clock::time_point wall;
};

using Sessions = std::vector<std::shared_ptr<SessionRecord>>;
using Facts = std::vector<std::pair<std::string, std::string>>;

/// Why the backend serves no reads now; empty if it does.
[[nodiscard]] std::string_view excluded(const routing::BackendView& backend,
                                        const config::Settings& settings, routing::TimePoint now);

/// `view` is one of backends, primary and replicas.
[[nodiscard]] AdminTable backends_table(AdminView view, const AdminFilter& filter,
                                        const routing::Topology& topology, const Counters& counters,
                                        const config::Settings& settings, Moment now);
[[nodiscard]] AdminTable sessions_table(const AdminFilter& filter, const Sessions& sessions,
                                        const routing::Topology& topology, Moment now);
/// `facts` come first.
[[nodiscard]] AdminTable status_table(const AdminFilter& filter, const Facts& facts,
                                      const Counters& counters, const routing::Topology& topology);
[[nodiscard]] AdminTable topology_table(const AdminFilter& filter,
                                        const routing::Topology& topology);
[[nodiscard]] AdminTable alerts_table(const AdminFilter& filter, const routing::Topology& topology);
/// `server_variables` follow the settings.
[[nodiscard]] AdminTable variables_table(const AdminFilter& filter,
                                         const config::Settings& settings,
                                         const Facts& server_variables);
[[nodiscard]] AdminTable users_table(const AdminFilter& filter, const config::Settings& settings,
                                     const Sessions& sessions);
/// One row for each digest and each backend where it has run. The filter is one
/// of texts.
[[nodiscard]] AdminTable digests_table(const AdminFilter& filter,
                                       const std::vector<routing::DigestRow>& digests,
                                       const routing::Topology& topology, Moment now);
/// `plan` is what would be done now; see AdminTarget.
[[nodiscard]] AdminTable failover_table(const AdminFilter& filter, const FailoverReport& report,
                                        const routing::Plan& plan,
                                        const routing::Topology& topology);
[[nodiscard]] AdminTable failover_history_table(const AdminFilter& filter,
                                                const FailoverReport& report);
/// The steps of a plan, and before them what led to it.
[[nodiscard]] AdminTable plan_table(const routing::Plan& plan, const routing::Topology& topology);
/// For the views that are always empty.
[[nodiscard]] AdminTable empty_table(AdminView view);
/// An empty topic lists all of them. "contents" lists them in the shape that the
/// `mysql` client shows as a list of topics. No rows: there is no such topic.
[[nodiscard]] AdminTable help_table(std::string_view topic);

}  // namespace sluice::proxy
