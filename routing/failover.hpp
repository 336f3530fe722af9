/// The failover planner: from what is seen to what is to be done, and why. Pure.
///
/// `plan_now` is what the executor asks at every new snapshot: nothing while the
/// primary is well, unless a stray is to be fenced, rejoined or quarantined.
/// `plan_loss` is the same question with the answer "the primary is lost" given: the
/// dry run of FAILOVER PLAN, and the plan made again at its step `choose`.
/// `plan_switchover` is the operator's.
///
/// Loss. Known to be committed is what the primary showed at its last probe, what
/// clients were told since (`acknowledged`), and what any sound survivor has. A
/// winner that lacks some of it is taken only with `allow_loss`, and the plan lists
/// what is given up. If nobody counted and commits do not wait for a replica
/// (semi-sync), loss is possible and treated alike.
///
/// Two writers never: the old primary is fenced before the new one opens, or cannot
/// be reached; in either case `appoint` comes before `promote`, and whoever is not
/// appointed gets no writes and is fenced the moment it is seen writable.
/// The read/write half of a master-master pair is not a stray: it is left as it is.
///
/// Source: design.md, section 4; traps.md, 30 to 32.
#pragma once

#include <optional>
#include <string_view>

#include "routing/failover_facts.hpp"
#include "routing/failover_plan.hpp"

namespace sluice::routing {

/// The three votes on the death of a primary; two suffice.
struct Agreement {
  bool probe = false;     ///< our own: its health is down
  bool replicas = false;  ///< each live replica of it has lost its connection
  bool traffic = false;   ///< clients get no answers

  [[nodiscard]] bool enough() const noexcept { return probe + replicas + traffic >= 2; }
};
[[nodiscard]] Agreement votes(const FailoverFacts& facts, std::size_t primary);

[[nodiscard]] Plan plan_now(const FailoverFacts& facts, const FailoverPolicy& policy);

/// `primary` is lost; the mode is not asked. `wanted`: only this one may win.
[[nodiscard]] Plan plan_loss(const FailoverFacts& facts, const FailoverPolicy& policy,
                             std::size_t primary, std::optional<std::size_t> wanted = std::nullopt);

/// While there is no primary: the operator's way to have one all the same.
[[nodiscard]] Plan plan_switchover(const FailoverFacts& facts, const FailoverPolicy& policy,
                                   std::string_view target);

/// A plan that broke off: Sluice died or a step failed. Borrowed for the call.
struct Unfinished {
  PlanKind kind = PlanKind::nothing;
  std::optional<std::size_t> from;
  std::optional<std::size_t> to;
  bool decided = false;  ///< `to` was appointed
};

/// Forward if it was decided: `to` is opened, nobody else. Back if it was not: what
/// was fenced for a switchover is opened again, and survivors receive again. Nothing
/// while the backend in question does not answer: then `plan_now` has the word.
[[nodiscard]] Plan plan_resume(const FailoverFacts& facts, const FailoverPolicy& policy,
                               const Unfinished& goal);

/// Fences, rejoins and quarantines, one stray at a time; the primary is up.
[[nodiscard]] Plan plan_repair(const FailoverFacts& facts, const FailoverPolicy& policy);

}  // namespace sluice::routing
