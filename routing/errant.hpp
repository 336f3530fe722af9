/// What a backend has executed that another lacks and will never replicate to it.
///
/// On MySQL that is a difference of sets. On MariaDB a position hides it: an old
/// primary that stood at 0-1-105 when its successor began at 0-1-100 seems to be
/// contained in the successor's 0-2-120, and is not. There the last transaction of
/// each domain, and the last that the backend wrote itself, must be found in the
/// other's `gtid_binlog_state` under the same server id.
///
/// Unknown is the worst case (P8): what a MariaDB cannot show in its binary log,
/// because the log was reset or it was set up from a copy, counts as lacking.
///
/// Both return nullopt if either side's GTIDs are not known, or their engines differ.
/// The transactions come as a set; on MariaDB the last of each domain stands for all.
/// Source: MariaDB knowledge base, "gtid_binlog_state"; traps.md, 30 and 32.
#pragma once

#include <optional>

#include "routing/topology.hpp"

namespace sluice::routing {

/// What `backend` has and `primary` lacks: why a returned primary may not rejoin.
[[nodiscard]] std::optional<GtidSet> missing_from(const Observation& primary,
                                                  const Observation& backend);

/// What `backend` has that cannot have come from `primary`, which may have been seen
/// a moment earlier: transactions that the primary wrote since do not count.
[[nodiscard]] std::optional<GtidSet> errant_beside(const Observation& primary,
                                                   const Observation& backend);

}  // namespace sluice::routing
