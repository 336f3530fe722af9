#include "routing/health.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice::routing {
namespace {

using enum HealthEvent;
using std::chrono::seconds;

constexpr TimePoint start{seconds(1000)};
TimePoint at(int ms) { return start + milliseconds(ms); }

HealthTracker up_tracker(HealthPolicy policy = {}) {
  HealthTracker tracker(policy);
  tracker.on(probe_ok, at(0));
  return tracker;
}

HealthTracker down_tracker(HealthPolicy policy = {}) {
  auto tracker = up_tracker(policy);
  for (unsigned i = 0; i < policy.down_failures; ++i) tracker.on(probe_failed, at(1));
  return tracker;
}

TEST(Health, IsUnknownUntilTheFirstResult) {
  HealthTracker tracker;
  EXPECT_EQ(tracker.tick(at(60'000)), Health::unknown);
  EXPECT_EQ(tracker.on(probe_ok, at(60'000)), Health::up);
  EXPECT_EQ(tracker.status().warmth(at(60'000)), 1.0) << "nothing was cold at start-up";
}

TEST(Health, SuspectsAfterOneFailureOfAnyKind) {
  for (const auto event : {probe_failed, probe_overdue, traffic_error}) {
    auto tracker = up_tracker();
    EXPECT_EQ(tracker.on(event, at(250)), Health::suspect) << to_string(event);
    EXPECT_EQ(tracker.status().since, at(250));
    EXPECT_EQ(tracker.on(probe_ok, at(500)), Health::up) << to_string(event);
    EXPECT_EQ(tracker.status().warmth(at(500)), 1.0) << "a suspicion is no reason to start slowly";
  }
}

TEST(Health, GoesDownAfterEnoughFailedProbes) {
  auto tracker = up_tracker();
  EXPECT_EQ(tracker.on(probe_failed, at(100)), Health::suspect);
  EXPECT_EQ(tracker.on(probe_failed, at(200)), Health::suspect);
  EXPECT_EQ(tracker.on(probe_failed, at(300)), Health::down);
}

TEST(Health, GoesDownWhenAFailedProbeIsNotMadeGoodInTime) {
  auto tracker = up_tracker();
  tracker.on(probe_overdue, at(500));
  tracker.on(probe_failed, at(1000));
  EXPECT_EQ(tracker.tick(at(1499)), Health::suspect);
  EXPECT_EQ(tracker.tick(at(1500)), Health::down);
}

TEST(Health, NeverGoesDownOnTrafficErrorsAlone) {
  auto tracker = up_tracker();
  for (int i = 0; i < 1000; ++i) tracker.on(traffic_error, at(i));
  EXPECT_EQ(tracker.tick(at(60'000)), Health::suspect);
}

TEST(Health, TakesAFlappingBackendDown) {
  auto tracker = up_tracker();
  tracker.on(probe_failed, at(1));
  tracker.on(probe_ok, at(2));
  tracker.on(probe_failed, at(3));
  tracker.on(probe_ok, at(4));
  EXPECT_EQ(tracker.on(probe_failed, at(5)), Health::down);
}

TEST(Health, ForgivesFailuresAfterGoodProbesInARow) {
  auto tracker = up_tracker();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(tracker.on(probe_failed, at(10 * i)), Health::suspect);
    tracker.on(probe_ok, at(10 * i + 1));
    ASSERT_EQ(tracker.on(probe_ok, at(10 * i + 2)), Health::up);
  }
}

TEST(Health, ComesBackOnlyAfterGoodProbesInARow) {
  auto tracker = down_tracker();
  EXPECT_EQ(tracker.on(probe_ok, at(100)), Health::down);
  EXPECT_EQ(tracker.on(probe_failed, at(200)), Health::down);
  EXPECT_EQ(tracker.on(probe_ok, at(300)), Health::down);
  EXPECT_EQ(tracker.on(probe_ok, at(400)), Health::up);
}

TEST(Health, StartsSlowlyAfterComingBack) {
  auto tracker = down_tracker();
  tracker.on(probe_ok, at(1000));
  tracker.on(probe_ok, at(2000));
  const auto& status = tracker.status();
  EXPECT_DOUBLE_EQ(status.warmth(at(2000)), 0.1);
  EXPECT_DOUBLE_EQ(status.warmth(at(4500)), 0.5);
  EXPECT_DOUBLE_EQ(status.warmth(at(7000)), 1.0);
  EXPECT_DOUBLE_EQ(status.warmth(at(700'000)), 1.0);
  for (int i = 0; i < 3; ++i) tracker.on(probe_failed, at(3000));
  EXPECT_EQ(tracker.status().warming_since, std::nullopt);
}

TEST(Health, KeepsItsInvariantsUnderAnyEvents) {
  std::mt19937 random(7);
  HealthTracker tracker;
  unsigned failed = 0;
  unsigned good = 0;
  Health before = Health::unknown;
  for (int i = 0; i < 20'000; ++i) {
    const auto event = static_cast<HealthEvent>(random() % 4);
    good = event == probe_ok ? good + 1 : 0;
    if (event == probe_failed) ++failed;
    const Health now = tracker.on(event, at(i * 30));
    ASSERT_NE(now, Health::unknown);
    if (now == Health::up) {
      ASSERT_EQ(event == probe_ok, true);
    }
    if (before == Health::down && now != Health::down) {
      ASSERT_EQ(now, Health::up);
      ASSERT_GE(good, 2u);
    }
    if (before != Health::down && now == Health::down) {
      ASSERT_GE(failed, 1u);
    }
    if (now == Health::up && before == Health::down) failed = 0;
    before = now;
  }
}

TEST(FailOpen, DistrustsTheProbeWhenAllDieAtOnce) {
  const auto dead = [](int ms) { return HealthStatus{.state = Health::down, .since = at(ms)}; };
  const std::vector<HealthStatus> at_once{dead(0), dead(300), dead(900)};
  EXPECT_TRUE(fail_open(at_once, seconds(1)));
  EXPECT_FALSE(fail_open(at_once, milliseconds(899))) << "one after the other is real";
  auto one_lives = at_once;
  one_lives[1].state = Health::suspect;
  EXPECT_FALSE(fail_open(one_lives, seconds(1)));
  EXPECT_FALSE(fail_open({}, seconds(1)));
}

}  // namespace
}  // namespace sluice::routing
