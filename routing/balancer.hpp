/// Which replica a read goes to: first who may (`verdict`), then who should (`choose`).
///
/// `verdict` is the one judge: the router asks it before a read, and `SHOW
/// BACKENDS` asks it for its column "why excluded".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "routing/clock.hpp"
#include "routing/gtid.hpp"
#include "routing/topology.hpp"

namespace sluice::routing {

/// What a read asks of the replica that serves it.
struct ReadRequirement {
  std::optional<milliseconds> max_lag;  ///< nullopt: any age will do, even unknown
  const GtidSet* required = nullptr;    ///< must have been executed; nullptr: nothing. Borrowed.
};

/// May this backend serve such a read as a replica at `now`? `Exclusion::none`
/// means yes. The first reason is told, in this order: the operator, down, role
/// and replication (`standing`), suspect, lag, GTIDs.
[[nodiscard]] Exclusion verdict(const BackendView& backend, const ReadRequirement& requirement,
                                TimePoint now) noexcept;

/// True for reasons that may be overlooked when nothing else is left and the
/// primary cannot serve either: the reply would be right, only its coming is in doubt.
[[nodiscard]] constexpr bool is_last_resort(Exclusion exclusion) noexcept {
  return exclusion == Exclusion::suspect;
}

/// A replica that may serve, with its load as the caller's worker sees it.
struct Candidate {
  std::size_t backend = 0;      ///< for the caller; not looked at
  std::uint32_t in_flight = 0;  ///< exchanges under way
  std::uint32_t weight = 1;     ///< 0: only if all have 0
  double warmth = 1.0;          ///< HealthStatus::warmth
  double latency_us = 0;        ///< EWMA of reply times in microseconds; 0: unknown
};

/// An index into `candidates`, or nullopt if there are none. The one with the
/// fewest exchanges in flight relative to weight × warmth; among equals those whose
/// latency is at most twice the best known; among these by luck, in proportion
/// to weight × warmth. `seed` is the luck; one choice in 32 overlooks latency, so
/// that an old estimate does not condemn a backend for ever.
[[nodiscard]] std::optional<std::size_t> choose(std::span<const Candidate> candidates,
                                                std::uint64_t seed) noexcept;

}  // namespace sluice::routing
