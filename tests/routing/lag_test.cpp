#include "routing/lag.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice::routing {
namespace {

constexpr TimePoint start{std::chrono::seconds(1000)};
TimePoint at(int ms) { return start + milliseconds(ms); }
constexpr auto operator""_ms(unsigned long long ms) {
  return milliseconds(static_cast<milliseconds::rep>(ms));
}

GtidSet upto(int sequence) {
  return GtidSet::parse("0-1-" + std::to_string(sequence), Flavour::mariadb).value();
}

TEST(Lag, IsUnknownWithoutSamples) {
  EXPECT_EQ(LagTracker().read(upto(5), at(0)).at_most, std::nullopt);
}

TEST(Lag, IsUnknownForAReplicaBehindEverySample) {
  LagTracker tracker;
  tracker.sample(at(0), upto(10));
  tracker.sample(at(250), upto(20));
  EXPECT_EQ(tracker.read(upto(9), at(300)), (LagReading{std::nullopt, 300_ms}));
}

TEST(Lag, IsTheAgeOfTheNewestSampleThatIsExecuted) {
  LagTracker tracker;
  tracker.sample(at(0), upto(10));
  tracker.sample(at(250), upto(20));
  tracker.sample(at(500), upto(30));
  EXPECT_EQ(tracker.read(upto(30), at(600)), (LagReading{100_ms, 0_ms}));
  EXPECT_EQ(tracker.read(upto(25), at(600)), (LagReading{350_ms, 100_ms}));
  EXPECT_EQ(tracker.read(upto(10), at(600)), (LagReading{600_ms, 350_ms}));
}

TEST(Lag, StaysWithinAnIntervalOnAQuietHealthySystem) {
  LagTracker tracker;
  for (int ms = 0; ms <= 60'000; ms += 250) {
    tracker.sample(at(ms), upto(10));
    EXPECT_EQ(tracker.read(upto(10), at(ms + 250)).at_most, 250_ms);
  }
  EXPECT_EQ(tracker.size(), 1u);
}

TEST(Lag, GrowsWhileAReplicaStandsStillUnderWrites) {
  LagTracker tracker;
  for (int ms = 0; ms <= 10'000; ms += 250) tracker.sample(at(ms), upto(10 + ms));
  EXPECT_EQ(tracker.read(upto(10), at(10'000)).at_most, 10'000_ms);
}

TEST(Lag, DoesNotGrowForAReplicaThatStandsStillWhileNothingIsWritten) {
  LagTracker tracker;
  for (int ms = 0; ms <= 10'000; ms += 250) tracker.sample(at(ms), upto(10));
  tracker.sample(at(10'250), upto(11));
  EXPECT_EQ(tracker.read(upto(10), at(10'300)), (LagReading{300_ms, 50_ms}));
}

TEST(Lag, GrowsWhenThePrimaryIsNoLongerHeardOf) {
  LagTracker tracker;
  tracker.sample(at(0), upto(10));
  EXPECT_EQ(tracker.read(upto(10), at(5000)).at_most, 5000_ms);
}

TEST(Lag, StandsStillWhileThePrimaryIsDown) {
  LagTracker tracker;
  tracker.sample(at(0), upto(10));
  tracker.sample(at(250), upto(20));
  tracker.stop_time();
  EXPECT_EQ(tracker.read(upto(20), at(3'600'000)), (LagReading{0_ms, 0_ms}));
  EXPECT_EQ(tracker.read(upto(15), at(3'600'000)), (LagReading{250_ms, 0_ms}));
  tracker.sample(at(4'000'000), upto(21));
  EXPECT_EQ(tracker.read(upto(21), at(4'000'010)).at_most, 10_ms);
}

TEST(Lag, ForgetsSamplesThatANewPrimaryDoesNotHave) {
  LagTracker tracker;
  tracker.sample(at(0), upto(10));
  tracker.sample(at(250), upto(20));
  tracker.sample(at(500), upto(30));
  tracker.sample(at(2000), upto(25));
  EXPECT_EQ(tracker.size(), 3u);
  EXPECT_EQ(tracker.read(upto(24), at(2000)), (LagReading{1750_ms, 0_ms}));
}

TEST(Lag, IgnoresSamplesFromThePast) {
  LagTracker tracker;
  tracker.sample(at(500), upto(30));
  tracker.sample(at(250), upto(20));
  EXPECT_EQ(tracker.read(upto(30), at(600)).at_most, 100_ms);
}

TEST(Lag, StaysBoundedAndNeverUnderstatesWhenThinned) {
  std::mt19937 random(11);
  LagTracker tracker(32);
  LagTracker whole(100'000);
  for (int i = 0; i < 20'000; ++i) {
    tracker.sample(at(i * 250), upto(10 + i));
    whole.sample(at(i * 250), upto(10 + i));
    ASSERT_LE(tracker.size(), 32u);
    const auto executed = upto(static_cast<int>(random() % static_cast<unsigned>(i + 12)));
    const auto thinned = tracker.read(executed, at(i * 250 + 50));
    const auto exact = whole.read(executed, at(i * 250 + 50));
    ASSERT_EQ(thinned.at_most.has_value(), exact.at_most.has_value());
    if (exact.at_most) {
      ASSERT_GE(*thinned.at_most, *exact.at_most);
    }
    ASSERT_LE(thinned.at_least, exact.at_least);
  }
}

// Commits, a replica that follows with a delay, and probes of both that take time:
// what the tracker says must never be less than how old a read really is.
TEST(Lag, IsNeverLessThanTheTrueAgeOfARead) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    LagTracker tracker(16);
    const int delay = static_cast<int>(random() % 900);
    const auto committed = [](int ms) { return 1 + ms / 7; };
    int last_replica_probe = delay;
    for (int ms = delay; ms < delay + 5000; ms += 25) {
      if (random() % 10 == 0) {
        const int answer = ms + static_cast<int>(random() % 20);
        tracker.sample(at(ms), upto(committed(answer)));
      }
      if (random() % 10 == 0) last_replica_probe = ms;
      const auto reading = tracker.read(upto(committed(last_replica_probe - delay)), at(ms));
      if (!reading.at_most) continue;
      // A read now sees at least what was seen by the last probe of the replica,
      // and at best what the delay lets through.
      ASSERT_GE(*reading.at_most, milliseconds(delay) - 7_ms) << "delay " << delay;
      // A sample bears the time of its probe's start, 20 ms before the answer at most.
      ASSERT_LE(reading.at_least, milliseconds(ms - last_replica_probe + delay) + 27_ms);
    }
  }
}

TEST(LagGate, ClosesAboveTheBoundAndForTheUnknown) {
  LagGate gate;
  EXPECT_TRUE(gate.within(1000_ms, 1000_ms, at(0)));
  EXPECT_FALSE(gate.within(1001_ms, 1000_ms, at(1)));
  LagGate other;
  EXPECT_FALSE(other.within(std::nullopt, 1000_ms, at(0)));
}

TEST(LagGate, ReadmitsAtOnceWhenWellWithinTheBound) {
  LagGate gate;
  gate.within(2000_ms, 1000_ms, at(0));
  EXPECT_TRUE(gate.within(800_ms, 1000_ms, at(250)));
}

TEST(LagGate, ReadmitsJustWithinTheBoundAfterTwoGoodProbes) {
  LagGate gate;
  gate.within(2000_ms, 1000_ms, at(0));
  EXPECT_FALSE(gate.within(950_ms, 1000_ms, at(250)));
  EXPECT_FALSE(gate.within(960_ms, 1000_ms, at(250))) << "the same probe counts once";
  EXPECT_TRUE(gate.within(950_ms, 1000_ms, at(500)));
}

TEST(LagGate, DoesNotFlapForAReplicaThatIsOnePollBehind) {
  LagGate gate;
  int changes = 0;
  bool before = true;
  for (int i = 0; i < 100; ++i) {
    const bool now = gate.within(i % 2 == 0 ? 1050_ms : 950_ms, 1000_ms, at(i * 250));
    changes += now != before;
    before = now;
  }
  EXPECT_EQ(changes, 1);
}

class LagStateTest : public ::testing::Test {
 protected:
  LagStateTest() {
    topology.backends.resize(2);
    for (std::size_t i = 0; i < 2; ++i) {
      auto& view = topology.backends[i];
      view.id = i;
      view.name = i == 0 ? "p" : "r";
      view.role = i == 0 ? Role::primary : Role::replica;
      view.health.state = Health::up;
      view.standing = i == 0 ? Exclusion::is_primary : Exclusion::none;
      view.seen = Observation{.alive = true};
    }
    topology.primary = 0;
  }

  const BackendView& after(int primary_has, int replica_has, int ms) {
    topology.primary_gtid = PrimaryGtid{at(ms), upto(primary_has)};
    auto& replica = topology.backends[1];
    replica.seen->gtid = upto(replica_has);
    replica.seen->started_at = at(ms);
    state.measure(topology, 1000_ms, at(ms));
    return replica;
  }

  Topology topology;
  LagState state;
};

TEST_F(LagStateTest, FillsInTheLagOfReplicas) {
  after(10, 10, 0);
  const auto& replica = after(20, 10, 250);
  EXPECT_EQ(replica.lag, 250_ms);
  EXPECT_EQ(replica.lag_at(at(350)), 350_ms);
  EXPECT_FALSE(replica.catching_up);
  EXPECT_EQ(topology.backends[0].lag, 0_ms);
}

TEST_F(LagStateTest, LeavesAnUnreadableGtidUnknown) {
  after(10, 10, 0);
  topology.backends[1].seen->gtid.reset();
  state.measure(topology, 1000_ms, at(100));
  EXPECT_EQ(topology.backends[1].lag, std::nullopt);
  EXPECT_TRUE(topology.backends[1].catching_up);
}

TEST_F(LagStateTest, MarksAReplicaThatIsNotReadmittedYet) {
  after(10, 10, 0);
  for (int ms = 250; ms <= 1500; ms += 250) after(10 + ms, 10, ms);
  EXPECT_TRUE(topology.backends[1].catching_up);
  EXPECT_TRUE(after(2000, 10 + 750, 1650).catching_up) << "900 ms are just within the bound";
  EXPECT_FALSE(after(2000, 2000, 2000).catching_up);
}

TEST_F(LagStateTest, StopsTimeOnlyOnceThePrimaryIsDown) {
  after(10, 10, 0);
  auto& primary = topology.backends[0];
  primary.health.state = Health::suspect;
  state.measure(topology, 1000_ms, at(900));
  EXPECT_EQ(topology.backends[1].lag, 900_ms);
  EXPECT_FALSE(topology.backends[1].lag_frozen);
  topology.primary.reset();
  primary.role = Role::unknown;
  state.measure(topology, 1000_ms, at(1500));
  EXPECT_EQ(topology.backends[1].lag, 0_ms);
  EXPECT_EQ(topology.backends[1].lag_at(at(60'000)), 0_ms);
}

TEST_F(LagStateTest, ForgetsBackendsThatAreGone) {
  after(10, 10, 0);
  after(5000, 10, 3000);
  EXPECT_TRUE(topology.backends[1].catching_up);
  topology.backends[1].name = "new";
  EXPECT_FALSE(after(5000, 5000, 3001).catching_up);
}

}  // namespace
}  // namespace sluice::routing
