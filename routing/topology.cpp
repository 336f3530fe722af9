#include "routing/topology.hpp"

#include <algorithm>
#include <utility>

#include "routing/election.hpp"
#include "routing/replication_graph.hpp"

namespace sluice::routing {
namespace {

std::vector<BackendView> views_of(std::span<const BackendInput> inputs) {
  std::vector<BackendView> views(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto& view = views[i];
    const auto& input = inputs[i];
    view.id = i;
    view.name = input.name;
    view.address = input.address;
    view.weight = input.weight;
    view.admin = input.admin;
    view.health = input.health;
    view.seen = input.seen;
    view.last_error = input.last_error;
  }
  return views;
}

/// A backend that comes back with another identity is another backend, whatever
/// its address says.
bool same_server(const BackendView& before, const BackendView& now) {
  if (before.name != now.name || before.address != now.address) return false;
  if (!before.seen || !now.seen) return true;
  return before.seen->server_uuid == now.seen->server_uuid &&
         before.seen->server_id == now.seen->server_id;
}

/// Evidence from GTIDs alone that a read-only backend replicates from the primary.
bool executes_only_what(const GtidSet& primary, const GtidSet& executed) {
  if (!executed.shares_history(primary)) return false;
  const GtidSet more = executed.subtract(primary);
  // It may have been probed later than the primary, so it may be ahead, but only
  // with transactions of a kind that the primary has.
  const auto from_known_source = [&](const GtidIntervals& entry) {
    return std::any_of(primary.mysql().begin(), primary.mysql().end(),
                       [&](const auto& known) { return known.source.uuid == entry.source.uuid; });
  };
  const auto from_known_domain = [&](const GtidPosition& entry) {
    return std::any_of(primary.mariadb().begin(), primary.mariadb().end(),
                       [&](const auto& known) { return known.domain == entry.domain; });
  };
  return std::all_of(more.mysql().begin(), more.mysql().end(), from_known_source) &&
         std::all_of(more.mariadb().begin(), more.mariadb().end(), from_known_domain);
}

/// Gives each backend its role and standing once the primary is settled.
class Classifier {
 public:
  Classifier(Topology& topology, const ReplicationGraph& graph, std::optional<std::size_t> root)
      : topology_(topology), graph_(graph), root_(root) {
    const auto* primary = topology.primary_view();
    primary_lives_ = primary && primary->health.state != Health::down;
    primary_is_up_ = primary && primary->health.state == Health::up;
  }

  void classify(BackendView& view) const {
    if (topology_.primary == view.id) {
      view.role = Role::primary;
      view.membership = Membership::member;
      view.standing = Exclusion::is_primary;
      return;
    }
    if (!view.seen) return;
    if (root_ && graph_.leads_to(view.id, *root_)) {
      view.role = Role::replica;
      view.membership = Membership::member;
      // Without a primary its lag tells all there is to know, and failing over
      // stops replication for a moment on purpose.
      const bool stands_still = primary_lives_ && !graph_.applies(view.id, *root_);
      view.standing = stands_still ? Exclusion::not_replicating : Exclusion::none;
      return;
    }
    if (is_replica_by_gtid(view)) {
      view.role = Role::replica;
      view.membership = Membership::member;
      view.standing = Exclusion::none;
      return;
    }
    view.standing = stranger(view);
    if (view.standing == Exclusion::wrong_cluster && primary_is_up_)
      view.membership = Membership::foreign;
  }

 private:
  bool is_replica_by_gtid(const BackendView& view) const {
    const auto& seen = *view.seen;
    const bool status_tells_nothing =
        !seen.replication_known ||
        (seen.flavour == Flavour::mysql && graph_.has_unknown_source(view.id));
    return status_tells_nothing && !seen.writable() && view.gtid() && topology_.primary_gtid &&
           executes_only_what(topology_.primary_gtid->gtid, *view.gtid());
  }

  Exclusion stranger(const BackendView& view) const {
    const auto& seen = *view.seen;
    // On MariaDB, domains are alike everywhere: only having been a member counts.
    const bool related = seen.flavour == Flavour::mysql && topology_.primary_gtid &&
                         is_related(view, topology_.primary_gtid->gtid);
    const bool belongs = view.membership == Membership::member || related || root_ == view.id;
    if (graph_.has_known_source(view.id)) return Exclusion::other_source;
    if (graph_.has_unknown_source(view.id))
      return related ? Exclusion::other_source : Exclusion::wrong_cluster;
    if (seen.writable()) return belongs ? Exclusion::second_writer : Exclusion::wrong_cluster;
    const bool proven_foreign = seen.flavour == Flavour::mysql && topology_.primary_gtid &&
                                view.gtid() && !view.gtid()->empty() &&
                                !topology_.primary_gtid->gtid.empty();
    return belongs || !proven_foreign ? Exclusion::not_replicating : Exclusion::wrong_cluster;
  }

  Topology& topology_;
  const ReplicationGraph& graph_;
  std::optional<std::size_t> root_;
  bool primary_lives_ = false;
  bool primary_is_up_ = false;
};

std::vector<Alarm> alarms_of(const Topology& topology, const std::vector<std::size_t>& writers) {
  std::vector<Alarm> alarms;
  if (topology.fail_open) alarms.push_back({AlarmKind::fail_open, std::nullopt});
  if (!topology.primary) alarms.push_back({AlarmKind::no_primary, std::nullopt});
  for (const auto& view : topology.backends) {
    const bool is_writer = std::find(writers.begin(), writers.end(), view.id) != writers.end();
    if (view.standing == Exclusion::wrong_cluster)
      alarms.push_back({AlarmKind::wrong_cluster, view.id});
    else if (is_writer && topology.primary != view.id && (topology.primary || writers.size() > 1))
      alarms.push_back({AlarmKind::two_writers, view.id});
  }
  return alarms;
}

}  // namespace

void BackendInput::record(Observation observation) {
  if (observation.alive) {
    seen = std::move(observation);
    last_error.clear();
  } else {
    last_error = std::move(observation.error);
  }
}

std::optional<milliseconds> BackendView::lag_at(TimePoint now) const noexcept {
  if (!lag || lag_frozen || now <= lag_known_at) return lag;
  return *lag + std::chrono::ceil<milliseconds>(now - lag_known_at);
}

const GtidSet* BackendView::gtid() const noexcept {
  return seen && seen->gtid ? &*seen->gtid : nullptr;
}

const BackendView* Topology::primary_view() const noexcept {
  return primary ? &backends[*primary] : nullptr;
}

const BackendView* Topology::find(std::string_view name) const noexcept {
  const auto at = std::find_if(backends.begin(), backends.end(),
                               [&](const auto& backend) { return backend.name == name; });
  return at != backends.end() ? &*at : nullptr;
}

bool Topology::has_alarm(AlarmKind kind) const noexcept {
  return std::any_of(alarms.begin(), alarms.end(),
                     [&](const Alarm& alarm) { return alarm.kind == kind; });
}

Topology derive(const Topology& previous, std::span<const BackendInput> inputs,
                const TopologyPolicy& policy, TimePoint now) {
  Topology next;
  next.derived_at = now;
  next.backends = views_of(inputs);
  const ReplicationGraph graph(inputs);

  std::vector<HealthStatus> health;
  for (const auto& input : inputs) health.push_back(input.health);
  next.fail_open = fail_open(health, policy.fail_open_window);

  std::optional<std::size_t> present;
  std::optional<std::size_t> last;
  for (auto& view : next.backends) {
    view.health_distrusted = next.fail_open;
    const auto* before = previous.find(view.name);
    if (!before || !same_server(*before, view)) continue;
    view.membership = before->membership;
    if (previous.primary == before->id) present = view.id;
    if (previous.last_primary == view.name) last = view.id;
  }
  if (!present && next.fail_open) present = last;
  next.writes_held = policy.writes_held;
  std::optional<std::size_t> appointed;
  if (const auto* view = next.find(policy.appointed)) appointed = view->id;
  if (appointed && present != appointed) present.reset();

  const auto election =
      elect({.backends = next.backends,
             .graph = graph,
             .present = present,
             .appointed = appointed,
             .past = previous.primary_gtid ? &previous.primary_gtid->gtid : nullptr,
             .cold_start = previous.last_primary.empty(),
             .fail_open = next.fail_open});
  next.primary = election.primary;
  next.primary_reason = election.reason;

  const bool is_same = next.primary && next.primary == last;
  const bool gained = next.primary && !(previous.primary && is_same);
  next.epoch = previous.epoch + (gained ? 1 : 0);
  next.last_primary = next.primary ? next.backends[*next.primary].name : previous.last_primary;
  if (!next.primary || is_same) next.primary_gtid = previous.primary_gtid;
  if (const auto* primary = next.primary_view(); primary && primary->gtid())
    next.primary_gtid = PrimaryGtid{primary->seen->started_at, *primary->gtid()};

  // While an appointed one is not open yet, the others still follow the last.
  const auto root = next.primary ? next.primary : last ? last : graph.sole_root();
  const Classifier classifier(next, graph, root);
  for (auto& view : next.backends) classifier.classify(view);
  next.alarms = alarms_of(next, election.writers);
  return next;
}

}  // namespace sluice::routing
