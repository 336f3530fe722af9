#include "proxy/failover_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "proxy/failover_desk.hpp"
#include "proxy/last_look.hpp"
#include "proxy/log.hpp"
#include "proxy/traffic_watch.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using config::FailoverMode;
using routing::Clock;
using routing::Plan;
using routing::PlanKind;
using routing::TimePoint;
using routing::Topology;

// A snapshot comes with every probe; the planner looks at least this often.
constexpr auto look_interval = 200ms;
// After a plan that failed; doubled each time.
constexpr auto first_pause = 1s;
constexpr auto longest_pause = 30s;
constexpr std::chrono::milliseconds fence_pause{100};
constexpr auto fresh_patience = 1s;
constexpr auto privileges_interval = 60s;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view to_string(FailoverMode mode) {
  return mode == FailoverMode::promote ? "promote" : mode == FailoverMode::off ? "off" : "follow";
}

std::optional<PlanKind> kind_named(std::string_view name) {
  for (const PlanKind kind :
       {PlanKind::promotion, PlanKind::flip, PlanKind::switchover, PlanKind::reopen})
    if (to_string(kind) == name) return kind;
  return std::nullopt;
}

std::optional<std::size_t> id_of(const Topology& topology, std::string_view name) {
  const auto* view = topology.find(name);
  return view != nullptr ? std::optional(view->id) : std::nullopt;
}

std::string name_of(const Topology& topology, std::optional<std::size_t> id) {
  return id && *id < topology.backends.size() ? topology.backends[*id].name : std::string();
}

bool all_up(const Topology& topology) {
  return std::all_of(
      topology.backends.begin(), topology.backends.end(),
      [](const routing::BackendView& view) { return view.health.state == routing::Health::up; });
}

}  // namespace

class FailoverAgent::Core {
 public:
  Core(std::shared_ptr<const config::Settings> settings, FailoverLinks links)
      : settings_(settings),
        desk_(std::make_shared<FailoverDesk>(settings, std::move(links))),
        executor_(settings, *desk_) {
    policy_.mode = settings_->failover.mode;
    policy_.allow_loss = settings_->failover.allow_loss;
  }

  void start() {
    if (!desk_->promotes()) return;
    bool unfinished = false;
    static_cast<void>(
        desk_->change(false, [&](FailoverState& state) { unfinished = state.goal.has_value(); }));
    if (const std::string who = desk_->appointed(); !who.empty())
      desk_->links().rule(who, unfinished);
    thread_ = std::thread([this] { work(); });
  }

  void stop() {
    desk_->stop();
    {
      const std::scoped_lock lock(mutex_);
      news_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void topology_changed() {
    first_round_done_ = first_round_done_ || desk_->links().first_round_done();
    const std::scoped_lock lock(mutex_);
    news_ = true;
    wake_.notify_all();
  }

  [[nodiscard]] Plan dry_run() const {
    const Topology seen = *desk_->topology();
    const auto known = desk_->facts(seen);
    Plan plan = routing::plan_now(known, policy_);
    if (plan.acts()) return plan;
    auto primary = seen.primary;
    if (!primary) primary = id_of(seen, seen.last_primary);
    if (!primary || plan.reason == routing::PlanReason::fail_open) return plan;
    const std::string first = plan.why;
    const auto reason = plan.reason;
    plan = routing::plan_loss(known, policy_, *primary);
    plan.why = fmt::format("now nothing ({}: {}); if {} were lost: {}", routing::to_string(reason),
                           first, name_of(seen, primary), plan.why);
    return plan;
  }

  Plan switchover(std::string_view target, std::string by) {
    Plan refused;
    refused.reason = routing::PlanReason::mode_follow;
    if (!desk_->promotes()) {
      refused.why = "failover.mode is not \"promote\"";
      return refused;
    }
    const Topology seen = *desk_->topology();
    Plan plan = routing::plan_switchover(desk_->facts(seen), policy_, target);
    if (!plan.acts()) return plan;
    const std::string doing = desk_->report().doing;
    const std::scoped_lock lock(mutex_);
    if (wish_ || !doing.empty()) {
      refused.reason = routing::PlanReason::primary_in_doubt;
      refused.why = "another plan is under way: " + doing;
      return refused;
    }
    wish_ = Wish{std::string(target), std::move(by)};
    wake_.notify_all();
    return plan;
  }

  [[nodiscard]] FailoverReport report() const {
    FailoverReport report = desk_->report();
    report.mode = to_string(policy_.mode);
    const std::scoped_lock lock(mutex_);
    report.privileges = privileges_;
    return report;
  }

 private:
  struct Wish {
    std::string target;
    std::string by;
  };

  void work() {
    TimePoint privileges_at{};
    while (!desk_->stopping()) {
      std::optional<Wish> wish;
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, look_interval, [this] { return news_ || wish_; });
        news_ = false;
        wish = std::exchange(wish_, std::nullopt);
      }
      if (desk_->stopping()) return;
      if (!first_round_done_) {
        // Core joins its thread before it goes, and so outlives what waits for it here.
        desk_->on_control(
            [this](const FailoverLinks& links) { first_round_done_ = links.first_round_done(); });
        continue;
      }
      look(std::move(wish));
      // One that does not answer would keep us from what is urgent.
      if (Clock::now() >= privileges_at && all_up(*desk_->topology())) {
        check_privileges();
        privileges_at = Clock::now() + privileges_interval;
      }
    }
  }

  void check_privileges() {
    auto found = executor_.check_privileges();
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool news = i >= privileges_.size() || privileges_[i] != found[i];
      if (news && !found[i].empty())
        log::warning("failover", "the account '{}' on {}: {}", settings_->failover.user,
                     settings_->backends[i].name, found[i]);
    }
    privileges_ = std::move(found);
  }

  void look(std::optional<Wish> wish) {
    const Topology seen = *desk_->topology();
    settle(seen);
    if (const auto suspect = seen.primary ? seen.primary : id_of(seen, seen.last_primary))
      desk_->traffic_lost =
          traffic_.lost(seen.backends[*suspect], desk_->links().answered(*suspect),
                        desk_->links().link_errors(*suspect), desk_->links().in_flight(*suspect));
    if (seen.primary && seen.primary_gtid)
      desk_->links().forget_acknowledged(seen.primary_gtid->gtid);
    const auto known = desk_->facts(seen);
    if (wish) {
      execute(routing::plan_switchover(known, policy_, wish->target), wish->by);
      return;
    }
    Plan plan;
    std::optional<Goal> goal;
    static_cast<void>(desk_->change(false, [&](FailoverState& state) { goal = state.goal; }));
    if (goal) {
      if (const auto kind = kind_named(goal->kind)) {
        plan = routing::plan_resume(known, policy_,
                                    {.kind = *kind,
                                     .from = id_of(seen, goal->from),
                                     .to = id_of(seen, goal->to),
                                     .decided = goal->decided});
      }
      if (!plan.acts() && !goal->decided) {
        static_cast<void>(desk_->change(true, [](FailoverState& state) { state.goal.reset(); }));
        static_cast<void>(desk_->rule(desk_->appointed(), false));
      }
    }
    if (!plan.acts()) plan = routing::plan_now(known, policy_);
    if (!plan.acts()) {
      tell_refusal(plan, seen);
      return;
    }
    // What has just failed is not tried again at once; anything else is.
    const std::string what = fmt::format("{} {}", to_string(plan.kind), name_of(seen, plan.from));
    if (what == paused_for_ && Clock::now() < paused_until_) return;
    paused_for_ = what;
    execute(std::move(plan), "sluice");
  }

  // Who is primary is written down; who follows it again is no longer deposed.
  void settle(const Topology& seen) {
    const auto* primary = seen.primary_view();
    if (primary == nullptr || primary->health.state != routing::Health::up) return;
    desk_->counted = true;
    const std::string was = desk_->appointed();
    const auto graph = routing::graph_of(seen);
    bool changed = was.empty();
    std::string back;
    static_cast<void>(desk_->change(false, [&](FailoverState& state) {
      if (was.empty()) state.appointed = primary->name;
      std::erase_if(state.deposed, [&](const Deposed& one) {
        const auto* view = seen.find(one.name);
        const bool follows = view == nullptr || (view->standing == routing::Exclusion::none &&
                                                 graph.leads_to(view->id, primary->id));
        if (follows) back = one.name;
        changed = changed || follows;
        return follows;
      });
    }));
    if (!changed) {
      remember_look(seen, false);
      return;
    }
    if (!back.empty()) log::info("failover", "{} is back in the cluster", back);
    remember_look(seen, true);
    if (was.empty()) {
      log::info("failover", "{} is the elected primary", primary->name);
      static_cast<void>(desk_->rule(primary->name, false));
    }
  }

  // Should the primary be lost together with us.
  void remember_look(const Topology& seen, bool durable) {
    auto look = look_at(*seen.primary_view());
    if (!look) return;
    static_cast<void>(
        desk_->change(durable, [&](FailoverState& state) { state.last_look = std::move(look); }));
  }

  void execute(Plan plan, const std::string& by) {
    const auto before = desk_->topology();
    if (!plan.acts()) {
      log::warning("failover", "refused: {}: {}", to_string(plan.reason), plan.why);
      remember(plan, *before, by, {});
      return;
    }
    for (const std::string& line : describe(plan, *before)) log::info("failover", "{}", line);
    // The last look is saved with the goal.
    const auto acknowledged = desk_->links().acknowledged();
    static_cast<void>(desk_->change(false, [&](FailoverState& state) {
      if (state.last_look) add_to_look(*state.last_look, acknowledged);
    }));
    const FailoverOutcome outcome = executor_.run(std::move(plan), policy_);
    if (outcome.done) {
      pause_ = first_pause;
      log::info("failover", "{} done in {} ms, writes were held for {} ms: {}",
                to_string(outcome.plan.kind), outcome.took.count(), outcome.held.count(),
                outcome.text);
    } else {
      // A stray that is writable is fenced again and again until it is not.
      const bool is_fence = outcome.plan.kind == PlanKind::fence;
      paused_until_ = Clock::now() + (is_fence ? fence_pause : pause_);
      pause_ = std::min<std::chrono::milliseconds>(2 * pause_, longest_pause);
      log::error("failover", "failed after {} ms{}: {}", outcome.took.count(),
                 outcome.undone ? ", what was done is undone" : "", outcome.text);
    }
    remember(outcome.plan, *before, by, outcome);
    wait_fresh();
  }

  // What has been done must be seen before the planner is asked again.
  void wait_fresh() {
    const TimePoint done = Clock::now();
    for (std::size_t i = 0; i < settings_->backends.size(); ++i) desk_->probe_now(i);
    while (Clock::now() < done + fresh_patience && !desk_->stopping()) {
      const auto seen = desk_->topology();
      const bool all = std::all_of(seen->backends.begin(), seen->backends.end(),
                                   [&](const routing::BackendView& view) {
                                     return view.health.state != routing::Health::up ||
                                            !view.seen || view.seen->started_at > done;
                                   });
      if (all) return;
      std::this_thread::sleep_for(10ms);
    }
  }

  void remember(const Plan& plan, const Topology& names, const std::string& by,
                const std::optional<FailoverOutcome>& outcome) {
    HistoryRow row{.at_ms = now_ms(),
                   .kind = std::string(to_string(plan.kind)),
                   .from = name_of(names, plan.from),
                   .to = name_of(names, plan.to),
                   .result = "refused",
                   .reason = std::string(to_string(plan.reason)),
                   .by = by,
                   .took_ms = 0,
                   .held_ms = 0,
                   .lost = plan.lost.to_string(),
                   .text = plan.why};
    if (outcome) {
      row.result = outcome->done ? "done" : outcome->undone ? "undone" : "failed";
      row.took_ms = outcome->took.count();
      row.held_ms = outcome->held.count();
      row.text += " | " + outcome->text;
      if (!plan.errant.empty()) row.lost = plan.errant.to_string();
    }
    static_cast<void>(
        desk_->change(true, [&](FailoverState& state) { state.remember(std::move(row)); }));
  }

  // Once for each new reason; that all is well is no news.
  void tell_refusal(const Plan& plan, const Topology& seen) {
    if (plan.reason == std::exchange(told_, plan.reason)) return;
    if (plan.reason == routing::PlanReason::primary_is_well ||
        plan.reason == routing::PlanReason::primary_in_doubt)
      return;
    log::warning("failover", "nothing is done: {}: {}", to_string(plan.reason), plan.why);
    remember(plan, seen, "sluice", std::nullopt);
  }

  const std::shared_ptr<const config::Settings> settings_;
  const std::shared_ptr<FailoverDesk> desk_;
  routing::FailoverPolicy policy_;
  FailoverExecutor executor_;

  mutable std::mutex mutex_;  // guards the next block
  std::condition_variable wake_;
  std::optional<Wish> wish_;
  std::vector<std::string> privileges_;
  bool news_ = false;

  std::atomic<bool> first_round_done_{false};

  // Our own thread's.
  TrafficWatch traffic_;
  std::string paused_for_;
  std::chrono::milliseconds pause_ = first_pause;
  TimePoint paused_until_{};
  routing::PlanReason told_ = routing::PlanReason::primary_is_well;

  std::thread thread_;
};

FailoverAgent::FailoverAgent(std::shared_ptr<const config::Settings> settings, FailoverLinks links)
    : core_(std::make_shared<Core>(std::move(settings), std::move(links))) {}

FailoverAgent::~FailoverAgent() { stop(); }

void FailoverAgent::start() { core_->start(); }
void FailoverAgent::stop() { core_->stop(); }
void FailoverAgent::topology_changed() { core_->topology_changed(); }
Plan FailoverAgent::dry_run() const { return core_->dry_run(); }
Plan FailoverAgent::switchover(std::string_view target, std::string by) {
  return core_->switchover(target, std::move(by));
}
FailoverReport FailoverAgent::report() const { return core_->report(); }

}  // namespace sluice::proxy
