// The planner against a thousand generated clusters on each engine, judged by a model
// that knows every transaction.
#include <gtest/gtest.h>

#include <random>

#include "tests/routing/failover_model.hpp"

namespace sluice::routing {
namespace {

using model::Cluster;
using model::Execution;
using model::Outcome;
using model::Server;
using model::Transaction;

constexpr unsigned clusters_per_engine = 1000;

/// A cluster whose b0 is, or was, the primary.
class Generated {
 public:
  Generated(Flavour flavour, unsigned seed)
      : luck_(seed), flavour_(flavour), cluster(flavour, 2 + one_of(5)) {
    Server& primary = cluster.servers[0];
    primary.read_only = false;
    const unsigned domains = flavour == Flavour::mariadb ? 1 + one_of(2) : 1;
    for (unsigned i = 0, n = 5 + one_of(20); i < n; ++i) cluster.write(0, one_of(domains));
    for (std::size_t id = 1; id < cluster.servers.size(); ++id) add_replica(id);
    cluster.appointed = 0;
    cluster.look();
    seen_by_probe = primary.log;
    // Committed after the last probe; a part of it has been sent to replicas.
    for (unsigned i = 0, n = one_of(4); i < n; ++i) {
      const Transaction late = cluster.write(0);
      for (std::size_t id = 1; id < cluster.servers.size(); ++id)
        if (has_all_before(cluster.servers[id], late) && chance(60))
          cluster.servers[id].received.push_back(late);
    }
    acknowledged = chance(50) ? cluster.gtid_of(primary.log) : GtidSet();
    counted = chance(90);
    policy.mode = config::FailoverMode::promote;
    policy.allow_loss = chance(40);
  }

  unsigned one_of(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(luck_); }
  bool chance(unsigned percent) { return one_of(100) < percent; }
  const GtidSet* count() const { return counted ? &acknowledged : nullptr; }

 private:
  bool has_all_before(const Server& server, const Transaction& late) const {
    const auto& log = cluster.servers[0].log;
    return std::all_of(log.begin(), log.end(), [&](const Transaction& one) {
      return one >= late || one.domain != late.domain || server.has(one) ||
             std::find(server.received.begin(), server.received.end(), one) !=
                 server.received.end();
    });
  }

  void add_replica(std::size_t id) {
    Server& server = cluster.servers[id];
    const auto& all = cluster.servers[0].log;
    server.sources = {chance(15) && id > 1 ? 1 + one_of(static_cast<unsigned>(id) - 1) : 0};
    // Of each domain a prefix is received, and of that a prefix applied.
    std::map<std::uint32_t, std::size_t> left;
    std::map<std::uint32_t, std::size_t> queued;
    const bool current = chance(50);
    for (std::uint32_t domain = 0; domain < 2; ++domain) {
      left[domain] = current ? all.size() : all.size() / 2 + one_of(20);
      queued[domain] = one_of(3);
    }
    for (const Transaction& one : all) {
      if (left[one.domain] == 0) continue;
      --left[one.domain];
      const bool is_applied = left[one.domain] >= queued[one.domain] || current;
      // A hole in a MySQL set: somebody skipped a transaction.
      if (flavour_ == Flavour::mysql && is_applied && chance(1)) continue;
      (is_applied && server.received.empty() ? server.log : server.received).push_back(one);
    }
    server.weight = 1 + one_of(3);
    server.answers = !chance(15);
    server.applies = !chance(7);
    server.feeds_others = !chance(7);
    server.member.may_promote = !chance(12);
    if (chance(6)) server.admin = chance(50) ? AdminState::drain : AdminState::offline;
    const bool is_partner = id == 1 && chance(12);
    if (is_partner) {
      cluster.servers[0].sources = {1};
      server.sources = {0};
      if (chance(50)) server.read_only = false;
    }
    // The halves of a pair write in turn, or their numbers would clash.
    if (chance(10) && (!is_partner || server.log.size() == all.size())) {
      const Transaction own = cluster.write(id);
      if (is_partner) cluster.servers[0].log.push_back(own);
    }
  }

  std::mt19937 luck_;
  Flavour flavour_;

 public:
  Cluster cluster;
  std::vector<Transaction> seen_by_probe;
  GtidSet acknowledged;
  bool counted = false;
  FailoverPolicy policy;
};

class Failover : public ::testing::TestWithParam<Flavour> {};
INSTANTIATE_TEST_SUITE_P(Engines, Failover, ::testing::Values(Flavour::mysql, Flavour::mariadb),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

/// The rules for whoever was put in the place of b0.
void expect_rightful(const Generated& made, const Outcome& outcome) {
  const auto& servers = made.cluster.servers;
  const Server& winner = servers[*outcome.plan.to];
  const bool is_partner = outcome.plan.rulings[*outcome.plan.to].partner;
  EXPECT_TRUE(winner.member.may_promote);
  EXPECT_TRUE(winner.feeds_others);
  EXPECT_EQ(winner.admin, AdminState::online);
  EXPECT_FALSE(winner.member.quarantined);
  if (!is_partner) {
    for (const Transaction& one : winner.log)
      EXPECT_TRUE(servers[0].has(one)) << "errant: of b" << one.origin;
  }
  for (const Ruling& ruling : outcome.plan.rulings)
    if (ruling.fitness == Fitness::fit)
      EXPECT_TRUE(winner.has_all_of(servers[ruling.backend].log))
          << "b" << ruling.backend << " has what the winner lacks";
  if (!made.policy.allow_loss) {
    EXPECT_TRUE(winner.has_all_of(made.seen_by_probe)) << "of what the last probe saw";
    if (!made.acknowledged.empty() && made.counted)
      EXPECT_TRUE(winner.has_all_of(servers[0].log)) << "of what was acknowledged";
  } else if (!winner.has_all_of(made.seen_by_probe)) {
    EXPECT_FALSE(outcome.plan.lost.empty()) << "the loss is not told";
  }
  EXPECT_EQ(made.cluster.writers(), std::vector<std::size_t>{*outcome.plan.to});
}

void expect_reason(const Plan& plan) {
  EXPECT_NE(to_string(plan.reason), "?");
  EXPECT_FALSE(plan.why.empty()) << to_string(plan.reason);
  EXPECT_EQ(plan.acts(), !plan.steps.empty());
  for (const Step& step : plan.steps) EXPECT_FALSE(step.why.empty()) << to_string(step.kind);
}

TEST_P(Failover, OfALostPrimaryGoesToOneThatLosesToNobodyAndLeavesOneWriter) {
  unsigned promoted = 0;
  unsigned refused = 0;
  std::set<PlanReason> reasons;
  for (unsigned seed = 0; seed < clusters_per_engine; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generated made(GetParam(), seed);
    made.cluster.servers[0].answers = false;
    const Plan plan = plan_now(made.cluster.facts(made.count()), made.policy);
    expect_reason(plan);
    reasons.insert(plan.reason);
    if (!plan.acts()) {
      ++refused;
      continue;
    }
    Execution execution(made.cluster, made.policy, made.count());
    const Outcome outcome = execution.run(plan);
    EXPECT_EQ(outcome.breach, "");
    expect_reason(outcome.plan);
    reasons.insert(outcome.plan.reason);
    EXPECT_FALSE(made.cluster.held);
    if (outcome.done) {
      ++promoted;
      expect_rightful(made, outcome);
    } else {
      ++refused;
      EXPECT_LE(made.cluster.writers().size(), 1U);
    }
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(promoted, clusters_per_engine / 4);
  EXPECT_GT(refused, clusters_per_engine / 20);
  EXPECT_TRUE(reasons.count(PlanReason::incomparable));
  EXPECT_TRUE(reasons.count(PlanReason::loss_not_allowed));
  EXPECT_TRUE(reasons.count(PlanReason::no_candidate));
}

TEST_P(Failover, OfTheOldPrimaryThatReturnsEndsInARejoinOrAQuarantineAsItsPastDemands) {
  unsigned rejoined = 0;
  unsigned quarantined = 0;
  for (unsigned seed = 0; seed < clusters_per_engine; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generated made(GetParam(), seed);
    auto& servers = made.cluster.servers;
    servers[0].answers = false;
    Execution execution(made.cluster, made.policy, made.count());
    const Outcome outcome = execution.run(plan_now(made.cluster.facts(made.count()), made.policy));
    if (!outcome.done || outcome.plan.rulings[*outcome.plan.to].partner) continue;
    const std::size_t successor = *outcome.plan.to;
    // Life goes on, and the numbers of the old primary are overtaken.
    for (int i = 0; i < 30; ++i) made.cluster.write(successor);
    servers[0].member.deposed = true;
    made.cluster.look();
    servers[0].answers = true;
    const bool contained = servers[successor].has_all_of(servers[0].log);

    execution.expect_at_most(2);  // the old one comes back writable: that is the point
    const Plan fence = plan_now(made.cluster.facts(nullptr), made.policy);
    EXPECT_EQ(fence.kind, PlanKind::fence) << fence.why;
    EXPECT_EQ(execution.run(fence).breach, "");
    EXPECT_EQ(made.cluster.writers(), std::vector<std::size_t>{successor});
    execution.expect_at_most(1);
    for (int round = 0; round < 8; ++round) {
      const Plan next = plan_now(made.cluster.facts(nullptr), made.policy);
      expect_reason(next);
      if (!next.acts()) break;
      EXPECT_EQ(execution.run(next).breach, "");
      if (next.from != std::size_t{0}) continue;
      EXPECT_EQ(next.kind, contained ? PlanKind::rejoin : PlanKind::quarantine) << next.why;
      if (next.kind == PlanKind::quarantine) EXPECT_FALSE(next.errant.empty());
      ++(next.kind == PlanKind::rejoin ? rejoined : quarantined);
    }
    EXPECT_EQ(made.cluster.writers(), std::vector<std::size_t>{successor});
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(rejoined, 20U);
  EXPECT_GT(quarantined, 20U);
}

TEST_P(Failover, ByTheOperatorLosesNothingAndLeavesOneWriter) {
  unsigned done = 0;
  for (unsigned seed = 0; seed < clusters_per_engine; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generated made(GetParam(), seed);
    auto& servers = made.cluster.servers;
    const auto target = made.one_of(static_cast<unsigned>(servers.size()));
    const std::size_t writers = made.cluster.writers().size();
    const Plan plan =
        plan_switchover(made.cluster.facts(nullptr), made.policy, "b" + std::to_string(target));
    expect_reason(plan);
    if (!plan.acts()) continue;
    Execution execution(made.cluster, made.policy, nullptr);
    execution.expect_at_most(writers);
    const Outcome outcome = execution.run(plan);
    EXPECT_EQ(outcome.breach, "");
    EXPECT_TRUE(outcome.done);
    EXPECT_TRUE(servers[target].has_all_of(servers[0].log));
    EXPECT_TRUE(servers[0].read_only);
    EXPECT_TRUE(servers[target].takes_writes());
    ++done;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(done, clusters_per_engine / 10);
}

TEST_P(Failover, ThatBreaksOffAnywhereIsFinishedOrTakenBackAndLeavesOneWriter) {
  unsigned forward = 0;
  unsigned back = 0;
  for (unsigned seed = 0; seed < clusters_per_engine / 2; ++seed) {
    for (std::size_t died_after = 0;; ++died_after) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(died_after));
      Generated made(GetParam(), seed);
      if (made.cluster.writers().size() > 1) break;  // a pair: it has two by design
      const Plan plan = plan_switchover(made.cluster.facts(nullptr), made.policy, "b1");
      if (died_after > plan.steps.size()) break;
      if (!plan.acts()) break;
      Execution execution(made.cluster, made.policy, nullptr);
      execution.run(plan, died_after);
      const Unfinished goal{.kind = plan.kind,
                            .from = plan.from,
                            .to = plan.to,
                            .decided = made.cluster.appointed == plan.to};
      made.cluster.forget();
      made.cluster.held = true;
      const Plan resumed = plan_resume(made.cluster.facts(nullptr), made.policy, goal);
      EXPECT_FALSE(resumed.why.empty());
      EXPECT_EQ(execution.run(resumed).breach, "");
      for (int round = 0; round < 8; ++round)
        EXPECT_EQ(execution.run(plan_now(made.cluster.facts(nullptr), made.policy)).breach, "");
      EXPECT_EQ(made.cluster.writers(), std::vector{goal.decided ? *plan.to : *plan.from});
      const std::size_t primary = goal.decided ? *plan.to : *plan.from;
      const auto graph = graph_of(made.cluster.look());
      for (const Ruling& ruling : plan.rulings)
        if (ruling.fitness == Fitness::fit && ruling.backend != primary)
          EXPECT_TRUE(graph.applies(ruling.backend, primary)) << "b" << ruling.backend;
      ++(goal.decided ? forward : back);
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(forward, 100U);
  EXPECT_GT(back, 100U);
}

}  // namespace
}  // namespace sluice::routing
