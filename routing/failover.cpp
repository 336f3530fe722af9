#include "routing/failover.hpp"

#include <algorithm>
#include <utility>

#include "routing/errant.hpp"

namespace sluice::routing {
namespace {

Plan refuse(PlanReason reason, std::string why) {
  Plan plan;
  plan.reason = reason;
  plan.why = std::move(why);
  return plan;
}

bool is_live(const BackendView& view) {
  return view.health.state == Health::up && view.seen && view.seen->alive &&
         view.admin.state != AdminState::offline;
}

/// Collects the steps of a plan.
class Script {
 public:
  explicit Script(Plan& plan) : steps_(plan.steps) {}

  void add(StepKind kind, std::optional<std::size_t> backend, milliseconds budget,
           Necessity necessity, std::string why, std::optional<std::size_t> source = std::nullopt) {
    steps_.push_back({.kind = kind,
                      .backend = backend,
                      .source = source,
                      .budget = budget,
                      .necessity = necessity,
                      .why = std::move(why)});
  }

 private:
  std::vector<Step>& steps_;
};

/// Live members that are neither the old nor the new primary.
std::vector<std::size_t> others(const FailoverFacts& facts, const Choice& choice, std::size_t from,
                                std::size_t to) {
  std::vector<std::size_t> ids;
  for (const BackendView& view : facts.topology.backends) {
    const Fitness fitness = choice.rulings[view.id].fitness;
    const bool belongs = fitness == Fitness::fit || fitness == Fitness::not_permitted ||
                         fitness == Fitness::cannot_feed || fitness == Fitness::applier_stopped ||
                         fitness == Fitness::offline;
    if (view.id != from && view.id != to && belongs && is_live(view)) ids.push_back(view.id);
  }
  return ids;
}

/// The end of every plan that has a new primary.
void open_to(Script& script, const FailoverBudgets& budgets, std::size_t to, bool keeps_source) {
  script.add(StepKind::appoint, to, {}, Necessity::essential,
             "from here on nobody else may take writes, and there is no way back");
  if (keeps_source)
    script.add(StepKind::open, to, budgets.promote, Necessity::essential,
               "it is made writable and goes on replicating, if it does");
  else
    script.add(StepKind::promote, to, budgets.promote, Necessity::essential,
               "it forgets its source and becomes writable");
  script.add(StepKind::publish, to, budgets.publish, Necessity::essential,
             "seen writable by the monitor: a new epoch begins");
  script.add(StepKind::release, to, {}, Necessity::essential,
             "what waited goes to the new primary");
}

/// The rest of the cluster follows the new primary, but those that have what it lacks.
void repoint_all(Script& script, const FailoverFacts& facts, const FailoverPolicy& policy,
                 const std::vector<std::size_t>& survivors, std::size_t to) {
  const auto& backends = facts.topology.backends;
  const ReplicationGraph graph = graph_of(facts.topology);
  for (const std::size_t id : survivors) {
    const auto errant = missing_from(*backends[to].seen, *backends[id].seen);
    if (facts.drained && (!errant || !errant->empty())) {
      script.add(
          StepKind::quarantine, id, {}, Necessity::best_effort,
          "it has what the new primary lacks: " + (errant ? errant->to_string() : "unknown"));
    } else if (graph.follows(id, to) && backends[id].seen->sources.size() == 1) {
      script.add(StepKind::start_receiving, id, policy.budgets.repoint, Necessity::best_effort,
                 "it follows the new primary already");
    } else {
      script.add(StepKind::repoint, id, policy.budgets.repoint, Necessity::best_effort,
                 "it follows the new primary", to);
    }
  }
}

std::string words_of(const Agreement& agreement) {
  const auto word = [](bool vote) { return vote ? "lost" : "not sure"; };
  return std::string("own probe: ") + word(agreement.probe) +
         ", replicas: " + word(agreement.replicas) + ", clients: " + word(agreement.traffic) +
         (agreement.enough() ? "" : "; a replica is asked to connect anew");
}

/// nullopt: the loss, if any, is none or allowed.
std::optional<Plan> refuse_loss(const FailoverFacts& facts, const FailoverPolicy& policy,
                                const Choice& choice, const std::string& winner) {
  if (!facts.drained || policy.allow_loss) return std::nullopt;
  if (!choice.lacks.empty()) {
    Plan plan = refuse(PlanReason::loss_not_allowed,
                       winner + " is the best candidate and lacks committed transactions");
    plan.lost = choice.lacks;
    return plan;
  }
  if (!facts.acknowledged && facts.semi_sync != SemiSync::on)
    return refuse(PlanReason::loss_possible,
                  "nobody counted what was acknowledged, and semi-sync is not known to be on");
  return std::nullopt;
}

std::string words_of_loss(const FailoverFacts& facts, const Choice& choice) {
  if (!facts.drained && !choice.lacks.empty())
    return "; it must still apply what it has received, and is compared again then";
  if (!choice.lacks.empty()) return "; committed transactions are given up: allow_loss";
  if (facts.semi_sync == SemiSync::on) return "; nothing committed is missing";
  return facts.acknowledged ? "; nothing acknowledged through Sluice is missing"
                            : "; whether it lacks committed transactions is not known: allow_loss";
}

/// Survivors that are writable: those that may be meant to be, and those that must not.
struct Writers {
  std::vector<std::size_t> rivals;
  std::vector<std::size_t> strays;
};

Writers writers_beside(const FailoverFacts& facts, const Choice& choice) {
  Writers writers;
  for (const Ruling& ruling : choice.rulings) {
    const BackendView& view = facts.topology.backends[ruling.backend];
    const bool is_writer = view.health.state == Health::up && view.seen && view.seen->writable() &&
                           view.membership != Membership::foreign;
    if (!is_writer || ruling.fitness == Fitness::lost) continue;
    const bool stray =
        ruling.fitness == Fitness::offline || ruling.fitness == Fitness::not_permitted ||
        ruling.fitness == Fitness::cannot_feed || ruling.fitness == Fitness::quarantined ||
        facts.member(ruling.backend).deposed;
    (stray ? writers.strays : writers.rivals).push_back(ruling.backend);
  }
  return writers;
}

}  // namespace

Agreement votes(const FailoverFacts& facts, std::size_t primary) {
  const auto& backends = facts.topology.backends;
  Agreement agreement;
  agreement.probe = backends[primary].health.state == Health::down;
  agreement.traffic = facts.traffic_lost;
  const ReplicationGraph graph = graph_of(facts.topology);
  std::size_t followers = 0;
  std::size_t connected = 0;
  for (const BackendView& view : backends) {
    if (view.id == primary || !is_live(view) || !graph.follows(view.id, primary)) continue;
    ++followers;
    const auto& sources = view.seen->sources;
    if (std::any_of(sources.begin(), sources.end(),
                    [](const ReplicationSource& source) { return source.io_running; }))
      ++connected;
  }
  agreement.replicas = followers > 0 && connected == 0;
  return agreement;
}

Plan plan_loss(const FailoverFacts& facts, const FailoverPolicy& policy, std::size_t primary,
               std::optional<std::size_t> wanted) {
  const auto& backends = facts.topology.backends;
  const std::string& lost = backends[primary].name;
  Choice choice = choose_candidate(facts, primary);
  const auto with_rulings = [&](Plan plan) {
    plan.from = primary;
    plan.rulings = choice.rulings;
    return plan;
  };

  // Somebody has promoted already, or the other half of a pair is writable.
  const auto [rivals, strays] = writers_beside(facts, choice);
  if (rivals.size() > 1)
    return with_rulings(refuse(PlanReason::several_writers,
                               "several survivors are writable: make all but one read-only"));
  if (!choice.winner)
    return with_rulings(
        choice.incomparable
            ? refuse(PlanReason::incomparable, "each candidate lacks transactions that another has")
            : refuse(PlanReason::no_candidate, "nobody fit is left"));
  const bool is_open = !rivals.empty();
  if (is_open && wanted.value_or(rivals.front()) == rivals.front()) wanted = rivals.front();
  if (wanted && *wanted != *choice.winner) {
    const Ruling& ruling = choice.rulings[*wanted];
    if (ruling.fitness != Fitness::fit)
      return with_rulings(
          refuse(PlanReason::target_unfit, backends[*wanted].name + " cannot be primary: " +
                                               std::string(to_string(ruling.fitness))));
    const GtidOrder order = backends[*wanted].gtid()->compare(*backends[*choice.winner].gtid());
    if (facts.drained && order != GtidOrder::equal)
      return with_rulings(
          refuse(PlanReason::target_behind,
                 backends[*wanted].name + " lacks what " + backends[*choice.winner].name + " has"));
    choice.winner = wanted;
  }
  const std::size_t to = *choice.winner;
  if (is_open && to != rivals.front())
    return with_rulings(refuse(PlanReason::several_writers,
                               backends[rivals.front()].name + " is writable already"));
  if (auto refusal = refuse_loss(facts, policy, choice, backends[to].name))
    return with_rulings(std::move(*refusal));

  Plan plan;
  const bool keeps_source = is_open || choice.rulings[to].partner;
  plan.kind = keeps_source ? PlanKind::flip : PlanKind::promotion;
  plan.reason = PlanReason::primary_lost;
  plan.to = to;
  plan.lost = facts.drained ? choice.lacks : GtidSet();
  plan.why = backends[to].name + " takes the place of " + lost + words_of_loss(facts, choice);

  const auto survivors = others(facts, choice, primary, to);
  std::vector<std::size_t> everyone{to};
  everyone.insert(everyone.end(), survivors.begin(), survivors.end());
  const auto& budgets = policy.budgets;
  Script script(plan);
  // It may be alive and read-only: somebody took the role from it.
  const bool lives = is_live(backends[primary]);
  if (!lives)
    script.add(StepKind::agree, primary, budgets.agree, Necessity::essential,
               words_of(votes(facts, primary)));
  script.add(StepKind::hold_writes, std::nullopt, {}, Necessity::essential,
             "writes wait for the new primary");
  script.add(StepKind::fence, primary, lives ? budgets.fence : budgets.fence_lost,
             lives ? Necessity::essential : Necessity::best_effort,
             lives ? "it stays read-only" : "should it still answer, it takes no more writes");
  for (const std::size_t id : strays)
    script.add(StepKind::fence, id, budgets.fence, Necessity::essential,
               "it is writable and must not be");
  for (const std::size_t id : everyone) {
    const bool matters = id == to;
    if (backends[id].seen->sources.empty()) continue;
    // A semi-sync replica asks its source for leave, in vain if that is frozen.
    script.add(StepKind::stop_receiving, id,
               matters ? budgets.stop_receiving : budgets.stop_receiving / 4,
               matters ? Necessity::essential : Necessity::best_effort,
               "what it has from " + lost + " is now all it will ever have");
    plan.undo.push_back({.kind = StepKind::start_receiving,
                         .backend = id,
                         .source = std::nullopt,
                         .budget = budgets.repoint,
                         .necessity = Necessity::best_effort,
                         .why = "it goes on as before"});
  }
  for (const std::size_t id : everyone)
    script.add(StepKind::drain, id, budgets.drain,
               id == to ? Necessity::essential : Necessity::best_effort,
               "it applies what it has received");
  script.add(StepKind::choose, to, {}, Necessity::essential,
             "candidates are compared again, by all that they will ever have");
  open_to(script, budgets, to, keeps_source);
  if (keeps_source && choice.rulings[to].partner)
    script.add(StepKind::start_receiving, to, budgets.repoint, Necessity::best_effort,
               "it goes on following its partner, for when that returns");
  repoint_all(script, facts, policy, survivors, to);
  return with_rulings(std::move(plan));
}

Plan plan_switchover(const FailoverFacts& facts, const FailoverPolicy& policy,
                     std::string_view target) {
  const Topology& topology = facts.topology;
  const BackendView* wanted = topology.find(target);
  if (wanted == nullptr)
    return refuse(PlanReason::no_such_backend, "there is no backend " + std::string(target));
  const BackendView* primary = topology.primary_view();
  const auto& budgets = policy.budgets;
  if (primary == nullptr) {
    const BackendView* last = topology.find(topology.last_primary);
    if (last == nullptr)
      return refuse(PlanReason::never_had_a_primary, "there has been no primary to take over from");
    if (last != wanted) {
      Plan plan = plan_loss(facts, policy, last->id, wanted->id);
      if (plan.acts()) plan.reason = PlanReason::operator_asked;
      return plan;
    }
    if (!is_live(*last)) return refuse(PlanReason::target_unfit, last->name + " does not answer");
    if (!writers_beside(facts, choose_candidate(facts, last->id)).rivals.empty())
      return refuse(PlanReason::several_writers, "another backend is writable");
    Plan plan;
    plan.kind = PlanKind::reopen;
    plan.reason = PlanReason::operator_asked;
    plan.to = last->id;
    plan.why = last->name + " was the last primary and is made writable again";
    Script script(plan);
    open_to(script, budgets, last->id, true);
    return plan;
  }
  if (primary == wanted)
    return refuse(PlanReason::is_primary_already, wanted->name + " is the primary");
  if (primary->health.state != Health::up)
    return refuse(PlanReason::primary_in_doubt, primary->name + " does not answer well");

  const Choice choice = choose_candidate(facts, primary->id);
  Plan plan;
  plan.from = primary->id;
  plan.rulings = choice.rulings;
  const Ruling& ruling = choice.rulings[wanted->id];
  const auto refused = [&](PlanReason reason, std::string why) {
    Plan no = refuse(reason, std::move(why));
    no.from = plan.from;
    no.rulings = plan.rulings;
    return no;
  };
  if (ruling.fitness != Fitness::fit)
    return refused(PlanReason::target_unfit,
                   wanted->name + " cannot be primary: " + std::string(to_string(ruling.fitness)));
  const ReplicationGraph graph = graph_of(topology);
  if (!graph.applies(wanted->id, primary->id))
    return refused(PlanReason::target_unfit,
                   wanted->name + " does not replicate from " + primary->name + " at present");
  const bool has_it_all =
      topology.primary_gtid && wanted->gtid()->covers(topology.primary_gtid->gtid);
  if (!has_it_all && (!wanted->lag || *wanted->lag > budgets.catch_up))
    return refused(PlanReason::target_behind, wanted->name + " is too far behind to catch up in " +
                                                  std::to_string(budgets.catch_up.count()) + " ms");

  plan.kind = PlanKind::switchover;
  plan.reason = PlanReason::operator_asked;
  plan.to = wanted->id;
  plan.why = wanted->name + " takes over from " + primary->name + "; nothing is lost";
  Script script(plan);
  script.add(StepKind::hold_writes, std::nullopt, {}, Necessity::essential,
             "new writes and transactions wait");
  script.add(StepKind::finish_transactions, primary->id, budgets.finish_transactions,
             Necessity::best_effort,
             "open ones may end; one that does not will fail at its commit");
  script.add(StepKind::fence, primary->id, budgets.fence, Necessity::essential,
             "what it has is now all it will ever have");
  script.add(StepKind::catch_up, wanted->id, budgets.catch_up, Necessity::essential,
             "nothing is lost", primary->id);
  open_to(script, budgets, wanted->id, ruling.partner);
  repoint_all(script, facts, policy, others(facts, choice, primary->id, wanted->id), wanted->id);
  if (!ruling.partner)
    script.add(StepKind::repoint, primary->id, budgets.repoint, Necessity::best_effort,
               "the old primary becomes a replica", wanted->id);
  plan.undo.push_back({.kind = StepKind::unfence,
                       .backend = primary->id,
                       .source = std::nullopt,
                       .budget = budgets.fence,
                       .necessity = Necessity::essential,
                       .why = "it stays primary"});
  return plan;
}

Plan plan_now(const FailoverFacts& facts, const FailoverPolicy& policy) {
  const Topology& topology = facts.topology;
  if (policy.mode == config::FailoverMode::off)
    return refuse(PlanReason::mode_off, "the old primary is waited for");
  if (policy.mode == config::FailoverMode::follow)
    return refuse(PlanReason::mode_follow,
                  "whoever becomes the single writable backend is followed");
  if (topology.fail_open) return refuse(PlanReason::fail_open, "every backend looks dead at once");
  if (const BackendView* primary = topology.primary_view()) {
    if (primary->health.state != Health::up)
      return refuse(PlanReason::primary_in_doubt,
                    primary->name + " is " + std::string(to_string(primary->health.state)));
    Plan repair = plan_repair(facts, policy);
    if (!repair.acts()) repair.why = primary->name + " is up, and nobody strays";
    return repair;
  }
  const BackendView* last = topology.find(topology.last_primary);
  if (last == nullptr)
    return refuse(PlanReason::never_had_a_primary, "no primary has been seen since the start");
  const bool someone_else_open =
      !writers_beside(facts, choose_candidate(facts, last->id)).rivals.empty();
  if (last->health.state == Health::down || someone_else_open)
    return plan_loss(facts, policy, last->id);
  if (last->health.state != Health::up)
    return refuse(PlanReason::primary_in_doubt,
                  last->name + " is " + std::string(to_string(last->health.state)));
  return refuse(PlanReason::primary_read_only,
                last->name + " is read-only and alive: SWITCHOVER TO " + last->name +
                    " opens it, SWITCHOVER TO another replaces it");
}

}  // namespace sluice::routing
