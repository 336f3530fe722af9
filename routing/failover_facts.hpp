/// What the failover planner goes by, and the operator's will. Values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "routing/topology.hpp"

namespace sluice::routing {

/// What is known of a backend beside its place in the topology.
struct MemberFacts {
  bool may_promote = true;   ///< backend.promote
  bool deposed = false;      ///< was primary, and we put another in its place; not rejoined yet
  bool quarantined = false;  ///< deposed, and has what the primary lacks
};

/// Whether commits wait for a replica to have them.
enum class SemiSync { unknown, off, on };

/// Borrowed for the call; `members` by backend id, those missing have the defaults.
struct FailoverFacts {
  const Topology& topology;
  std::vector<MemberFacts> members;
  /// What clients were told is committed, since the primary was last probed;
  /// nullopt: nobody kept count.
  std::optional<GtidSet> acknowledged = std::nullopt;
  SemiSync semi_sync = SemiSync::unknown;
  /// Clients have had no answer from the primary since it came into doubt.
  bool traffic_lost = false;
  /// The survivors receive nothing and have applied all they had: what they show is
  /// all they will ever have. Before that a plan can only expect.
  bool drained = false;

  [[nodiscard]] MemberFacts member(std::size_t backend) const {
    return backend < members.size() ? members[backend] : MemberFacts{};
  }
};

/// How long each kind of step may take.
struct FailoverBudgets {
  milliseconds agree{1'500};
  milliseconds finish_transactions{1'000};
  milliseconds fence{1'000};
  milliseconds fence_stray{3'000};  ///< commits that wait for a replica there keep it waiting
  milliseconds fence_lost{300};  ///< of a primary that does not answer: for luck
  milliseconds stop_receiving{2'000};
  milliseconds drain{10'000};
  milliseconds catch_up{5'000};
  milliseconds promote{3'000};
  milliseconds publish{3'000};
  milliseconds repoint{5'000};
};

struct FailoverPolicy {
  config::FailoverMode mode = config::FailoverMode::follow;
  bool allow_loss = false;
  FailoverBudgets budgets;
};

}  // namespace sluice::routing
