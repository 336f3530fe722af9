#include "routing/lag.hpp"

#include <algorithm>

namespace sluice::routing {
namespace {

milliseconds since(TimePoint then, TimePoint now) noexcept {
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(now - then));
}

}  // namespace

LagTracker::LagTracker(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 4)) {}

void LagTracker::sample(TimePoint taken_at, const GtidSet& gtid) {
  if (!samples_.empty() && taken_at < samples_.back().last_at) return;
  stopped_ = false;
  while (!samples_.empty() && !gtid.covers(samples_.back().gtid)) samples_.pop_back();
  if (!samples_.empty() && samples_.back().gtid == gtid) {
    samples_.back().last_at = taken_at;
    return;
  }
  if (samples_.size() >= capacity_) thin();
  samples_.push_back({taken_at, taken_at, gtid});
}

void LagTracker::thin() {
  // Every second one of the older half, but neither the oldest, which tells how
  // far back we see, nor its like in the newer half, where precision matters.
  const std::size_t half = samples_.size() / 2;
  std::size_t kept = 1;
  for (std::size_t i = 1; i < samples_.size(); ++i) {
    if (i < half && i % 2 == 1) continue;
    if (kept != i) samples_[kept] = std::move(samples_[i]);
    ++kept;
  }
  samples_.erase(samples_.begin() + static_cast<std::ptrdiff_t>(kept), samples_.end());
}

LagReading LagTracker::read(const GtidSet& executed, TimePoint now) const noexcept {
  if (samples_.empty()) return {};
  if (stopped_) now = samples_.back().last_at;
  // Each sample covers the one before, so those that are executed stand in front.
  const auto missing =
      std::partition_point(samples_.begin(), samples_.end(),
                           [&](const Sample& sample) { return executed.covers(sample.gtid); });
  LagReading reading;
  if (missing != samples_.begin()) reading.at_most = since(std::prev(missing)->last_at, now);
  if (missing != samples_.end()) reading.at_least = since(missing->first_at, now);
  return reading;
}

void LagTracker::clear() noexcept {
  samples_.clear();
  stopped_ = false;
}

bool LagGate::within(std::optional<milliseconds> lag, milliseconds bound,
                     TimePoint probe) noexcept {
  if (!lag || *lag > bound) {
    open_ = false;
    good_ = 0;
    last_probe_ = probe;
    return false;
  }
  if (open_) return true;
  if (last_probe_ != probe) {
    last_probe_ = probe;
    ++good_;
  }
  const bool well_within =
      std::chrono::duration<double>(*lag) <= std::chrono::duration<double>(bound) * return_part;
  open_ = well_within || good_ >= return_probes;
  return open_;
}

void LagState::measure(Topology& topology, milliseconds bound, TimePoint now) {
  if (topology.primary_gtid)
    tracker_.sample(topology.primary_gtid->read_at, topology.primary_gtid->gtid);
  const auto* primary = topology.primary_view();
  if (!primary || primary->health.state == Health::down) tracker_.stop_time();

  std::map<std::string, LagGate, std::less<>> gates;
  for (auto& backend : topology.backends) {
    backend.lag_known_at = now;
    backend.lag_frozen = tracker_.time_stopped();
    backend.catching_up = false;
    backend.lag.reset();
    backend.lag_at_least = milliseconds{0};
    if (backend.role == Role::primary) {
      backend.lag = milliseconds{0};
      continue;
    }
    if (backend.role != Role::replica) continue;
    if (const auto* executed = backend.gtid()) {
      const auto reading = tracker_.read(*executed, now);
      backend.lag = reading.at_most;
      backend.lag_at_least = reading.at_least;
    }
    const auto known = gates_.find(backend.name);
    auto& gate = gates[backend.name] = known != gates_.end() ? known->second : LagGate{};
    const TimePoint probe = backend.seen ? backend.seen->started_at : now;
    backend.catching_up = !gate.within(backend.lag, bound, probe);
  }
  gates_ = std::move(gates);
}

}  // namespace sluice::routing
