// Situations by name, on both engines: what the planner answers, and why.
#include "routing/failover.hpp"

#include <gmock/gmock.h>

#include "tests/routing/failover_model.hpp"

namespace sluice::routing {
namespace {

using model::Cluster;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Situation : public ::testing::TestWithParam<Flavour> {
 protected:
  Situation() : cluster(GetParam(), 3) {
    policy.mode = config::FailoverMode::promote;
    cluster.servers[0].read_only = false;
    for (int i = 0; i < 10; ++i) cluster.write(0);
    for (const std::size_t id : {1, 2}) {
      cluster.servers[id].sources = {0};
      cluster.servers[id].log = cluster.servers[0].log;
    }
    cluster.appointed = 0;
    cluster.look();
  }

  Plan now() { return plan_now(cluster.facts(&nothing), policy); }
  Plan lost() {
    cluster.servers[0].answers = false;
    return now();
  }
  Plan drained() {
    auto facts = cluster.facts(&nothing);
    facts.drained = true;
    return plan_loss(facts, policy, 0);
  }
  Plan switchover(std::string_view target) {
    return plan_switchover(cluster.facts(&nothing), policy, target);
  }
  static std::vector<StepKind> kinds(const Plan& plan) {
    std::vector<StepKind> all;
    for (const Step& step : plan.steps) all.push_back(step.kind);
    return all;
  }

  Cluster cluster;
  FailoverPolicy policy;
  GtidSet nothing;  // acknowledged since the last probe
};

INSTANTIATE_TEST_SUITE_P(Engines, Situation, ::testing::Values(Flavour::mysql, Flavour::mariadb),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

using Index = std::optional<std::size_t>;

TEST_P(Situation, AllIsWell) { EXPECT_EQ(now().reason, PlanReason::primary_is_well); }

TEST_P(Situation, WithoutPromotionThePlannerOnlySaysWhy) {
  cluster.servers[0].answers = false;
  policy.mode = config::FailoverMode::follow;
  EXPECT_EQ(now().reason, PlanReason::mode_follow);
  policy.mode = config::FailoverMode::off;
  EXPECT_EQ(now().reason, PlanReason::mode_off);
}

TEST_P(Situation, ALostPrimaryIsReplacedStepByStep) {
  using enum StepKind;
  const Plan plan = lost();
  EXPECT_EQ(plan.kind, PlanKind::promotion);
  EXPECT_EQ(plan.reason, PlanReason::primary_lost);
  EXPECT_EQ(plan.from, Index(0));
  EXPECT_EQ(plan.to, Index(1));
  EXPECT_EQ(kinds(plan),
            (std::vector{agree, hold_writes, fence, stop_receiving, stop_receiving, drain, drain,
                         choose, appoint, promote, publish, release, repoint}));
}

TEST_P(Situation, APlanIsPrintedWithItsReasonsForADryRun) {
  const Plan plan = lost();
  const auto lines = describe(plan, cluster.look());
  EXPECT_THAT(lines.front(), HasSubstr("promotion b0 -> b1 (primary_lost)"));
  EXPECT_THAT(lines, Contains(HasSubstr("candidate b1: chosen")));
  EXPECT_THAT(lines, Contains(HasSubstr("fence b0 (300 ms, if it can be): should it")));
  EXPECT_THAT(lines, Contains(HasSubstr("repoint b2 to b1")));
}

TEST_P(Situation, TheVotesOfProbeReplicasAndClientsAreCounted) {
  cluster.servers[0].answers = false;
  auto facts = cluster.facts(nullptr);
  facts.traffic_lost = false;
  EXPECT_TRUE(votes(facts, 0).enough()) << "the replicas have lost it, too";
  Topology seen = facts.topology;
  seen.backends[2].seen->sources[0].io_running = true;
  FailoverFacts doubtful{.topology = seen};
  EXPECT_FALSE(votes(doubtful, 0).enough()) << "a replica still hears it";
  doubtful.traffic_lost = true;
  EXPECT_TRUE(votes(doubtful, 0).enough());
}

TEST_P(Situation, TheCandidateThatHasMoreWinsOverTheHeavierOne) {
  cluster.servers[1].weight = 9;
  cluster.servers[1].log.pop_back();
  EXPECT_EQ(lost().to, Index(2));
}

TEST_P(Situation, AmongEqualsTheHeavierOneWins) {
  cluster.servers[2].weight = 9;
  EXPECT_EQ(lost().to, Index(2));
}

TEST_P(Situation, ABackendThatMayNotBePromotedIsNotButItsTransactionsCount) {
  cluster.servers[2].weight = 9;
  cluster.servers[2].member.may_promote = false;
  EXPECT_EQ(lost().to, Index(1));
  cluster.servers[1].log.pop_back();
  EXPECT_EQ(drained().reason, PlanReason::loss_not_allowed);
}

TEST_P(Situation, ACandidateWithTransactionsOfItsOwnNeverWins) {
  cluster.write(1);
  const Plan plan = lost();
  EXPECT_EQ(plan.to, Index(2));
  EXPECT_EQ(plan.rulings[1].fitness, Fitness::errant);
  EXPECT_FALSE(plan.rulings[1].errant.empty());
  cluster.write(2);
  EXPECT_EQ(now().reason, PlanReason::no_candidate);
}

TEST_P(Situation, WhatThePrimaryShowedAndNobodyHasIsNotGivenUpUnasked) {
  cluster.write(0);
  cluster.look();
  EXPECT_TRUE(lost().acts()) << "it may be in a relay log";
  Plan plan = drained();
  EXPECT_EQ(plan.reason, PlanReason::loss_not_allowed);
  EXPECT_FALSE(plan.lost.empty());
  policy.allow_loss = true;
  plan = drained();
  EXPECT_TRUE(plan.acts());
  EXPECT_FALSE(plan.lost.empty()) << "and it is said";
  EXPECT_THAT(plan.why, HasSubstr("given up"));
}

TEST_P(Situation, WhatClientsWereToldIsNotGivenUpUnasked) {
  cluster.servers[0].answers = false;
  cluster.look();
  auto acknowledged = cluster.servers[0].log;
  cluster.write(0);
  nothing = cluster.gtid_of(cluster.servers[0].log);
  EXPECT_EQ(drained().reason, PlanReason::loss_not_allowed);
}

TEST_P(Situation, WithoutACountOfWritesOnlySemiSyncExcludesALoss) {
  cluster.servers[0].answers = false;
  auto facts = cluster.facts(nullptr);
  facts.drained = true;
  EXPECT_EQ(plan_loss(facts, policy, 0).reason, PlanReason::loss_possible);
  facts.semi_sync = SemiSync::on;
  EXPECT_TRUE(plan_loss(facts, policy, 0).acts());
  facts.semi_sync = SemiSync::off;
  policy.allow_loss = true;
  EXPECT_THAT(plan_loss(facts, policy, 0).why, HasSubstr("not known"));
}

TEST_P(Situation, APrimaryThatLivesAndIsReadOnlyIsLeftToTheOperator) {
  cluster.servers[0].read_only = true;
  EXPECT_EQ(now().reason, PlanReason::primary_read_only);
  EXPECT_EQ(switchover("b0").kind, PlanKind::reopen);
  const Plan plan = switchover("b2");
  EXPECT_EQ(plan.to, Index(2));
  EXPECT_THAT(kinds(plan), Not(Contains(StepKind::agree)));
}

TEST_P(Situation, WhenEverythingDiesAtOnceTheProbeIsDistrusted) {
  for (auto& server : cluster.servers) server.answers = false;
  Topology seen = cluster.look();
  seen.fail_open = true;
  const FailoverFacts facts{.topology = seen};
  EXPECT_EQ(plan_now(facts, policy).reason, PlanReason::fail_open);
}

TEST_P(Situation, WithoutAPrimaryEverThereIsNobodyToReplace) {
  Cluster fresh(GetParam(), 2);
  EXPECT_EQ(plan_now(fresh.facts(nullptr), policy).reason, PlanReason::never_had_a_primary);
}

TEST_P(Situation, AReplicaThatTurnsWritableIsFenced) {
  cluster.servers[2].read_only = false;
  const Plan plan = now();
  EXPECT_EQ(plan.kind, PlanKind::fence);
  EXPECT_EQ(plan.from, Index(2));
  EXPECT_EQ(plan.reason, PlanReason::not_elected);
}

TEST_P(Situation, APairThatReplicatesEachOtherIsFlippedWithoutPromotion) {
  using enum StepKind;
  cluster.servers[0].sources = {1};
  cluster.servers[1].read_only = false;
  cluster.look();
  EXPECT_EQ(now().reason, PlanReason::primary_is_well) << "a hot standby is no stray";
  const Plan plan = lost();
  EXPECT_EQ(plan.kind, PlanKind::flip);
  EXPECT_EQ(plan.to, Index(1));
  EXPECT_THAT(kinds(plan), Contains(open));
  EXPECT_THAT(kinds(plan), Not(Contains(promote)));
}

TEST_P(Situation, APairIsFlippedBackOnDemand) {
  cluster.servers[0].sources = {1};
  cluster.servers[1].log = cluster.servers[0].log;
  const Plan plan = switchover("b1");
  EXPECT_EQ(plan.kind, PlanKind::switchover);
  EXPECT_THAT(kinds(plan), Not(Contains(StepKind::promote)));
  model::Execution execution(cluster, policy, nullptr);
  EXPECT_TRUE(execution.run(plan).done);
  EXPECT_EQ(cluster.writers(), std::vector<std::size_t>{1});
  cluster.look();
  EXPECT_TRUE(execution.run(switchover("b0")).done);
  EXPECT_EQ(cluster.writers(), std::vector<std::size_t>{0});
  EXPECT_EQ(cluster.servers[0].sources, std::vector<std::size_t>{1}) << "still a pair";
}

TEST_P(Situation, ASwitchoverFencesBeforeItOpensAndEndsWithTheOldPrimaryAsReplica) {
  using enum StepKind;
  const Plan plan = switchover("b2");
  EXPECT_EQ(kinds(plan), (std::vector{hold_writes, finish_transactions, fence, catch_up, appoint,
                                      promote, publish, release, repoint, repoint}));
  EXPECT_EQ(plan.steps.back().backend, Index(0));
  EXPECT_EQ(plan.undo.front().kind, unfence);
}

TEST_P(Situation, ASwitchoverIsRefusedWithItsReason) {
  EXPECT_EQ(switchover("nobody").reason, PlanReason::no_such_backend);
  EXPECT_EQ(switchover("b0").reason, PlanReason::is_primary_already);
  cluster.servers[1].member.may_promote = false;
  EXPECT_EQ(switchover("b1").reason, PlanReason::target_unfit);
  auto facts = cluster.facts(nullptr);
  Topology late = facts.topology;
  late.backends[2].lag = std::chrono::minutes(1);
  EXPECT_TRUE(plan_switchover({.topology = late}, policy, "b2").acts()) << "it has it all";
  late.backends[2].seen->gtid = GtidSet();
  EXPECT_EQ(plan_switchover({.topology = late}, policy, "b2").reason, PlanReason::target_behind);
}

}  // namespace
}  // namespace sluice::routing
