/// The last look at a primary, kept for whoever must replace it, also after a crash.
///
/// A Sluice that is started while the primary is dead has never seen it, and could not
/// tell what its successor must have. Pure.
#pragma once

#include <optional>

#include "proxy/failover_state.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

/// nullopt: its GTIDs are not known.
[[nodiscard]] std::optional<LastLook> look_at(const routing::BackendView& primary);

/// What clients were told since counts as seen.
void add_to_look(LastLook& look, const routing::GtidSet& acknowledged);

/// Lays what earlier processes knew under a snapshot: who was elected, and what it had.
void amend(routing::Topology& topology, const FailoverState& state);

}  // namespace sluice::proxy
