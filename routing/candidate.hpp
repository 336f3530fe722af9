/// Who could be the next primary, and who is best: by GTID, a partial order.
///
/// Of the fit, the one wins that has all that any other fit backend has. If two
/// have what the other lacks, nobody wins. Among equals: the other half of a
/// master-master pair (it needs no promotion), then the greater weight, then the
/// order of the configuration.
///
/// Before the relay logs are drained (`facts.drained`) positions still move: then
/// the choice is what is to be expected, and incomparable ones are not final.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "routing/failover_facts.hpp"
#include "routing/replication_graph.hpp"

namespace sluice::routing {

/// Why a backend can or cannot be promoted; the first that applies.
enum class Fitness {
  fit,
  lost,             ///< it is the primary that is to be replaced
  offline,          ///< set offline or to drain by the operator
  not_permitted,    ///< promote = false
  not_up,           ///< not seen, or health in doubt
  not_member,       ///< not known to replicate from the primary
  quarantined,      ///< holds transactions that the cluster does not have
  cannot_feed,      ///< no binary log of what it replicates: nobody could follow it
  applier_stopped,  ///< its SQL thread stands still, so what it received is not applied
  gtid_unknown,     ///< its GTIDs or the primary's cannot be read (P8)
  errant,           ///< has executed what did not come from the primary
};
[[nodiscard]] std::string_view to_string(Fitness fitness) noexcept;

struct Ruling {
  std::size_t backend = 0;
  Fitness fitness = Fitness::fit;
  GtidSet errant;        ///< with Fitness::errant
  bool partner = false;  ///< it and the primary replicate each other
};

struct Choice {
  std::vector<Ruling> rulings;  ///< one for each backend, by id
  std::optional<std::size_t> winner;
  bool incomparable = false;  ///< there are fit ones, but none that has it all
  /// What is known to have been committed and the winner lacks: of what the primary
  /// showed, of what clients were told, and of what any sound survivor has.
  GtidSet lacks;

  [[nodiscard]] bool partner() const { return winner && rulings[*winner].partner; }
};

/// The graph of the backends as the snapshot saw them.
[[nodiscard]] ReplicationGraph graph_of(const Topology& topology);

/// Who could follow `primary`, the id of the one that is lost or to be relieved.
[[nodiscard]] Choice choose_candidate(const FailoverFacts& facts, std::size_t primary);

}  // namespace sluice::routing
