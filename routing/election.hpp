/// Which backend takes the writes: at most one (P5). The rules are told in
/// topology.hpp; this is their only place in code. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "routing/replication_graph.hpp"
#include "routing/topology.hpp"

namespace sluice::routing {

struct Election {
  std::optional<std::size_t> primary;
  PrimaryReason reason = PrimaryReason::nothing_seen;
  std::vector<std::size_t> writers;  ///< all that are up and writable, whoever they are
};

/// What an election has to go by. Borrowed for the call.
struct ElectionFacts {
  const std::vector<BackendView>& backends;  ///< membership filled in from the last snapshot
  const ReplicationGraph& graph;
  std::optional<std::size_t> present;    ///< the present primary, if it is still the same server
  std::optional<std::size_t> appointed;  ///< nobody else may; nullopt: anybody may
  const GtidSet* past = nullptr;         ///< what the last primary had; nullptr: there was none
  bool cold_start = false;               ///< there has never been a primary
  bool fail_open = false;
};

[[nodiscard]] Election elect(const ElectionFacts& facts);

/// True if GTIDs show that this backend has a past in common with `past`.
/// Unknown GTIDs prove nothing good (P8), and neither does an empty set.
[[nodiscard]] bool is_related(const BackendView& backend, const GtidSet& past) noexcept;

}  // namespace sluice::routing
