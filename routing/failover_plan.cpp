#include "routing/failover_plan.hpp"

namespace sluice::routing {
namespace {

std::string name_of(const Topology& topology, std::optional<std::size_t> id) {
  return id && *id < topology.backends.size() ? topology.backends[*id].name : std::string("nobody");
}

std::string headline(const Plan& plan, const Topology& topology) {
  std::string line(to_string(plan.kind));
  if (plan.acts()) {
    if (plan.from) line += ' ' + name_of(topology, plan.from);
    if (plan.to) line += " -> " + name_of(topology, plan.to);
  }
  line += " (" + std::string(to_string(plan.reason)) + ')';
  if (!plan.why.empty()) line += ": " + plan.why;
  return line;
}

}  // namespace

std::string_view to_string(PlanKind kind) noexcept {
  switch (kind) {
    case PlanKind::nothing: return "nothing";
    case PlanKind::promotion: return "promotion";
    case PlanKind::flip: return "flip";
    case PlanKind::switchover: return "switchover";
    case PlanKind::reopen: return "reopen";
    case PlanKind::fence: return "fence";
    case PlanKind::rejoin: return "rejoin";
    case PlanKind::quarantine: return "quarantine";
  }
  return "?";
}

std::string_view to_string(PlanReason reason) noexcept {
  switch (reason) {
    case PlanReason::primary_is_well: return "primary_is_well";
    case PlanReason::mode_off: return "mode_off";
    case PlanReason::mode_follow: return "mode_follow";
    case PlanReason::never_had_a_primary: return "never_had_a_primary";
    case PlanReason::primary_in_doubt: return "primary_in_doubt";
    case PlanReason::primary_read_only: return "primary_read_only";
    case PlanReason::fail_open: return "fail_open";
    case PlanReason::several_writers: return "several_writers";
    case PlanReason::no_candidate: return "no_candidate";
    case PlanReason::incomparable: return "incomparable";
    case PlanReason::loss_not_allowed: return "loss_not_allowed";
    case PlanReason::loss_possible: return "loss_possible";
    case PlanReason::no_such_backend: return "no_such_backend";
    case PlanReason::is_primary_already: return "is_primary_already";
    case PlanReason::target_unfit: return "target_unfit";
    case PlanReason::target_behind: return "target_behind";
    case PlanReason::primary_lost: return "primary_lost";
    case PlanReason::operator_asked: return "operator_asked";
    case PlanReason::resumed: return "resumed";
    case PlanReason::not_elected: return "not_elected";
    case PlanReason::is_contained: return "is_contained";
    case PlanReason::wrong_source: return "wrong_source";
    case PlanReason::has_errant: return "has_errant";
    case PlanReason::past_is_unknown: return "past_is_unknown";
  }
  return "?";
}

std::string_view to_string(StepKind kind) noexcept {
  switch (kind) {
    case StepKind::agree: return "agree";
    case StepKind::hold_writes: return "hold_writes";
    case StepKind::finish_transactions: return "finish_transactions";
    case StepKind::fence: return "fence";
    case StepKind::stop_receiving: return "stop_receiving";
    case StepKind::drain: return "drain";
    case StepKind::catch_up: return "catch_up";
    case StepKind::choose: return "choose";
    case StepKind::appoint: return "appoint";
    case StepKind::promote: return "promote";
    case StepKind::open: return "open";
    case StepKind::publish: return "publish";
    case StepKind::release: return "release";
    case StepKind::repoint: return "repoint";
    case StepKind::quarantine: return "quarantine";
    case StepKind::unfence: return "unfence";
    case StepKind::start_receiving: return "start_receiving";
  }
  return "?";
}

std::string describe(const Step& step, const Topology& topology) {
  std::string line(to_string(step.kind));
  if (step.backend) line += ' ' + name_of(topology, step.backend);
  if (step.source)
    line += (step.kind == StepKind::catch_up ? " with " : " to ") + name_of(topology, step.source);
  if (step.budget.count() > 0) {
    line += " (" + std::to_string(step.budget.count()) + " ms";
    line += step.necessity == Necessity::best_effort ? ", if it can be)" : ")";
  }
  if (!step.why.empty()) line += ": " + step.why;
  return line;
}

std::vector<std::string> describe(const Plan& plan, const Topology& topology) {
  std::vector<std::string> lines{headline(plan, topology)};
  for (const Ruling& ruling : plan.rulings) {
    if (ruling.fitness == Fitness::lost) continue;
    std::string line = "candidate " + name_of(topology, ruling.backend) + ": ";
    line += plan.acts() && plan.to == ruling.backend ? "chosen" : to_string(ruling.fitness);
    if (!ruling.errant.empty()) line += ' ' + ruling.errant.to_string();
    lines.push_back(std::move(line));
  }
  if (!plan.lost.empty()) lines.push_back("would be lost: " + plan.lost.to_string());
  if (!plan.errant.empty()) lines.push_back("only there: " + plan.errant.to_string());
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    lines.push_back(std::to_string(i + 1) + ". " + describe(plan.steps[i], topology));
  return lines;
}

}  // namespace sluice::routing
