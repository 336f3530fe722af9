/// Where a statement goes, and why: first match wins.
///
/// A pure function of the statement, what the session is bound by, the latest
/// topology and the load. Nothing here waits; a decision may say `wait`.
///
///   rule                                        → target         reason
///   the session holds a link it must not leave  → that link      in_transaction, pinned, …
///   a read-only transaction begins, and its
///     reads lock nothing                        → a replica      read_only_transaction
///   not a pure read, or hinted `primary`        → the primary    write, hint_primary, …
///   the session's own write is not known to be
///     on any replica that could serve           → the primary    own_write
///   a replica may serve                         → the best one   plain_read
///   none may                                    → the primary    no_replica, all_lagging
///   there is no primary                         → wait / any replica that is alive
///   a switchover holds writes                   → wait, for what may write; but what
///     is under way in a transaction or on a pinned link goes on
///
/// The Reason is the test's expectation, the metric's label, the log's word and
/// the admin's column.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "routing/balancer.hpp"
#include "routing/statement.hpp"
#include "routing/topology.hpp"

namespace sluice::routing {

enum class Reason : std::uint8_t {
  plain_read,             ///< a replica may serve it
  read_only_transaction,  ///< START TRANSACTION READ ONLY: one replica, begin to end
  in_transaction,         ///< stays where its transaction is
  autocommit_off,         ///< autocommit is 0: a transaction has begun
  pinned,                 ///< the session's state lives on one link
  previous_statement,     ///< speaks of the statement before it: same link
  write,                  ///< not proven to be a pure read
  hint_primary,           ///< the statement's comment asks for the primary
  own_write,              ///< no replica is known to have this session's last write
  no_replica,             ///< no replica may serve reads now
  lagging,                ///< replicas are there, but behind the bound
  no_primary,             ///< read: a replica serves although it would rather not; write: waits
  misrouted,              ///< a replica refused it as a write; run again on the primary
  moved,                  ///< its link was lost; run again elsewhere
};
inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::moved) + 1;
[[nodiscard]] std::string_view to_string(Reason reason) noexcept;

enum class Target : std::uint8_t {
  held,     ///< the link that the session holds
  primary,  ///< `Decision::backend`
  replica,  ///< `Decision::backend`
  wait,     ///< nobody may serve it now; ask again when the topology changes
};

struct Decision {
  Target target = Target::wait;
  std::size_t backend = 0;  ///< index in the topology; meaningless for held and wait
  Reason reason = Reason::write;
};

/// What binds a session, as far as routing goes.
struct Bonds {
  bool in_transaction = false;
  bool autocommit_off = false;
  bool pinned = false;                ///< state that cannot be replayed
  bool serializable = false;          ///< isolation level: reads inside a transaction lock rows
  bool holds_link = false;            ///< a link is held, softly or not
  const GtidSet* required = nullptr;  ///< own writes; null: none. Borrowed.
  /// A write whose GTID was not learnt ended (or was lost) then: replicas must
  /// have what the primary had at a later moment.
  std::optional<TimePoint> unknown_write;
};

struct RoutePolicy {
  milliseconds max_lag{1000};
  /// A backend's own bound, by index, which goes before the other; may be shorter
  /// than the list of backends. Borrowed.
  std::span<const std::optional<milliseconds>> backend_max_lag;
  bool read_your_writes = true;
  bool share_reads_with_primary = false;  ///< the primary takes its part of plain reads
};

/// The load of a backend as the balancer sees it.
struct Load {
  std::uint32_t in_flight = 0;
  double latency_us = 0;
};

struct RouteInput {
  const Statement& statement;
  const Bonds& bonds;
  const Topology& topology;
  std::span<const Load> load;  ///< by backend index
  const RoutePolicy& policy;
  TimePoint now;
  std::uint64_t seed = 0;
  /// Bit i set: backend i has just failed this very statement; not again.
  std::uint64_t avoid = 0;
};

[[nodiscard]] Decision route(const RouteInput& input) noexcept;

}  // namespace sluice::routing
