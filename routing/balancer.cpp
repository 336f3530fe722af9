#include "routing/balancer.hpp"

#include <algorithm>

namespace sluice::routing {
namespace {

// splitmix64: callers may pass a plain counter as seed.
std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// What a candidate may carry relative to others; 0 only if it must not be taken.
double capacity(const Candidate& candidate, bool all_weightless) noexcept {
  const double weight = all_weightless ? 1.0 : candidate.weight;
  return weight * std::clamp(candidate.warmth, 0.01, 1.0);
}

Exclusion lag_verdict(const BackendView& backend, milliseconds bound, TimePoint now) noexcept {
  const auto lag = backend.lag_at(now);
  if (!lag) return backend.lag_at_least > bound ? Exclusion::lagging : Exclusion::lag_unknown;
  if (*lag > bound) return Exclusion::lagging;
  // Not readmitted yet: what it shows must be well within the bound (lag.hpp).
  if (backend.catching_up && *lag > bound - bound / 5) return Exclusion::lagging;
  return Exclusion::none;
}

}  // namespace

Exclusion verdict(const BackendView& backend, const ReadRequirement& requirement,
                  TimePoint now) noexcept {
  if (backend.admin.state == AdminState::offline) return Exclusion::offline;
  if (backend.admin.state == AdminState::drain) return Exclusion::draining;
  const bool trust_health = !backend.health_distrusted;
  if (trust_health && backend.health.state == Health::down) return Exclusion::down;
  if (backend.standing != Exclusion::none) return backend.standing;
  if (trust_health && backend.health.state != Health::up) return Exclusion::suspect;
  if (requirement.max_lag) {
    const auto excluded = lag_verdict(backend, *requirement.max_lag, now);
    if (excluded != Exclusion::none) return excluded;
  }
  if (requirement.required && !requirement.required->empty()) {
    const auto* executed = backend.gtid();
    if (!executed || !executed->covers(*requirement.required)) return Exclusion::gtid_behind;
  }
  return Exclusion::none;
}

std::optional<std::size_t> choose(std::span<const Candidate> candidates,
                                  std::uint64_t seed) noexcept {
  if (candidates.empty()) return std::nullopt;
  const bool all_weightless = std::all_of(candidates.begin(), candidates.end(),
                                          [](const Candidate& c) { return c.weight == 0; });
  const std::uint64_t luck = mix(seed);
  const bool overlook_latency = luck % 32 == 0;

  const auto load = [&](const Candidate& c) { return c.in_flight / capacity(c, all_weightless); };
  const auto usable = [&](const Candidate& c) { return all_weightless || c.weight > 0; };

  std::optional<double> least;
  for (const auto& c : candidates)
    if (usable(c) && (!least || load(c) < *least)) least = load(c);

  const auto least_loaded = [&](const Candidate& c) { return usable(c) && load(c) <= *least; };
  double fastest = 0;
  for (const auto& c : candidates)
    if (least_loaded(c) && c.latency_us > 0 && (fastest == 0 || c.latency_us < fastest))
      fastest = c.latency_us;

  const auto finalist = [&](const Candidate& c) {
    return least_loaded(c) && (overlook_latency || fastest == 0 || c.latency_us <= 2 * fastest);
  };
  double total = 0;
  for (const auto& c : candidates)
    if (finalist(c)) total += capacity(c, all_weightless);

  // 53 bits of luck make a fraction in [0, 1).
  double draw = static_cast<double>(luck >> 11) * 0x1p-53 * total;
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!finalist(candidates[i])) continue;
    chosen = i;
    draw -= capacity(candidates[i], all_weightless);
    if (draw < 0) break;
  }
  return chosen;
}

}  // namespace sluice::routing
