/// What has been counted: relaxed atomics, summed and shown by the control plane.
///
/// `BackendCounters` also carries the load that the balancer compares, hence one
/// set for all workers. Decisions never depend on an exact value.
/// Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/latency.hpp"
#include "routing/router.hpp"

namespace sluice::proxy {

using Count = std::atomic<std::uint64_t>;

inline void add(Count& count, std::uint64_t n = 1) noexcept {
  count.fetch_add(n, std::memory_order_relaxed);
}
inline void subtract(Count& count, std::uint64_t n = 1) noexcept {
  count.fetch_sub(n, std::memory_order_relaxed);
}
[[nodiscard]] inline std::uint64_t read(const Count& count) noexcept {
  return count.load(std::memory_order_relaxed);
}

struct BackendCounters {
  Count in_flight{0};       ///< commands sent whose reply is not complete
  Count links{0};           ///< open or being opened
  Count links_opened{0};    ///< ever
  Count link_errors{0};     ///< links that could not be opened or died in use
  Count reads{0};           ///< statements served as reads
  Count writes{0};          ///< everything else
  Count answered{0};        ///< exchanges whose reply is complete
  Count bytes_received{0};  ///< of replies
  Count latency_us{0};      ///< EWMA of reply times
  Latency replies;          ///< from a command sent to the end of its reply
};

struct Counters {
  explicit Counters(std::size_t backend_count) : backends(backend_count) {
    for (auto& backend : backends) backend = std::make_unique<BackendCounters>();
  }

  std::vector<std::unique_ptr<BackendCounters>> backends;  ///< by Topology index
  std::array<Count, routing::reason_count> decisions{};    ///< by Reason
  Count clients_connected{0};                              ///< now
  Count clients_accepted{0};                               ///< ever
  Count clients_refused{0};                                ///< limit or failed login
  Count statements{0};
  Count misroutes{0};         ///< a replica refused what was taken for a read
  Count reads_shared{0};      ///< reads served on a link that several sessions use
  Count reads_moved{0};       ///< reads run again elsewhere after a link was lost
  Count writes_held{0};       ///< statements that had to wait for a primary
  Count outcomes_unknown{0};  ///< writes lost in flight
  Count state_checks{0};      ///< links whose state was read back (session.verify_every)
  Count state_mismatches{0};  ///< of these, links that were not in the state of their image
  Count state_syncs{0};       ///< SET/USE exchanges sent ahead of a statement

  /// From a command's arrival to its answer, waiting included.
  [[nodiscard]] Latency& took(routing::Access access) noexcept {
    return access == routing::Access::read ? reads_took : writes_took;
  }
  Latency reads_took;
  Latency writes_took;  ///< everything else
};

}  // namespace sluice::proxy
