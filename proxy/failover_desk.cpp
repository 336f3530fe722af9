#include "proxy/failover_desk.hpp"

#include <future>
#include <utility>

#include "proxy/last_look.hpp"
#include "proxy/log.hpp"
#include "proxy/startup_error.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::Clock;
using routing::Topology;

constexpr auto rule_patience = 2s;

}  // namespace

FailoverDesk::FailoverDesk(std::shared_ptr<const config::Settings> settings, FailoverLinks links)
    : settings_(std::move(settings)), links_(std::move(links)) {
  if (!promotes()) return;
  std::string trouble = load_state(settings_->failover.state_file, state_);
  // Better now than in the middle of a failover.
  if (trouble.empty()) trouble = save_state(settings_->failover.state_file, state_);
  if (!trouble.empty()) throw StartupError(trouble);
  counted = state_.goal && state_.last_look;
}

bool FailoverDesk::promotes() const {
  return settings_->failover.mode == config::FailoverMode::promote;
}

std::shared_ptr<const Topology> FailoverDesk::topology() const {
  auto seen = std::make_shared<Topology>(*links_.topology());
  const std::scoped_lock lock(mutex_);
  amend(*seen, state_);
  return seen;
}

void FailoverDesk::on_control(std::function<void(const FailoverLinks&)> what) {
  links_.on_control([weak = weak_from_this(), act = std::move(what)] {
    const auto desk = weak.lock();
    if (desk && !desk->stopping_) act(desk->links_);
  });
}

bool FailoverDesk::rule(const std::string& appointed, bool writes_held) {
  auto done = std::make_shared<std::promise<void>>();
  auto over = done->get_future();
  on_control([appointed, writes_held, done](const FailoverLinks& links) {
    links.rule(appointed, writes_held);
    done->set_value();
  });
  const auto until = Clock::now() + rule_patience;
  while (Clock::now() < until && !stopping_)
    if (over.wait_for(5ms) == std::future_status::ready) return true;
  return false;
}

void FailoverDesk::probe_now(std::size_t backend) {
  on_control([name = settings_->backends[backend].name](const FailoverLinks& links) {
    links.probe_now(name);
  });
}

routing::FailoverFacts FailoverDesk::facts(const Topology& seen) const {
  routing::FailoverFacts known{.topology = seen};
  const std::scoped_lock lock(mutex_);
  for (const auto& view : seen.backends) {
    routing::MemberFacts member;
    if (const auto* configured = config::find_backend(*settings_, view.name))
      member.may_promote = configured->promote;
    for (const Deposed& one : state_.deposed) {
      if (one.name != view.name) continue;
      member.deposed = true;
      member.quarantined = one.quarantined;
    }
    known.members.push_back(member);
  }
  if (counted) known.acknowledged = links_.acknowledged();
  known.traffic_lost = traffic_lost;
  return known;
}

std::string FailoverDesk::change(bool durable, const std::function<void(FailoverState&)>& how) {
  const std::scoped_lock lock(mutex_);
  how(state_);
  if (!durable) return {};
  trouble_ = save_state(settings_->failover.state_file, state_);
  if (!trouble_.empty()) log::error("failover", "{}", trouble_);
  return trouble_;
}

void FailoverDesk::progress(const std::string& words) {
  const std::scoped_lock lock(mutex_);
  doing_ = words;
}

std::string FailoverDesk::appointed() const {
  const std::scoped_lock lock(mutex_);
  return state_.appointed;
}

FailoverReport FailoverDesk::report() const {
  const std::scoped_lock lock(mutex_);
  return {.mode = {},
          .doing = doing_,
          .appointed = state_.appointed,
          .trouble = trouble_,
          .deposed = state_.deposed,
          .privileges = {},
          .history = state_.history};
}

}  // namespace sluice::proxy
