#include "proxy/failover_executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "proxy/failover_steps.hpp"
#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::Clock;
using routing::Necessity;
using routing::Plan;
using routing::Step;
using routing::StepKind;
using routing::TimePoint;
using std::chrono::milliseconds;

constexpr milliseconds look_patience{500};

milliseconds since(TimePoint at) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - at);
}

}  // namespace

class FailoverExecutor::Run {
 public:
  Run(const config::Settings& settings, FailoverHooks& hooks, const routing::FailoverPolicy& policy,
      Plan plan)
      : hooks_(hooks), policy_(policy), steps_(settings, hooks), settings_(settings) {
    outcome_.plan = std::move(plan);
    if (outcome_.plan.reason == routing::PlanReason::operator_asked) wanted_ = outcome_.plan.to;
  }

  FailoverOutcome go() {
    const TimePoint began = Clock::now();
    std::string trouble = begin();
    for (std::size_t i = 0; trouble.empty() && i < outcome_.plan.steps.size(); ++i) {
      const Step step = outcome_.plan.steps[i];
      const TimePoint step_began = Clock::now();
      tell(step, i);
      std::string failed = step.kind == StepKind::choose ? choose(i) : take(step);
      note(step, since(step_began), failed);
      if (failed.empty()) continue;
      if (step.necessity == Necessity::essential) trouble = std::move(failed);
    }
    outcome_.done = trouble.empty();
    if (!outcome_.done && !decided_) undo();
    outcome_.took = since(began);
    finish();
    return std::move(outcome_);
  }

 private:
  [[nodiscard]] std::string name(std::optional<std::size_t> backend) const {
    return backend ? settings_.backends[*backend].name : std::string();
  }

  // From here on a crash leaves a trace of what was meant.
  std::string begin() {
    appointed_ = appointed();
    const Plan& plan = outcome_.plan;
    const bool replaces = std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
      return step.kind == StepKind::appoint;
    });
    // One that is resumed has its goal in the file already, maybe decided.
    if (!replaces || plan.reason == routing::PlanReason::resumed) return {};
    return hooks_.change(true, [&](FailoverState& state) {
      state.goal =
          Goal{std::string(to_string(plan.kind)), name(plan.from), name(plan.to), {}, false};
    });
  }

  std::string appointed() {
    std::string who;
    static_cast<void>(hooks_.change(false, [&](FailoverState& state) { who = state.appointed; }));
    return who;
  }

  void tell(const Step& step, std::size_t index) {
    const auto topology = hooks_.topology();
    const std::string words =
        fmt::format("{}: step {} of {}: {}", to_string(outcome_.plan.kind), index + 1,
                    outcome_.plan.steps.size(), describe(step, *topology));
    hooks_.progress(words);
    log::info("failover", "{}", words);
    static_cast<void>(hooks_.change(false, [&](FailoverState& state) {
      if (state.goal) state.goal->step = to_string(step.kind);
    }));
  }

  void note(const Step& step, milliseconds took, const std::string& failed) {
    if (!outcome_.text.empty()) outcome_.text += "; ";
    outcome_.text += std::string(to_string(step.kind));
    if (step.backend) outcome_.text += ' ' + name(step.backend);
    outcome_.text += fmt::format(" {} ms", took.count());
    if (failed.empty()) return;
    const bool essential = step.necessity == Necessity::essential;
    outcome_.text += essential ? " FAILED: " + failed : " (not done: " + failed + ")";
    log::warning("failover", "{} {}: {}", to_string(step.kind), name(step.backend), failed);
  }

  std::string take(const Step& step) {
    switch (step.kind) {
      case StepKind::agree: return steps_.agree(step);
      case StepKind::hold_writes: return hold(true);
      case StepKind::release: return hold(false);
      case StepKind::finish_transactions: return steps_.finish_transactions(step);
      case StepKind::fence: return fence(step);
      case StepKind::unfence: return steps_.read_only(step, false);
      case StepKind::stop_receiving: return steps_.receive(step, false);
      case StepKind::start_receiving: return steps_.receive(step, true);
      case StepKind::drain: return steps_.drain(step);
      case StepKind::catch_up: return steps_.catch_up(step);
      case StepKind::choose: break;
      case StepKind::appoint: return appoint(step);
      case StepKind::promote:
      case StepKind::open: return steps_.promote(step);
      case StepKind::publish: return steps_.publish(step);
      case StepKind::repoint: return steps_.repoint(step);
      case StepKind::quarantine: return quarantine(step);
    }
    return "this step cannot be taken";
  }

  std::string hold(bool on) {
    if (!hooks_.rule(appointed_, on)) return "Sluice is stopping";
    if (on && !held_since_) held_since_ = Clock::now();
    if (!on && held_since_) {
      outcome_.held = since(*held_since_);
      held_since_.reset();
    }
    return {};
  }

  std::string fence(const Step& step) {
    std::string trouble = steps_.read_only(step, true);
    if (!trouble.empty() || outcome_.plan.kind != routing::PlanKind::fence) return trouble;
    // A second primary, not a replica that turned writable: judged when it is quiet.
    const auto topology = hooks_.topology();
    const auto& view = topology->backends[*step.backend];
    if (!view.seen || !view.seen->sources.empty()) return {};
    return hooks_.change(true, [&](FailoverState& state) {
      if (state.find_deposed(view.name) == nullptr) state.deposed.push_back({view.name, false, {}});
    });
  }

  // All that can be known is known now: the plan is made again, and goes on behind
  // its own `choose`.
  std::string choose(std::size_t& index) {
    const routing::Topology topology = steps_.fresh_topology(look_patience);
    auto facts = hooks_.facts(topology);
    facts.drained = true;
    Plan again = routing::plan_loss(facts, policy_, *outcome_.plan.from, wanted_);
    if (!again.acts()) {
      std::string why = fmt::format("{}: {}", to_string(again.reason), again.why);
      if (!again.lost.empty()) why += ": " + again.lost.to_string();
      again.undo = std::move(outcome_.plan.undo);
      outcome_.plan = std::move(again);
      return why;
    }
    const auto at = std::find_if(again.steps.begin(), again.steps.end(),
                                 [](const Step& step) { return step.kind == StepKind::choose; });
    index = static_cast<std::size_t>(at - again.steps.begin());
    outcome_.plan = std::move(again);
    log::info("failover", "{}", outcome_.plan.why);
    return {};
  }

  std::string appoint(const Step& step) {
    const std::string to = name(step.backend);
    const std::string from = name(outcome_.plan.from);
    std::string trouble = hooks_.change(true, [&](FailoverState& state) {
      state.appointed = to;
      std::erase_if(state.deposed, [&](const Deposed& one) { return one.name == to; });
      if (!from.empty() && from != to && state.find_deposed(from) == nullptr)
        state.deposed.push_back({from, false, {}});
      if (state.goal) {
        state.goal->to = to;
        state.goal->decided = true;
      }
    });
    if (!trouble.empty()) return trouble;
    decided_ = true;
    appointed_ = to;
    return hooks_.rule(appointed_, true) ? std::string() : "Sluice is stopping";
  }

  std::string quarantine(const Step& step) {
    const std::string who = name(step.backend);
    return hooks_.change(true, [&](FailoverState& state) {
      Deposed* one = state.find_deposed(who);
      if (one == nullptr) one = &state.deposed.emplace_back(Deposed{who, false, {}});
      one->quarantined = true;
      one->errant = outcome_.plan.errant.to_string();
    });
  }

  void undo() {
    bool all_back = outcome_.plan.reason != routing::PlanReason::resumed;
    for (const Step& step : outcome_.plan.undo) {
      const TimePoint began = Clock::now();
      const std::string failed = take(step);
      note(step, since(began), failed);
      all_back = all_back && (failed.empty() || step.necessity == Necessity::best_effort);
    }
    // While the old primary is still fenced, there is nobody to release them to.
    if (all_back && held_since_) static_cast<void>(hold(false));
    outcome_.undone = all_back;
  }

  // What is neither done nor undone stays in the file, to be resumed.
  void finish() {
    hooks_.progress({});
    if (!outcome_.done && !outcome_.undone) return;
    static_cast<void>(hooks_.change(true, [](FailoverState& state) { state.goal.reset(); }));
  }

  FailoverHooks& hooks_;
  const routing::FailoverPolicy& policy_;
  StepRunner steps_;
  const config::Settings& settings_;
  FailoverOutcome outcome_;
  std::optional<std::size_t> wanted_;
  std::string appointed_;
  bool decided_ = false;
  std::optional<TimePoint> held_since_;
};

FailoverExecutor::FailoverExecutor(std::shared_ptr<const config::Settings> settings,
                                   FailoverHooks& hooks)
    : settings_(std::move(settings)), hooks_(hooks) {}

FailoverExecutor::~FailoverExecutor() = default;

FailoverOutcome FailoverExecutor::run(Plan plan, const routing::FailoverPolicy& policy) {
  return Run(*settings_, hooks_, policy, std::move(plan)).go();
}

std::vector<std::string> FailoverExecutor::check_privileges() {
  std::vector<std::string> all;
  StepRunner steps(*settings_, hooks_);
  for (std::size_t i = 0; i < settings_->backends.size(); ++i)
    all.push_back(steps.missing_rights(i));
  return all;
}

}  // namespace sluice::proxy
