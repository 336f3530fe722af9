#include "routing/election.hpp"

#include <algorithm>

namespace sluice::routing {
namespace {

bool last_seen_writable(const BackendView& backend) {
  return backend.seen && backend.seen->writable();
}

/// A member that is not known dead replicates from `to`.
bool followed_by_member(const ElectionFacts& facts, std::size_t to) {
  for (const auto& backend : facts.backends) {
    if (backend.membership == Membership::member && backend.health.state != Health::down &&
        facts.graph.follows(backend.id, to))
      return true;
  }
  return false;
}

/// What those replicate who follow neither this backend nor are followed by it:
/// at a cold start the only trace of the cluster's past.
GtidSet past_of_others(const ElectionFacts& facts, std::size_t candidate) {
  GtidSet past;
  for (const auto& other : facts.backends) {
    if (other.id == candidate || !other.gtid() || other.seen->writable() ||
        other.seen->sources.empty() || facts.graph.leads_to(other.id, candidate))
      continue;
    past = past.merge(*other.gtid());
  }
  return past;
}

bool may_inherit(const ElectionFacts& facts, std::size_t candidate) {
  const auto& backend = facts.backends[candidate];
  if (backend.membership == Membership::member || followed_by_member(facts, candidate)) return true;
  if (backend.membership == Membership::foreign) return false;
  if (facts.past) return facts.past->empty() || is_related(backend, *facts.past);
  const GtidSet past = past_of_others(facts, candidate);
  return past.empty() || is_related(backend, past);
}

bool all_seen_or_given_up(const ElectionFacts& facts) {
  return std::all_of(facts.backends.begin(), facts.backends.end(), [](const BackendView& backend) {
    return backend.seen || backend.health.state == Health::down ||
           backend.admin.state == AdminState::offline;
  });
}

/// Of several candidates the one that the others replicate from.
std::optional<std::size_t> followed_by_others(const ElectionFacts& facts,
                                              const std::vector<std::size_t>& candidates) {
  const auto& graph = facts.graph;
  const auto is_candidate = [&](std::size_t id) {
    return std::find(candidates.begin(), candidates.end(), id) != candidates.end();
  };
  // Best evidence: it has followers and follows no rival itself.
  std::optional<std::size_t> root;
  bool several = false;
  for (const auto candidate : candidates) {
    const bool follows_rival =
        std::any_of(candidates.begin(), candidates.end(),
                    [&](std::size_t rival) { return graph.leads_to(candidate, rival); });
    const bool has_followers =
        std::any_of(facts.backends.begin(), facts.backends.end(),
                    [&](const BackendView& other) { return graph.leads_to(other.id, candidate); });
    if (follows_rival || !has_followers) continue;
    several = root.has_value();
    root = candidate;
    if (several) return std::nullopt;
  }
  if (root) return root;
  // A ring: those outside it decide.
  std::size_t most = 0;
  std::optional<std::size_t> leader;
  for (const auto candidate : candidates) {
    const auto followers = static_cast<std::size_t>(
        std::count_if(facts.backends.begin(), facts.backends.end(), [&](const BackendView& other) {
          return !is_candidate(other.id) && graph.follows(other.id, candidate);
        }));
    if (followers == most) leader.reset();
    if (followers > most) {
      most = followers;
      leader = candidate;
    }
  }
  return leader;
}

}  // namespace

bool is_related(const BackendView& backend, const GtidSet& past) noexcept {
  return backend.gtid() && backend.gtid()->shares_history(past);
}

Election elect(const ElectionFacts& facts) {
  const auto& backends = facts.backends;
  Election result;
  std::vector<std::size_t> candidates;
  std::size_t foreigners = 0;
  std::size_t passed_over = 0;
  for (const auto& backend : backends) {
    if (!last_seen_writable(backend) || backend.health.state != Health::up) continue;
    result.writers.push_back(backend.id);
    if (backend.admin.state == AdminState::offline) continue;
    if (facts.appointed) {
      // Who it is was settled by those who appointed it.
      if (facts.appointed == backend.id)
        candidates.push_back(backend.id);
      else
        ++passed_over;
      continue;
    }
    if (may_inherit(facts, backend.id))
      candidates.push_back(backend.id);
    else
      ++foreigners;
  }

  if (facts.present && last_seen_writable(backends[*facts.present])) {
    const auto& present = backends[*facts.present];
    const bool holds = present.health.state == Health::up ||
                       present.health.state == Health::suspect || facts.fail_open;
    // The operator's "offline" is the one thing that lets another writer in.
    const bool yields = present.admin.state == AdminState::offline && !candidates.empty();
    if (holds && !yields) {
      result.primary = facts.present;
      if (present.health.state == Health::up)
        result.reason = result.writers.size() > 1 ? PrimaryReason::still_writable
                                                  : PrimaryReason::sole_writable;
      else
        result.reason = facts.fail_open && present.health.state == Health::down
                            ? PrimaryReason::kept_fail_open
                            : PrimaryReason::kept_while_suspect;
      return result;
    }
  }

  const bool any_seen = std::any_of(backends.begin(), backends.end(),
                                    [](const BackendView& backend) { return backend.seen; });
  if (!any_seen) {
    result.reason = PrimaryReason::nothing_seen;
  } else if (facts.cold_start && !all_seen_or_given_up(facts)) {
    result.reason = PrimaryReason::not_all_seen;
  } else if (candidates.empty() && passed_over > 0) {
    result.reason = PrimaryReason::not_appointed;
  } else if (candidates.empty()) {
    result.reason = foreigners > 0 ? PrimaryReason::foreign_writer : PrimaryReason::none_writable;
  } else if (candidates.size() == 1) {
    result.primary = candidates.front();
    result.reason = PrimaryReason::sole_writable;
  } else {
    result.primary = followed_by_others(facts, candidates);
    result.reason =
        result.primary ? PrimaryReason::followed_by_others : PrimaryReason::ambiguous_writers;
  }
  return result;
}

}  // namespace sluice::routing
