#include "routing/balancer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <vector>

namespace sluice::routing {
namespace {

constexpr TimePoint start{std::chrono::seconds(1000)};
TimePoint at(int ms) { return start + milliseconds(ms); }

GtidSet position(std::string_view text) { return GtidSet::parse(text, Flavour::mariadb).value(); }

BackendView good_replica() {
  BackendView view;
  view.role = Role::replica;
  view.standing = Exclusion::none;
  view.health.state = Health::up;
  view.lag = milliseconds(100);
  view.lag_known_at = start;
  view.seen = Observation{.alive = true, .gtid = position("0-1-100")};
  return view;
}

const ReadRequirement within_a_second{.max_lag = milliseconds(1000)};

TEST(Verdict, AdmitsAFreshReplica) {
  EXPECT_EQ(verdict(good_replica(), within_a_second, start), Exclusion::none);
}

TEST(Verdict, ObeysTheOperatorFirst) {
  auto view = good_replica();
  view.health.state = Health::down;
  view.admin.state = AdminState::drain;
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::draining);
  view.admin.state = AdminState::offline;
  view.health_distrusted = true;
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::offline);
}

TEST(Verdict, ExcludesTheDeadAndTheSuspect) {
  auto view = good_replica();
  view.health.state = Health::down;
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::down);
  view.health.state = Health::suspect;
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::suspect);
  EXPECT_TRUE(is_last_resort(Exclusion::suspect));
  view.health.state = Health::down;
  view.health_distrusted = true;
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::none) << "fail open";
}

TEST(Verdict, ExcludesWhoeverIsNoReplica) {
  for (const auto standing :
       {Exclusion::is_primary, Exclusion::second_writer, Exclusion::not_replicating,
        Exclusion::other_source, Exclusion::wrong_cluster, Exclusion::never_seen}) {
    auto view = good_replica();
    view.standing = standing;
    EXPECT_EQ(verdict(view, {}, start), standing);
    EXPECT_FALSE(is_last_resort(standing)) << to_string(standing);
  }
}

TEST(Verdict, CountsTheAgeOfTheSampleAgainstTheBound) {
  const auto view = good_replica();
  EXPECT_EQ(verdict(view, within_a_second, at(900)), Exclusion::none);
  EXPECT_EQ(verdict(view, within_a_second, at(901)), Exclusion::lagging);
  EXPECT_EQ(verdict(view, {}, at(60'000)), Exclusion::none) << "any age was asked for";
}

TEST(Verdict, DoesNotAgeTheLagOfADeadPrimarysReplicas) {
  auto view = good_replica();
  view.lag_frozen = true;
  EXPECT_EQ(verdict(view, within_a_second, at(3'600'000)), Exclusion::none);
}

TEST(Verdict, TakesAnUnknownLagAsInfinite) {
  auto view = good_replica();
  view.lag.reset();
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::lag_unknown);
  EXPECT_EQ(verdict(view, {.max_lag = milliseconds::max()}, start), Exclusion::lag_unknown);
  view.lag_at_least = milliseconds(5000);
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::lagging);
}

TEST(Verdict, ReadmitsOnlyWellWithinTheBound) {
  auto view = good_replica();
  view.catching_up = true;
  view.lag = milliseconds(801);
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::lagging);
  view.lag = milliseconds(800);
  EXPECT_EQ(verdict(view, within_a_second, start), Exclusion::none);
}

TEST(Verdict, DemandsTheGtidThatTheSessionWrote) {
  auto view = good_replica();
  const auto written = position("0-1-101");
  const auto older = position("0-1-100");
  const GtidSet nothing;
  EXPECT_EQ(verdict(view, {.required = &written}, start), Exclusion::gtid_behind);
  EXPECT_EQ(verdict(view, {.required = &older}, start), Exclusion::none);
  view.seen->gtid.reset();
  EXPECT_EQ(verdict(view, {.required = &older}, start), Exclusion::gtid_behind);
  EXPECT_EQ(verdict(view, {.required = &nothing}, start), Exclusion::none);
}

std::map<std::size_t, int> draw(const std::vector<Candidate>& candidates, int rounds = 6400) {
  std::map<std::size_t, int> hits;
  for (int seed = 0; seed < rounds; ++seed)
    ++hits[choose(candidates, static_cast<std::uint64_t>(seed)).value()];
  return hits;
}

TEST(Choose, SaysSoWhenThereIsNobody) { EXPECT_EQ(choose({}, 1), std::nullopt); }

TEST(Choose, TakesTheFewestInFlight) {
  EXPECT_EQ(draw({{.in_flight = 3}, {.in_flight = 2}, {.in_flight = 4}}),
            (std::map<std::size_t, int>{{1, 6400}}));
}

TEST(Choose, CountsInFlightRelativeToWeight) {
  EXPECT_EQ(draw({{.in_flight = 3, .weight = 1}, {.in_flight = 5, .weight = 2}}),
            (std::map<std::size_t, int>{{1, 6400}}));
}

TEST(Choose, SharesIdleBackendsByWeight) {
  auto hits = draw({{.weight = 1}, {.weight = 3}});
  EXPECT_NEAR(hits[1], 4800, 200);
}

TEST(Choose, GivesAWarmingBackendItsPart) {
  auto hits = draw({{.warmth = 0.1}, {}});
  EXPECT_NEAR(hits[0], 6400 / 11, 100);
  EXPECT_EQ(
      choose(std::array{Candidate{.in_flight = 1, .warmth = 0.1}, Candidate{.in_flight = 9}}, 5),
      1u);
}

TEST(Choose, TakesWeightZeroOnlyWhenNothingElseIsLeft) {
  EXPECT_EQ(draw({{.weight = 0}, {.in_flight = 1000, .weight = 1}}),
            (std::map<std::size_t, int>{{1, 6400}}));
  auto hits = draw({{.weight = 0}, {.weight = 0}});
  EXPECT_NEAR(hits[0], 3200, 200);
}

TEST(Choose, PrefersTheFasterAmongEqualsButKeepsTryingTheSlower) {
  auto hits = draw({{.latency_us = 100}, {.latency_us = 190}, {.latency_us = 900}});
  EXPECT_NEAR(hits[0], hits[1], 300) << "within twice the best is a tie";
  EXPECT_NEAR(hits[2], 6400 / 32 / 3, 60);
  hits = draw({{.latency_us = 0}, {.latency_us = 100}});
  EXPECT_NEAR(hits[0], 3200, 200) << "unknown latency is no handicap";
}

TEST(Choose, AlwaysTakesAUsableCandidateWithoutLighterRival) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::vector<Candidate> candidates(1 + random() % 6);
    for (auto& c : candidates)
      c = {.in_flight = static_cast<std::uint32_t>(random() % 4),
           .weight = static_cast<std::uint32_t>(random() % 3),
           .warmth = static_cast<double>(random() % 11) / 10,
           .latency_us = static_cast<double>(random() % 1000)};
    const auto chosen = choose(candidates, random());
    ASSERT_TRUE(chosen && *chosen < candidates.size());
    const auto& taken = candidates[*chosen];
    for (const auto& other : candidates) {
      if (other.weight > 0) {
        ASSERT_GT(taken.weight, 0u);
      }
      const bool strictly_better = other.weight >= taken.weight && other.weight > 0 &&
                                   other.warmth >= taken.warmth &&
                                   other.in_flight < taken.in_flight;
      ASSERT_FALSE(strictly_better);
    }
  }
}

}  // namespace
}  // namespace sluice::routing
