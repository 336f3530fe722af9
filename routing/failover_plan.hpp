/// A failover plan: typed steps with reasons and time budgets, or a refusal.
///
/// A value that the planner (failover.hpp) makes, the admin port prints (dry run)
/// and proxy/failover_executor carries out, step by step.
///
/// Until `appoint` nothing has been decided: if an essential step fails, `undo` puts
/// back what was done. From `appoint` on there is only forward.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/candidate.hpp"

namespace sluice::routing {

enum class PlanKind {
  nothing,     ///< nothing is to be done, or nothing may be: see the reason
  promotion,   ///< the primary is lost; a replica takes its place
  flip,        ///< the other half of a master-master pair, or one that is writable already
  switchover,  ///< the operator wants another primary; the old one is alive
  reopen,      ///< the elected primary is up, but read-only, and is opened
  fence,       ///< a writable backend that is not elected is made read-only
  rejoin,      ///< a former primary becomes a replica
  quarantine,  ///< a former primary has what the cluster lacks: it is left alone, read-only
};
[[nodiscard]] std::string_view to_string(PlanKind kind) noexcept;

/// Why this plan, or why none. The word in the log, the history and the metrics.
enum class PlanReason {
  // nothing
  primary_is_well,      ///< there is nothing to do
  mode_off,             ///< failover.mode = "off"
  mode_follow,          ///< failover.mode = "follow": someone else promotes
  never_had_a_primary,  ///< who should be replaced is not known
  primary_in_doubt,     ///< suspect, and not given up yet
  primary_read_only,    ///< it lives, but takes no writes: somebody's doing, not a loss
  fail_open,            ///< everything looks dead at once: the probe is distrusted
  several_writers,      ///< more than one survivor is writable
  no_candidate,         ///< nobody fit is left
  incomparable,         ///< each candidate lacks what another has
  loss_not_allowed,     ///< committed transactions would be lost; failover.allow_loss = false
  loss_possible,        ///< nobody knows whether any would be; failover.allow_loss = false
  no_such_backend,
  is_primary_already,
  target_unfit,   ///< see its fitness
  target_behind,  ///< it is far from caught up, or its lag is unknown
  // something
  primary_lost,
  operator_asked,
  resumed,          ///< a plan had been broken off
  not_elected,      ///< writable, but not the elected primary
  is_contained,     ///< the former primary has nothing that the primary lacks
  wrong_source,     ///< it follows a former primary
  has_errant,       ///< the former primary has transactions of its own
  past_is_unknown,  ///< whether it has any cannot be told (P8)
};
[[nodiscard]] std::string_view to_string(PlanReason reason) noexcept;

enum class StepKind {
  agree,                ///< `backend` is lost by two of three votes, else a survivor is asked
  hold_writes,          ///< new writes and transactions wait
  finish_transactions,  ///< open transactions on `backend` end in their own time
  fence,                ///< `backend` becomes read-only
  stop_receiving,       ///< `backend` takes nothing more from its source
  drain,                ///< `backend` applies what it has received
  catch_up,             ///< `backend` has all that `source` has
  choose,               ///< with the facts of now, the plan is made again
  appoint,              ///< from now on nobody but `backend` may take writes: written to disk
  promote,              ///< `backend` forgets its source and becomes writable
  open,                 ///< `backend` becomes writable, and goes on replicating if it does
  publish,              ///< the data plane knows `backend` as primary: a new epoch
  release,              ///< held writes go on
  repoint,              ///< `backend` replicates from `source`
  quarantine,           ///< `backend` stays read-only and out of the cluster, for the operator
  unfence,              ///< undo: `backend` is writable again
  start_receiving,      ///< undo: `backend` follows its source again
};
[[nodiscard]] std::string_view to_string(StepKind kind) noexcept;

/// What the failure of a step means to the plan.
enum class Necessity { essential, best_effort };

struct Step {
  StepKind kind{};
  std::optional<std::size_t> backend;
  std::optional<std::size_t> source;
  milliseconds budget{0};
  Necessity necessity = Necessity::essential;
  std::string why;

  friend bool operator==(const Step&, const Step&) = default;
};

struct Plan {
  PlanKind kind = PlanKind::nothing;
  PlanReason reason = PlanReason::primary_is_well;
  std::string why;                  ///< the reason in words, with names and GTIDs
  std::optional<std::size_t> from;  ///< the primary that is replaced, or the stray
  std::optional<std::size_t> to;    ///< the next primary, or the source of the stray
  std::vector<Step> steps;
  std::vector<Step> undo;
  std::vector<Ruling> rulings;  ///< by backend id, where a candidate was looked for
  GtidSet lost;                 ///< committed, and given up by this plan; or why it is refused
  GtidSet errant;               ///< with quarantine: what only the stray has

  /// There is something to do.
  [[nodiscard]] bool acts() const noexcept { return kind != PlanKind::nothing; }
};

/// The plan as lines of text for an operator; names come from `topology`.
[[nodiscard]] std::vector<std::string> describe(const Plan& plan, const Topology& topology);

/// One step: "fence db1 (500 ms): …".
[[nodiscard]] std::string describe(const Step& step, const Topology& topology);

}  // namespace sluice::routing
