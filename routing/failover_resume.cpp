// What to do about a plan that broke off in the middle.
#include "routing/errant.hpp"
#include "routing/failover.hpp"

namespace sluice::routing {
namespace {

bool answers(const FailoverFacts& facts, std::optional<std::size_t> id) {
  if (!id || *id >= facts.topology.backends.size()) return false;
  const BackendView& view = facts.topology.backends[*id];
  return view.health.state == Health::up && view.seen && view.seen->alive;
}

}  // namespace

Plan plan_resume(const FailoverFacts& facts, const FailoverPolicy& policy, const Unfinished& goal) {
  const auto& backends = facts.topology.backends;
  const auto& budgets = policy.budgets;
  Plan plan;
  const auto add = [&plan](StepKind kind, std::optional<std::size_t> backend, milliseconds budget,
                           Necessity necessity, std::string why) {
    plan.steps.push_back({.kind = kind,
                          .backend = backend,
                          .source = std::nullopt,
                          .budget = budget,
                          .necessity = necessity,
                          .why = std::move(why)});
  };
  plan.reason = PlanReason::resumed;
  if (goal.decided) {
    if (!answers(facts, goal.to)) {
      plan.why = "the appointed primary does not answer";
      return plan;
    }
    plan.kind = goal.kind;
    plan.from = goal.from;
    plan.to = goal.to;
    plan.why = backends[*goal.to].name + " was appointed: it is made primary, and nobody else";
    add(StepKind::hold_writes, std::nullopt, {}, Necessity::essential, "as when it broke off");
    if (goal.from && answers(facts, goal.from))
      add(StepKind::fence, goal.from, budgets.fence, Necessity::essential,
          "should it be writable again");
    const bool keeps_source = goal.kind == PlanKind::flip || goal.kind == PlanKind::reopen ||
                              (goal.from && graph_of(facts.topology).follows(*goal.from, *goal.to));
    add(StepKind::appoint, goal.to, {}, Necessity::essential, "it stays appointed");
    add(keeps_source ? StepKind::open : StepKind::promote, goal.to, budgets.promote,
        Necessity::essential, "it becomes writable, if it is not");
    add(StepKind::publish, goal.to, budgets.publish, Necessity::essential, "a new epoch begins");
    add(StepKind::release, goal.to, {}, Necessity::essential, "what waited goes on");
    // Whoever follows somebody else is found and repointed as a stray.
    const auto has_more = [&](const BackendView& view) {
      const auto errant = missing_from(*backends[*goal.to].seen, *view.seen);
      return !errant || !errant->empty();
    };
    // A repoint that broke off may have left it at its old source, and stopped.
    const ReplicationGraph graph = graph_of(facts.topology);
    const auto belongs = [&](const BackendView& view) {
      return view.membership == Membership::member ||
             (view.membership == Membership::unknown && graph.has_known_source(view.id));
    };
    for (const BackendView& view : backends)
      if (view.id != *goal.to && view.id != goal.from && answers(facts, view.id) && belongs(view) &&
          !facts.member(view.id).quarantined && !has_more(view))
        add(StepKind::repoint, view.id, budgets.repoint, Necessity::best_effort,
            "it follows the new primary");
    for (Step& step : plan.steps)
      if (step.kind == StepKind::repoint) step.source = goal.to;
    return plan;
  }
  plan.why = "nothing had been decided: all goes back to what it was";
  if (goal.kind == PlanKind::switchover && answers(facts, goal.from) &&
      !backends[*goal.from].seen->writable())
    add(StepKind::unfence, goal.from, budgets.fence, Necessity::essential, "it stays primary");
  for (const BackendView& view : backends) {
    if (view.id == goal.from || !answers(facts, view.id)) continue;
    for (const ReplicationSource& source : view.seen->sources)
      if (!source.io_running) {
        add(StepKind::start_receiving, view.id, budgets.repoint, Necessity::best_effort,
            "it goes on as before");
        break;
      }
  }
  if (plan.steps.empty()) return plan;
  plan.kind = PlanKind::reopen;
  plan.to = goal.from;
  add(StepKind::release, goal.from, {}, Necessity::essential, "what waited goes on");
  return plan;
}

}  // namespace sluice::routing
