#include "routing/candidate.hpp"

#include <algorithm>

#include "routing/errant.hpp"

namespace sluice::routing {
namespace {

/// A sound survivor: what it has came from the primary, whether it may be promoted or not.
bool is_sound(const Ruling& ruling) {
  return ruling.fitness == Fitness::fit || ruling.fitness == Fitness::not_permitted ||
         ruling.fitness == Fitness::offline || ruling.fitness == Fitness::cannot_feed;
}

class Judge {
 public:
  Judge(const FailoverFacts& facts, std::size_t primary)
      : facts_(facts),
        backends_(facts.topology.backends),
        primary_(primary),
        graph_(graph_of(facts.topology)) {}

  [[nodiscard]] Ruling rule(std::size_t id) const {
    Ruling ruling;
    ruling.backend = id;
    ruling.partner = id != primary_ && graph_.follows(id, primary_) && graph_.follows(primary_, id);
    ruling.fitness = fitness(id, ruling);
    return ruling;
  }

 private:
  [[nodiscard]] Fitness fitness(std::size_t id, Ruling& ruling) const {
    const BackendView& view = backends_[id];
    const MemberFacts member = facts_.member(id);
    if (id == primary_) return Fitness::lost;
    if (view.health.state != Health::up || !view.seen || !view.seen->alive) return Fitness::not_up;
    if (member.quarantined) return Fitness::quarantined;
    if (!graph_.leads_to(id, primary_) && view.membership != Membership::member)
      return Fitness::not_member;
    if (!view.gtid() || !facts_.topology.backends[primary_].seen) return Fitness::gtid_unknown;
    const auto errant = errant_beside(*backends_[primary_].seen, *view.seen);
    if (!errant) return Fitness::gtid_unknown;
    // The halves of a pair exchange what each has written.
    if (!errant->empty() && !ruling.partner) {
      ruling.errant = *errant;
      return Fitness::errant;
    }
    // From here on it is sound, whatever else speaks against it.
    if (view.admin.state != AdminState::online) return Fitness::offline;
    if (!member.may_promote) return Fitness::not_permitted;
    if (!view.seen->feeds_others) return Fitness::cannot_feed;
    const auto& sources = view.seen->sources;
    const bool stands_still =
        std::any_of(sources.begin(), sources.end(),
                    [](const ReplicationSource& source) { return !source.sql_running; });
    if (stands_still && !facts_.drained) return Fitness::applier_stopped;
    return Fitness::fit;
  }

  const FailoverFacts& facts_;
  const std::vector<BackendView>& backends_;
  std::size_t primary_;
  ReplicationGraph graph_;
};

}  // namespace

std::string_view to_string(Fitness fitness) noexcept {
  switch (fitness) {
    case Fitness::fit: return "fit";
    case Fitness::lost: return "lost";
    case Fitness::offline: return "offline";
    case Fitness::not_permitted: return "not_permitted";
    case Fitness::not_up: return "not_up";
    case Fitness::not_member: return "not_member";
    case Fitness::quarantined: return "quarantined";
    case Fitness::cannot_feed: return "cannot_feed";
    case Fitness::applier_stopped: return "applier_stopped";
    case Fitness::gtid_unknown: return "gtid_unknown";
    case Fitness::errant: return "errant";
  }
  return "?";
}

ReplicationGraph graph_of(const Topology& topology) {
  std::vector<BackendInput> inputs;
  for (const BackendView& view : topology.backends) {
    BackendInput input;
    input.name = view.name;
    input.address = view.address;
    input.seen = view.seen;
    inputs.push_back(std::move(input));
  }
  return ReplicationGraph(inputs);
}

Choice choose_candidate(const FailoverFacts& facts, std::size_t primary) {
  const auto& backends = facts.topology.backends;
  Choice choice;
  const Judge judge(facts, primary);
  for (std::size_t id = 0; id < backends.size(); ++id) choice.rulings.push_back(judge.rule(id));

  const auto is_better = [&](const Ruling& a, const Ruling& b) {
    const GtidOrder order = backends[a.backend].gtid()->compare(*backends[b.backend].gtid());
    if (order != GtidOrder::equal) return order == GtidOrder::ahead;
    if (a.partner != b.partner) return a.partner;
    return backends[a.backend].weight > backends[b.backend].weight;
  };
  const Ruling* best = nullptr;
  for (const Ruling& ruling : choice.rulings)
    if (ruling.fitness == Fitness::fit && (best == nullptr || is_better(ruling, *best)))
      best = &ruling;
  if (best == nullptr) return choice;

  const GtidSet& has = *backends[best->backend].gtid();
  choice.incomparable =
      !std::all_of(choice.rulings.begin(), choice.rulings.end(), [&](const Ruling& other) {
        return other.fitness != Fitness::fit || has.covers(*backends[other.backend].gtid());
      });
  if (choice.incomparable && facts.drained) return choice;
  choice.winner = best->backend;

  GtidSet committed;
  if (facts.topology.primary_gtid) committed = facts.topology.primary_gtid->gtid;
  if (backends[primary].gtid()) committed = committed.merge(*backends[primary].gtid());
  if (facts.acknowledged) committed = committed.merge(*facts.acknowledged);
  for (const Ruling& ruling : choice.rulings)
    if (is_sound(ruling)) committed = committed.merge(*backends[ruling.backend].gtid());
  choice.lacks = committed.subtract(has);
  return choice;
}

}  // namespace sluice::routing
