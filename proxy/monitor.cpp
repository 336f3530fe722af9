#include "proxy/monitor.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <string>
#include <utility>
#include <vector>

#include "proxy/log.hpp"
#include "proxy/probe_thread.hpp"
#include "proxy/topology_news.hpp"
#include "routing/health.hpp"
#include "routing/lag.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::BackendInput;
using routing::HealthEvent;
using routing::HealthPolicy;
using routing::HealthTracker;
using routing::Observation;
using routing::TimePoint;
using routing::Topology;

// How often suspicion and lag grow older. Health's limits are ten times this.
constexpr auto tick_interval = 100ms;
// At most one report of broken traffic per backend is looked at in this time.
constexpr auto traffic_gap = 20ms;
// What the probe's own deadline is granted before the control thread acts on it.
constexpr auto deadline_grace = 20ms;
constexpr auto join_time = 1s;

SqlTarget target_of(const config::Backend& backend, const config::Monitor& account) {
  return {.address = backend.address,
          .user = account.user,
          .password = account.password,
          .tls = backend.tls,
          .tls_ca = backend.tls_ca};
}

void write_log(const std::vector<NewsLine>& lines) {
  for (const NewsLine& line : lines)
    if (log::enabled(line.level)) log::write(line.level, "topology", line.text);
}

// What is kept of one backend beside its BackendInput.
// A backend that has answered a client within this is alive, whatever its probe says.
constexpr std::chrono::milliseconds busy_moment{250};

struct Watched {
  explicit Watched(asio::io_context& control) : clock(control) {}

  HealthTracker tracker;
  std::unique_ptr<ProbeThread> thread;
  Timer clock;                      // of the round under way
  std::uint64_t round = 0;          // the round under way or else the last
  bool judged = true;               // the round has been counted: its end, or its deadline
  bool answered = false;            // a round has ended or failed, ever
  std::uint64_t traffic = 0;        // what it has answered clients, as of the last tick
  TimePoint answered_clients_at{};  // the last tick that found more of it
  std::atomic<TimePoint> traffic_heard{TimePoint{}};
};

}  // namespace

class Monitor::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& control, std::shared_ptr<const config::Settings> settings,
       Published<Topology>& topology, OnChange on_change, Answered answered)
      : control_(control),
        settings_(std::move(settings)),
        topology_(topology),
        on_change_(std::move(on_change)),
        answered_(std::move(answered)),
        current_(topology.load()),
        tick_(control) {
    if (!current_) current_ = std::make_shared<const Topology>();
    for (const config::Backend& backend : settings_->backends) {
      BackendInput input;
      input.name = backend.name;
      input.address = config::to_string(backend.address);
      input.weight = backend.weight;
      inputs_.push_back(std::move(input));
      watched_.push_back(std::make_unique<Watched>(control));
      max_lag_.push_back(backend.max_lag.value_or(settings_->routing.max_lag));
    }
  }

  void start() {
    assert(!running_ && "start() twice");
    running_ = true;
    update();
    const ProbePace pace{
        .interval = settings_->monitor.interval,
        .suspect_interval = std::min(HealthPolicy{}.suspect_interval, settings_->monitor.interval),
        .timeout = settings_->monitor.timeout};
    for (std::size_t i = 0; i < watched_.size(); ++i)
      watched_[i]->thread = std::make_unique<ProbeThread>(
          target_of(settings_->backends[i], settings_->monitor), pace, listen_to(i));
    tick_later();
  }

  void stop() {
    running_ = false;
    tick_.cancel();
    for (auto& watched : watched_) {
      watched->clock.cancel();
      if (watched->thread) watched->thread->request_stop();
    }
    const TimePoint deadline = Clock::now() + join_time;
    for (auto& watched : watched_)
      if (watched->thread) watched->thread->join(deadline);
  }

  void traffic_error(std::size_t backend) noexcept {
    if (backend >= watched_.size()) return;
    auto& heard = watched_[backend]->traffic_heard;
    const TimePoint now = Clock::now();
    TimePoint last = heard.load(std::memory_order_relaxed);
    if (now - last < traffic_gap) return;
    if (!heard.compare_exchange_strong(last, now, std::memory_order_relaxed)) return;
    try {
      on_control([backend](Core& core) { core.heard_traffic_error(backend); });
    } catch (const std::bad_alloc&) {
      // Then the next one, or the probe, will tell.
    }
  }

  bool set_admin_state(std::string_view name, routing::AdminState state, std::string by,
                       std::string why) {
    const auto found = std::find_if(inputs_.begin(), inputs_.end(),
                                    [name](const BackendInput& b) { return b.name == name; });
    if (found == inputs_.end()) return false;
    found->admin = {
        .state = state, .since = Clock::now(), .by = std::move(by), .why = std::move(why)};
    update();
    return true;
  }

  void rule(std::string appointed, bool writes_held) {
    policy_.appointed = std::move(appointed);
    policy_.writes_held = writes_held;
    update();
  }

  void probe_now(std::string_view name) {
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i].name == name && watched_[i]->thread) watched_[i]->thread->probe_now();
  }

  [[nodiscard]] bool first_round_done() const {
    return std::all_of(watched_.begin(), watched_.end(),
                       [](const auto& watched) { return watched->answered; });
  }

 private:
  // Runs `action` on the control thread, unless we have stopped by then.
  template <class Action>
  void on_control(Action action) {
    asio::post(control_, [weak = weak_from_this(), act = std::move(action)]() mutable {
      const auto core = weak.lock();
      if (core && core->running_) act(*core);
    });
  }

  // Called on the probe's thread, and never after request_stop().
  ProbeThread::Listener listen_to(std::size_t i) {
    return {.began =
                [this, i](std::uint64_t round, TimePoint at) {
                  on_control([=](Core& core) { core.round_began(i, round, at); });
                },
            .ended =
                [this, i](std::uint64_t round, Observation seen) {
                  on_control([i, round, found = std::move(seen)](Core& core) mutable {
                    core.round_ended(i, round, std::move(found));
                  });
                }};
  }

  void round_began(std::size_t i, std::uint64_t round, TimePoint at) {
    Watched& watched = *watched_[i];
    watched.round = round;
    watched.judged = false;
    await_round(i, round, at + settings_->monitor.timeout / 2,
                [at](Core& core, std::size_t which) { core.round_overdue(which, at); });
  }

  template <class Action>
  void await_round(std::size_t i, std::uint64_t round, TimePoint until, Action action) {
    Watched& watched = *watched_[i];
    watched.clock.expires_at(until);
    watched.clock.async_wait([weak = weak_from_this(), i, round, action](error_code error) {
      const auto core = weak.lock();
      if (error || !core || !core->running_) return;
      const Watched& of = *core->watched_[i];
      if (of.round == round && !of.judged) action(*core, i);
    });
  }

  void round_overdue(std::size_t i, TimePoint began) {
    if (!answers_clients(i)) {
      judge(i, HealthEvent::probe_overdue);
      const auto waited = settings_->monitor.timeout / 2;
      suspicion(i, "no answer for " + std::to_string(waited.count()) + " ms");
    }
    await_round(i, watched_[i]->round, began + settings_->monitor.timeout + deadline_grace,
                [began](Core& core, std::size_t which) { core.round_missed(which, began); });
    update();
  }

  // Clients have had answers from it a moment ago.
  [[nodiscard]] bool answers_clients(std::size_t i) const {
    return Clock::now() - watched_[i]->answered_clients_at < busy_moment;
  }

  // The probe's thread is stuck where its own deadline does not reach.
  void round_missed(std::size_t i, TimePoint began) {
    Observation nothing;
    nothing.started_at = began;
    nothing.finished_at = Clock::now();
    nothing.error =
        "no answer within " + std::to_string(settings_->monitor.timeout.count()) + " ms";
    const std::uint64_t round = watched_[i]->round;
    watched_[i]->thread->abandon_round();
    round_ended(i, round, std::move(nothing));
  }

  void round_ended(std::size_t i, std::uint64_t round, Observation seen) {
    Watched& watched = *watched_[i];
    if (watched.round != round || watched.judged) return;
    watched.judged = true;
    watched.answered = true;
    watched.clock.cancel();
    if (seen.alive) {
      judge(i, HealthEvent::probe_ok);
    } else if (!answers_clients(i)) {
      judge(i, HealthEvent::probe_failed);
    }
    inputs_[i].record(std::move(seen));
    update();
  }

  void heard_traffic_error(std::size_t i) {
    judge(i, HealthEvent::traffic_error);
    suspicion(i, "a link to it was refused or broke");
    watched_[i]->thread->probe_now();
    update();
  }

  // Why it is in doubt, unless a failed probe has said something better.
  void suspicion(std::size_t i, std::string why) {
    if (inputs_[i].last_error.empty()) inputs_[i].last_error = std::move(why);
  }

  void judge(std::size_t i, HealthEvent event) {
    const auto state = watched_[i]->tracker.on(event, Clock::now());
    if (watched_[i]->thread) watched_[i]->thread->set_in_doubt(state == routing::Health::suspect);
  }

  void tick_later() {
    tick_.expires_after(tick_interval);
    tick_.async_wait([weak = weak_from_this()](error_code error) {
      const auto core = weak.lock();
      if (!error && core && core->running_) core->tick();
    });
  }

  void tick() {
    const TimePoint now = Clock::now();
    bool changed = false;
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      HealthTracker& tracker = watched_[i]->tracker;
      const std::uint64_t traffic = answered_(i);
      if (std::exchange(watched_[i]->traffic, traffic) != traffic)
        watched_[i]->answered_clients_at = now;
      const auto state = tracker.tick(now);
      watched_[i]->thread->set_in_doubt(state == routing::Health::suspect);
      changed = changed || !(tracker.status() == inputs_[i].health);
    }
    if (changed)
      update();
    else if (told_)
      write_log(read_news_.look(*current_, max_lag_, now));
    tick_later();
  }

  void update() {
    const TimePoint now = Clock::now();
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      inputs_[i].health = watched_[i]->tracker.status();
    const auto before = current_;
    auto next = std::make_shared<Topology>(derive(*before, inputs_, policy_, now));
    if (settings_->failover.mode == config::FailoverMode::off) hold_to(before->last_primary, *next);
    lag_.measure(*next, settings_->routing.max_lag, now);
    current_ = std::move(next);
    topology_.publish(current_);
    tell(now);
    // `current_` may have moved on when on_change_ returns.
    const auto after = current_;
    if (on_change_ && matters(*before, *after)) on_change_(*before, *after);
  }

  // failover.mode = "off": nobody but the primary that was found at the start.
  static void hold_to(const std::string& name, Topology& next) {
    if (name.empty() || !next.primary || next.backends[*next.primary].name == name) return;
    next.backends[*next.primary].role = routing::Role::unknown;
    next.backends[*next.primary].standing = routing::Exclusion::second_writer;
    next.primary.reset();
    next.primary_reason = routing::PrimaryReason::none_writable;
    next.last_primary = name;
  }

  // While some are still unheard of, the others are judged on half the evidence:
  // the first lines are written when the first round is over.
  void tell(TimePoint now) {
    if (!told_ && !first_round_done()) return;
    write_log(news(told_ ? *told_ : Topology{}, *current_));
    write_log(read_news_.look(*current_, max_lag_, now));
    told_ = current_;
  }

  asio::io_context& control_;
  const std::shared_ptr<const config::Settings> settings_;
  Published<Topology>& topology_;
  const OnChange on_change_;
  const Answered answered_;

  bool running_ = false;
  std::vector<BackendInput> inputs_;
  std::vector<std::unique_ptr<Watched>> watched_;  // as many as inputs_
  std::vector<std::chrono::milliseconds> max_lag_;
  routing::TopologyPolicy policy_;
  std::shared_ptr<const Topology> current_;
  std::shared_ptr<const Topology> told_;  // what the log has been told last
  routing::LagState lag_;
  ReadNews read_news_;
  Timer tick_;
};

Monitor::Monitor(asio::io_context& control, std::shared_ptr<const config::Settings> settings,
                 Published<Topology>& topology, OnChange on_change, Answered answered)
    : core_(std::make_shared<Core>(control, std::move(settings), topology, std::move(on_change),
                                   std::move(answered))) {}

Monitor::~Monitor() { stop(); }

void Monitor::start() { core_->start(); }

void Monitor::stop() { core_->stop(); }

void Monitor::traffic_error(std::size_t backend) noexcept { core_->traffic_error(backend); }

bool Monitor::set_admin_state(std::string_view backend, routing::AdminState state, std::string by,
                              std::string why) {
  return core_->set_admin_state(backend, state, std::move(by), std::move(why));
}

void Monitor::rule(std::string appointed, bool writes_held) {
  core_->rule(std::move(appointed), writes_held);
}

void Monitor::probe_now(std::string_view backend) { core_->probe_now(backend); }

bool Monitor::first_round_done() const { return core_->first_round_done(); }

}  // namespace sluice::proxy
