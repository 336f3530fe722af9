// Strays: writable backends that are not elected, and former primaries that return.
#include "routing/errant.hpp"
#include "routing/failover.hpp"

namespace sluice::routing {
namespace {

class Repairs {
 public:
  Repairs(const FailoverFacts& facts, const FailoverPolicy& policy, const BackendView& primary)
      : facts_(facts), policy_(policy), primary_(primary), graph_(graph_of(facts.topology)) {}

  /// Acts at most on this one backend.
  [[nodiscard]] Plan look_at(const BackendView& view) const {
    const MemberFacts member = facts_.member(view.id);
    const bool answers = view.health.state == Health::up && view.seen && view.seen->alive &&
                         view.admin.state != AdminState::offline;
    if (!answers || view.id == primary_.id) return {};
    const bool belongs = view.membership == Membership::member || member.deposed ||
                         view.standing == Exclusion::second_writer;
    if (!belongs) return {};
    const bool is_partner =
        graph_.follows(view.id, primary_.id) && graph_.follows(primary_.id, view.id);
    if (view.seen->writable() && !is_partner) return fence(view);
    if (member.quarantined) return {};
    if (member.deposed && !graph_.leads_to(view.id, primary_.id)) return readmit(view);
    if (follows_deposed(view)) return readmit(view);
    return {};
  }

 private:
  [[nodiscard]] Plan fence(const BackendView& view) const {
    Plan plan = start(PlanKind::fence, PlanReason::not_elected, view);
    plan.why = view.name + " is writable, but " + primary_.name + " is the elected primary";
    plan.steps.push_back(
        step(StepKind::fence, view, policy_.budgets.fence_stray, "it is made read-only"));
    return plan;
  }

  [[nodiscard]] bool follows_deposed(const BackendView& view) const {
    if (view.standing != Exclusion::other_source) return false;
    for (const BackendView& other : facts_.topology.backends)
      if (facts_.member(other.id).deposed && graph_.follows(view.id, other.id)) return true;
    return false;
  }

  [[nodiscard]] Plan readmit(const BackendView& view) const {
    const auto errant = missing_from(*primary_.seen, *view.seen);
    if (errant && errant->empty()) {
      const bool was_primary = facts_.member(view.id).deposed;
      Plan plan = start(PlanKind::rejoin,
                        was_primary ? PlanReason::is_contained : PlanReason::wrong_source, view);
      plan.to = primary_.id;
      plan.why = view.name + " has nothing that " + primary_.name + " lacks, and follows it again";
      plan.steps.push_back(
          step(StepKind::fence, view, policy_.budgets.fence_stray, "a replica is read-only"));
      Step follow = step(StepKind::repoint, view, policy_.budgets.repoint, "it becomes a replica");
      follow.source = primary_.id;
      plan.steps.push_back(std::move(follow));
      return plan;
    }
    Plan plan = start(PlanKind::quarantine,
                      errant ? PlanReason::has_errant : PlanReason::past_is_unknown, view);
    if (errant) plan.errant = *errant;
    plan.why =
        view.name +
        (errant
             ? " has transactions that " + primary_.name + " lacks: " + errant->to_string()
             : " may have transactions that " + primary_.name + " lacks: GTIDs cannot be compared");
    plan.steps.push_back(step(StepKind::fence, view, policy_.budgets.fence_stray,
                              "nobody writes there while it waits"));
    plan.steps.push_back(step(StepKind::quarantine, view, {},
                              "rescue what it has, then set it up anew from a copy"));
    return plan;
  }

  [[nodiscard]] Plan start(PlanKind kind, PlanReason reason, const BackendView& view) const {
    Plan plan;
    plan.kind = kind;
    plan.reason = reason;
    plan.from = view.id;
    return plan;
  }

  static Step step(StepKind kind, const BackendView& view, milliseconds budget, std::string why) {
    Step made;
    made.kind = kind;
    made.backend = view.id;
    made.budget = budget;
    made.why = std::move(why);
    return made;
  }

  const FailoverFacts& facts_;
  const FailoverPolicy& policy_;
  const BackendView& primary_;
  ReplicationGraph graph_;
};

}  // namespace

Plan plan_repair(const FailoverFacts& facts, const FailoverPolicy& policy) {
  const BackendView* primary = facts.topology.primary_view();
  if (primary == nullptr || !primary->seen || primary->health.state != Health::up) return {};
  const Repairs repairs(facts, policy, *primary);
  Plan first;
  // A fence is urgent, the rest can wait.
  for (const BackendView& view : facts.topology.backends) {
    Plan plan = repairs.look_at(view);
    if (plan.kind == PlanKind::fence) return plan;
    if (plan.acts() && !first.acts()) first = std::move(plan);
  }
  return first;
}

}  // namespace sluice::routing
