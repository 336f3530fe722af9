#include "proxy/topology_news.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "routing/balancer.hpp"

namespace sluice::proxy {
namespace {

using config::LogLevel;
using routing::AdminState;
using routing::Alarm;
using routing::BackendView;
using routing::Exclusion;
using routing::Health;
using routing::Role;
using routing::Topology;

std::string in_brackets(const std::string& text) {
  return text.empty() ? std::string() : fmt::format(" ({})", text);
}

void tell_primary(const Topology& before, const Topology& after, std::vector<NewsLine>& lines) {
  const bool same = before.primary == after.primary && before.epoch == after.epoch;
  if (same && (after.primary || before.primary_reason == after.primary_reason)) return;
  const auto reason = to_string(after.primary_reason);
  if (const BackendView* primary = after.primary_view())
    lines.push_back({LogLevel::info, fmt::format("{} is the primary: {}, epoch {}", primary->name,
                                                 reason, after.epoch)});
  else
    lines.push_back({LogLevel::warning, fmt::format("there is no primary: {}", reason)});
}

void tell_alarms(const Topology& before, const Topology& after, std::vector<NewsLine>& lines) {
  const auto has = [](const Topology& topology, const Alarm& alarm) {
    return std::find(topology.alarms.begin(), topology.alarms.end(), alarm) !=
           topology.alarms.end();
  };
  const auto whom = [&](const Alarm& alarm) {
    return alarm.backend && *alarm.backend < after.backends.size()
               ? ": " + after.backends[*alarm.backend].name
               : std::string();
  };
  for (const Alarm& alarm : after.alarms)
    if (!has(before, alarm))
      lines.push_back(
          {LogLevel::warning, fmt::format("alarm {}{}", to_string(alarm.kind), whom(alarm))});
  for (const Alarm& alarm : before.alarms)
    if (!has(after, alarm))
      lines.push_back(
          {LogLevel::info, fmt::format("alarm over {}{}", to_string(alarm.kind), whom(alarm))});
}

void tell_backend(const BackendView& before, const BackendView& after,
                  std::vector<NewsLine>& lines) {
  if (before.health.state != after.health.state) {
    const bool good = after.health.state == Health::up;
    const std::string why = good ? std::string() : in_brackets(after.last_error);
    lines.push_back({good ? LogLevel::info : LogLevel::warning,
                     fmt::format("{} is {}{}", after.name, to_string(after.health.state), why)});
  }
  if (before.role != after.role && after.role != Role::primary)
    lines.push_back({LogLevel::info, after.role == Role::replica
                                         ? fmt::format("{} is a replica", after.name)
                                         : fmt::format("{} is neither primary nor replica: {}",
                                                       after.name, to_string(after.standing))});
  if (before.admin.state != after.admin.state)
    lines.push_back({LogLevel::info,
                     fmt::format("{} is set {} by {}{}", after.name, to_string(after.admin.state),
                                 after.admin.by, in_brackets(after.admin.why))});
}

// Told by a line of its own whenever it comes or goes.
bool told_elsewhere(Exclusion exclusion) {
  switch (exclusion) {
    case Exclusion::offline:
    case Exclusion::draining:
    case Exclusion::never_seen:
    case Exclusion::down:
    case Exclusion::suspect:
    case Exclusion::is_primary: return true;
    default: return false;
  }
}

}  // namespace

std::vector<NewsLine> news(const Topology& before, const Topology& after) {
  std::vector<NewsLine> lines;
  for (std::size_t i = 0; i < after.backends.size(); ++i)
    tell_backend(i < before.backends.size() ? before.backends[i] : BackendView{}, after.backends[i],
                 lines);
  tell_primary(before, after, lines);
  tell_alarms(before, after, lines);
  return lines;
}

bool matters(const Topology& before, const Topology& after) {
  const auto same = [](const BackendView& a, const BackendView& b) {
    return a.health == b.health && a.role == b.role && a.standing == b.standing &&
           a.admin.state == b.admin.state && a.health_distrusted == b.health_distrusted &&
           a.catching_up == b.catching_up && a.lag.has_value() == b.lag.has_value() &&
           a.weight == b.weight;
  };
  return before.primary != after.primary || before.epoch != after.epoch ||
         before.fail_open != after.fail_open || before.writes_held != after.writes_held ||
         !std::equal(before.backends.begin(), before.backends.end(), after.backends.begin(),
                     after.backends.end(), same);
}

std::vector<NewsLine> ReadNews::look(const Topology& topology,
                                     const std::vector<std::chrono::milliseconds>& max_lag,
                                     routing::TimePoint now) {
  std::vector<NewsLine> lines;
  told_.resize(topology.backends.size(), Exclusion::never_seen);
  for (std::size_t i = 0; i < topology.backends.size(); ++i) {
    const BackendView& backend = topology.backends[i];
    const routing::ReadRequirement requirement{.max_lag = max_lag.at(i), .required = nullptr};
    const Exclusion exclusion = verdict(backend, requirement, now);
    if (exclusion == told_[i]) continue;
    told_[i] = exclusion;
    if (exclusion == Exclusion::none) {
      lines.push_back({LogLevel::info, fmt::format("{} serves reads", backend.name)});
    } else if (!told_elsewhere(exclusion)) {
      const auto lag = backend.lag_at(now);
      const std::string how_much = exclusion == Exclusion::lagging && lag
                                       ? fmt::format(", {} ms", lag->count())
                                       : std::string();
      lines.push_back({LogLevel::warning, fmt::format("{} serves no reads: {}{}", backend.name,
                                                      to_string(exclusion), how_much)});
    }
  }
  return lines;
}

}  // namespace sluice::proxy
