#include "routing/health.hpp"

#include <algorithm>

namespace sluice::routing {

std::string_view to_string(Health health) noexcept {
  switch (health) {
    case Health::unknown: return "unknown";
    case Health::up: return "up";
    case Health::suspect: return "suspect";
    case Health::down: return "down";
  }
  return "?";
}

std::string_view to_string(HealthEvent event) noexcept {
  switch (event) {
    case HealthEvent::probe_ok: return "probe_ok";
    case HealthEvent::probe_failed: return "probe_failed";
    case HealthEvent::probe_overdue: return "probe_overdue";
    case HealthEvent::traffic_error: return "traffic_error";
  }
  return "?";
}

double HealthStatus::warmth(TimePoint now) const noexcept {
  if (!warming_since || slow_start <= milliseconds{0}) return 1.0;
  const double part = std::chrono::duration<double>(now - *warming_since) /
                      std::chrono::duration<double>(slow_start);
  return std::clamp(part, std::clamp(slow_start_floor, 0.0, 1.0), 1.0);
}

Health HealthTracker::on(HealthEvent event, TimePoint now) noexcept {
  switch (event) {
    case HealthEvent::probe_ok: succeed(now); break;
    case HealthEvent::probe_failed:
      successes_ = 0;
      ++failures_;
      suspect(now);
      if (status_.state == Health::suspect && failures_ >= policy_.down_failures)
        enter(Health::down, now);
      break;
    case HealthEvent::probe_overdue:
    case HealthEvent::traffic_error:
      // Neither proves that the backend is dead: a client's link may break for
      // its own reasons. They cost it its new reads and its good record.
      successes_ = 0;
      suspect(now);
      break;
  }
  return tick(now);
}

Health HealthTracker::tick(TimePoint now) noexcept {
  if (status_.state == Health::suspect && failures_ > 0 &&
      now - status_.since >= policy_.down_after)
    enter(Health::down, now);
  return status_.state;
}

void HealthTracker::enter(Health state, TimePoint now) noexcept {
  status_.state = state;
  status_.since = now;
  if (state == Health::down) status_.warming_since.reset();
}

void HealthTracker::succeed(TimePoint now) noexcept {
  ++successes_;
  if (successes_ >= policy_.up_successes) failures_ = 0;
  switch (status_.state) {
    case Health::up: break;
    case Health::unknown:
    case Health::suspect: enter(Health::up, now); break;
    case Health::down:
      if (successes_ < policy_.up_successes) break;
      enter(Health::up, now);
      status_.warming_since = now;
      status_.slow_start = policy_.slow_start;
      status_.slow_start_floor = policy_.slow_start_floor;
      break;
  }
}

void HealthTracker::suspect(TimePoint now) noexcept {
  if (status_.state == Health::up || status_.state == Health::unknown) enter(Health::suspect, now);
}

bool fail_open(std::span<const HealthStatus> backends, milliseconds window) noexcept {
  if (backends.empty()) return false;
  const auto is_down = [](const HealthStatus& status) { return status.state == Health::down; };
  if (!std::all_of(backends.begin(), backends.end(), is_down)) return false;
  const auto [first, last] = std::minmax_element(
      backends.begin(), backends.end(),
      [](const HealthStatus& a, const HealthStatus& b) { return a.since < b.since; });
  return last->since - first->since <= window;
}

}  // namespace sluice::routing
