#include "routing/topology.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "routing/replication_graph.hpp"

namespace sluice::routing {
namespace {

constexpr TimePoint start{std::chrono::seconds(1000)};

const std::string uuid[] = {
    "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000003"};

std::string address(std::size_t i) { return "10.0.0." + std::to_string(i + 1) + ":3306"; }

/// Three backends, b0 to b2, of which tests say what the probes see.
class Cluster {
 public:
  explicit Cluster(Flavour flavour, std::size_t size = 3) : flavour_(flavour), inputs(size) {
    for (std::size_t i = 0; i < size; ++i) {
      inputs[i].name = "b" + std::to_string(i);
      inputs[i].address = address(i);
      inputs[i].health = {.state = Health::up, .since = start};
      inputs[i].seen = Observation{.started_at = start,
                                   .alive = true,
                                   .flavour = flavour,
                                   .server_uuid = flavour == Flavour::mysql ? uuid[i] : "",
                                   .server_id = static_cast<std::uint32_t>(i + 1),
                                   .read_only = true,
                                   .gtid = past(0, 100),
                                   .replication_known = true};
    }
  }

  /// b0 writable, the others replicate from it.
  static Cluster usual(Flavour flavour) {
    Cluster cluster(flavour);
    cluster.writable(0);
    cluster.follow(1, 0);
    cluster.follow(2, 0);
    return cluster;
  }

  GtidSet past(std::size_t who, int upto) const {
    const auto n = std::to_string(upto);
    const std::string text = flavour_ == Flavour::mysql ? uuid[who] + ":1-" + n
                                                        : "0-" + std::to_string(who + 1) + "-" + n;
    return GtidSet::parse(text, flavour_).value();
  }

  Observation& seen(std::size_t i) { return *inputs[i].seen; }
  void writable(std::size_t i) { seen(i).read_only = false; }
  void read_only(std::size_t i) { seen(i).read_only = true; }
  void health(std::size_t i, Health state) { inputs[i].health = {.state = state, .since = start}; }
  void stop_following(std::size_t i) { seen(i).sources.clear(); }
  void follow(std::size_t i, std::size_t source) {
    seen(i).sources = {{.host = "10.0.0." + std::to_string(source + 1),
                        .port = 3306,
                        .uuid = flavour_ == Flavour::mysql ? uuid[source] : "",
                        .server_id = static_cast<std::uint32_t>(source + 1),
                        .io_running = true,
                        .sql_running = true}};
  }
  void follow_stranger(std::size_t i) {
    seen(i).sources = {
        {.host = "192.168.7.7",
         .port = 3306,
         .uuid = flavour_ == Flavour::mysql ? "99999999-0000-0000-0000-000000000000" : "",
         .server_id = 99,
         .io_running = true,
         .sql_running = true}};
  }

  const Topology& derive() {
    topology = routing::derive(topology, inputs, policy, start);
    return topology;
  }
  Exclusion standing(std::size_t i) const { return topology.backends[i].standing; }
  Role role(std::size_t i) const { return topology.backends[i].role; }

 private:
  Flavour flavour_;

 public:
  std::vector<BackendInput> inputs;
  TopologyPolicy policy;
  Topology topology;
};

class Roles : public ::testing::TestWithParam<Flavour> {
 protected:
  Cluster usual() const { return Cluster::usual(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Engines, Roles, ::testing::Values(Flavour::mysql, Flavour::mariadb),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

using Index = std::optional<std::size_t>;

TEST_P(Roles, NobodyButTheAppointedIsElected) {
  auto cluster = usual();
  cluster.policy.appointed = "b0";
  EXPECT_EQ(cluster.derive().primary, Index(0));
  cluster.health(0, Health::down);
  cluster.writable(1);
  EXPECT_EQ(cluster.derive().primary, Index());
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::not_appointed);
  cluster.policy.appointed = "b1";
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.topology.epoch, 2u);
  cluster.health(0, Health::up);
  EXPECT_EQ(cluster.derive().primary, Index(1)) << "the old one returns, writable";
  EXPECT_TRUE(cluster.topology.has_alarm(AlarmKind::two_writers));
}

TEST_P(Roles, AnAppointmentOfABackendThatIsGoneFromTheConfigurationBindsNobody) {
  auto cluster = usual();
  cluster.policy.appointed = "b9";
  EXPECT_EQ(cluster.derive().primary, Index(0));
}

TEST_P(Roles, AreDiscovered) {
  auto cluster = usual();
  const auto& topology = cluster.derive();
  EXPECT_EQ(topology.primary, Index(0));
  EXPECT_EQ(topology.primary_reason, PrimaryReason::sole_writable);
  EXPECT_EQ(topology.epoch, 1u);
  EXPECT_EQ(topology.primary_gtid->gtid, cluster.past(0, 100));
  EXPECT_TRUE(topology.alarms.empty());
  EXPECT_EQ(cluster.standing(0), Exclusion::is_primary);
  for (const std::size_t i : {1, 2}) {
    EXPECT_EQ(cluster.role(i), Role::replica);
    EXPECT_EQ(cluster.standing(i), Exclusion::none);
  }
  EXPECT_EQ(cluster.derive().epoch, 1u) << "nothing has changed";
}

TEST_P(Roles, MakeASingleWritableBackendThePrimary) {
  Cluster cluster(GetParam(), 1);
  cluster.writable(0);
  EXPECT_EQ(cluster.derive().primary, Index(0));
}

TEST_P(Roles, WaitAtTheStartUntilAllAreSeenOrGivenUp) {
  auto cluster = usual();
  cluster.inputs[2].seen.reset();
  cluster.health(2, Health::unknown);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::not_all_seen);
  cluster.health(2, Health::down);
  EXPECT_EQ(cluster.derive().primary, Index(0));
  EXPECT_EQ(cluster.standing(2), Exclusion::never_seen);
}

TEST_P(Roles, SayWhenNothingHasBeenSeen) {
  auto cluster = usual();
  for (auto& input : cluster.inputs) input.seen.reset();
  EXPECT_EQ(cluster.derive().primary_reason, PrimaryReason::nothing_seen);
  EXPECT_TRUE(cluster.topology.has_alarm(AlarmKind::no_primary));
}

TEST_P(Roles, DoNotTakeSuperReadOnlyForWritable) {
  auto cluster = usual();
  cluster.seen(0).super_read_only = true;
  EXPECT_EQ(cluster.derive().primary_reason, PrimaryReason::none_writable);
}

TEST_P(Roles, KeepASuspectPrimaryAndDropADeadOne) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::suspect);
  EXPECT_EQ(cluster.derive().primary, Index(0));
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::kept_while_suspect);
  cluster.health(0, Health::down);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  EXPECT_EQ(cluster.topology.epoch, 1u);
}

TEST_P(Roles, DoNotHandTheWritesOverWhileThePrimaryIsMerelySuspect) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::suspect);
  cluster.writable(1);
  EXPECT_EQ(cluster.derive().primary, Index(0));
  cluster.health(0, Health::down);
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.topology.epoch, 2u);
}

TEST_P(Roles, NeverTakeASuspectAsNewPrimary) {
  auto cluster = usual();
  cluster.derive();
  cluster.read_only(0);
  cluster.writable(1);
  cluster.health(1, Health::suspect);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
}

TEST_P(Roles, LetReadsGoOnWhenThePrimaryDies) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::down);
  for (const std::size_t i : {1, 2}) cluster.seen(i).sources[0].io_running = false;
  cluster.derive();
  for (const std::size_t i : {1, 2}) {
    EXPECT_EQ(cluster.role(i), Role::replica);
    EXPECT_EQ(cluster.standing(i), Exclusion::none);
  }
  EXPECT_EQ(cluster.topology.primary_gtid->gtid, cluster.past(0, 100)) << "kept for the lag";
}

TEST_P(Roles, FollowAPlannedSwitchover) {
  auto cluster = usual();
  cluster.derive();
  cluster.read_only(0);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  cluster.stop_following(1);
  cluster.writable(1);
  cluster.follow(0, 1);
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.standing(0), Exclusion::none);
  EXPECT_EQ(cluster.standing(2), Exclusion::none) << "through b0, link by link";
  EXPECT_EQ(cluster.topology.epoch, 2u);
}

TEST_P(Roles, ExcludeASurvivorThatStillFollowsTheDeadPrimary) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::down);
  cluster.derive();
  cluster.stop_following(1);
  cluster.writable(1);
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.standing(2), Exclusion::other_source);
}

TEST_P(Roles, KeepTheNewPrimaryWhenTheOldOneComesBackWritable) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::down);
  cluster.derive();
  cluster.stop_following(1);
  cluster.writable(1);
  cluster.follow(2, 1);
  cluster.derive();
  cluster.health(0, Health::up);
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::still_writable);
  EXPECT_TRUE(cluster.topology.has_alarm(AlarmKind::two_writers));
  EXPECT_EQ(cluster.standing(0), Exclusion::second_writer);
}

TEST_P(Roles, OfSeveralWritersTakeTheOneThatOthersReplicateFrom) {
  auto cluster = usual();
  cluster.writable(1);
  EXPECT_EQ(cluster.derive().primary, Index(0));
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::followed_by_others);
  EXPECT_EQ(cluster.topology.alarms, (std::vector<Alarm>{{AlarmKind::two_writers, 1}}));
  EXPECT_EQ(cluster.standing(1), Exclusion::none) << "a writable standby serves reads";
}

TEST_P(Roles, OfAMasterMasterPairTakeTheOneThatAThirdFollows) {
  auto cluster = usual();
  cluster.writable(1);
  cluster.follow(0, 1);
  cluster.follow(2, 1);
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.role(0), Role::replica);
}

TEST_P(Roles, TakeNoneOfTwoWritersThatNothingTellsApart) {
  Cluster pair(GetParam(), 2);
  pair.writable(0);
  pair.writable(1);
  pair.follow(0, 1);
  pair.follow(1, 0);
  EXPECT_EQ(pair.derive().primary, std::nullopt);
  EXPECT_EQ(pair.topology.primary_reason, PrimaryReason::ambiguous_writers);
  EXPECT_TRUE(pair.topology.has_alarm(AlarmKind::two_writers));
  pair.stop_following(0);
  pair.stop_following(1);
  EXPECT_EQ(pair.derive().primary, std::nullopt);
}

TEST_P(Roles, ServeReadsFromTheReadOnlyHalfOfAMasterMasterPair) {
  Cluster pair(GetParam(), 2);
  pair.writable(0);
  pair.follow(0, 1);
  pair.follow(1, 0);
  EXPECT_EQ(pair.derive().primary, Index(0));
  EXPECT_EQ(pair.standing(1), Exclusion::none);
  EXPECT_TRUE(pair.topology.alarms.empty());
}

TEST_P(Roles, FollowChainsOfReplicas) {
  auto cluster = usual();
  cluster.follow(2, 1);
  cluster.derive();
  EXPECT_EQ(cluster.standing(2), Exclusion::none);
}

TEST_P(Roles, ExcludeAWriterOfAnotherClusterAndNeverLetItInherit) {
  auto cluster = usual();
  cluster.stop_following(2);
  cluster.writable(2);
  cluster.seen(2).gtid = cluster.past(2, 5000);
  EXPECT_EQ(cluster.derive().primary, Index(0));
  EXPECT_EQ(cluster.standing(2), Exclusion::wrong_cluster);
  EXPECT_TRUE(cluster.topology.has_alarm(AlarmKind::wrong_cluster));
  cluster.health(0, Health::down);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::foreign_writer);
  cluster.follow(1, 2);
  EXPECT_EQ(cluster.derive().primary, Index(2)) << "a member follows it now";
}

TEST_P(Roles, ExcludeAReplicaOfAnotherCluster) {
  auto cluster = usual();
  cluster.follow_stranger(2);
  cluster.seen(2).gtid = cluster.past(2, 50);
  cluster.derive();
  EXPECT_EQ(cluster.standing(2), Exclusion::wrong_cluster);
  EXPECT_EQ(cluster.role(2), Role::unknown);
}

TEST_P(Roles, ExcludeAReadOnlyBackendThatDoesNotReplicate) {
  auto cluster = usual();
  cluster.stop_following(2);
  cluster.derive();
  EXPECT_EQ(cluster.standing(2), Exclusion::not_replicating);
}

TEST_P(Roles, ExcludeAReplicaWhoseApplierHasStoppedWhileThePrimaryLives) {
  auto cluster = usual();
  cluster.seen(1).sources[0].sql_running = false;
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::not_replicating);
  EXPECT_EQ(cluster.role(1), Role::replica);
  cluster.health(0, Health::down);
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::none) << "its lag tells all that matters";
}

TEST_P(Roles, GoByGtidsWhereReplicaStatusIsForbidden) {
  auto cluster = usual();
  for (const std::size_t i : {1, 2}) {
    cluster.stop_following(i);
    cluster.seen(i).replication_known = false;
  }
  cluster.seen(1).gtid = cluster.past(0, 103);  // probed a little later than the primary
  cluster.seen(2).gtid = cluster.past(0, 90).merge(
      GetParam() == Flavour::mysql ? cluster.past(2, 1)
                                   : GtidSet::parse("7-3-1", Flavour::mariadb).value());
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::none);
  EXPECT_NE(cluster.standing(2), Exclusion::none) << "it has what the primary never had";
  cluster.seen(1).gtid.reset();
  cluster.derive();
  EXPECT_NE(cluster.standing(1), Exclusion::none) << "unknown GTIDs prove nothing";
}

TEST_P(Roles, DistrustTheProbeWhenAllLookDeadAtOnce) {
  auto cluster = usual();
  cluster.derive();
  cluster.health(0, Health::down);
  cluster.derive();
  cluster.health(1, Health::down);
  cluster.health(2, Health::down);
  const auto& topology = cluster.derive();
  EXPECT_TRUE(topology.fail_open);
  EXPECT_EQ(topology.primary, Index(0));
  EXPECT_EQ(topology.primary_reason, PrimaryReason::kept_fail_open);
  EXPECT_TRUE(topology.has_alarm(AlarmKind::fail_open));
  for (const auto& backend : topology.backends) EXPECT_TRUE(backend.health_distrusted);
}

TEST_P(Roles, TakeAPrimaryWithANewIdentityForAnotherServer) {
  auto cluster = usual();
  cluster.derive();
  cluster.seen(0).server_uuid = "77777777-0000-0000-0000-000000000000";
  cluster.seen(0).server_id = 77;
  cluster.seen(0).gtid = GtidSet{};
  EXPECT_EQ(cluster.derive().primary, std::nullopt) << "an empty server at the old address";
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::foreign_writer);
}

TEST_P(Roles, LetTheOperatorsOfflineMakeRoomForAnotherWriter) {
  auto cluster = usual();
  cluster.derive();
  cluster.inputs[0].admin.state = AdminState::offline;
  EXPECT_EQ(cluster.derive().primary, Index(0)) << "nobody else is writable";
  cluster.stop_following(1);
  cluster.writable(1);
  EXPECT_EQ(cluster.derive().primary, Index(1));
}

TEST_P(Roles, SurviveAReorderedConfiguration) {
  auto cluster = usual();
  cluster.derive();
  std::swap(cluster.inputs[0], cluster.inputs[2]);
  cluster.health(2, Health::suspect);
  EXPECT_EQ(cluster.derive().primary, Index(2));
  EXPECT_EQ(cluster.topology.epoch, 1u);
  cluster.inputs.pop_back();
  EXPECT_EQ(cluster.derive().primary, std::nullopt) << "the primary was taken out";
}

TEST_P(Roles, KnowReplicasOfADeadPrimaryAtAColdStart) {
  auto cluster = usual();
  cluster.inputs[0].seen.reset();
  cluster.health(0, Health::down);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  for (const std::size_t i : {1, 2}) EXPECT_EQ(cluster.role(i), Role::replica);
}

TEST_P(Roles, ForgetTheOldGtidsWhenANewPrimarysCannotBeRead) {
  auto cluster = usual();
  cluster.derive();
  cluster.seen(0).gtid.reset();
  EXPECT_TRUE(cluster.derive().primary_gtid.has_value()) << "the old sample ages";
  cluster.read_only(0);
  cluster.derive();
  cluster.writable(1);
  cluster.seen(1).gtid.reset();
  EXPECT_EQ(cluster.derive().primary, Index(1));
  EXPECT_EQ(cluster.topology.primary_gtid.has_value(), false);
}

TEST_P(Roles, TakeNoneOfARingWhoseFollowersAreDivided) {
  Cluster ring(GetParam(), 4);
  ring.writable(0);
  ring.writable(1);
  ring.follow(0, 1);
  ring.follow(1, 0);
  ring.follow(2, 0);
  ring.follow(3, 1);
  EXPECT_EQ(ring.derive().primary_reason, PrimaryReason::ambiguous_writers);
  ring.follow(3, 0);
  EXPECT_EQ(ring.derive().primary, Index(0));
}

TEST_P(Roles, NeverCallAWritableBackendAReplicaByGtidsAlone) {
  auto cluster = usual();
  cluster.derive();
  cluster.stop_following(1);
  cluster.seen(1).replication_known = false;
  cluster.writable(1);
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::second_writer);
}

TEST(MysqlRoles, RefuseAForeignWriterAtAColdStartWithTheirPrimaryDead) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.inputs[0].seen.reset();
  cluster.health(0, Health::down);
  cluster.stop_following(2);
  cluster.writable(2);
  cluster.seen(2).gtid = cluster.past(2, 5000);
  EXPECT_EQ(cluster.derive().primary, std::nullopt);
  EXPECT_EQ(cluster.topology.primary_reason, PrimaryReason::foreign_writer);
  cluster.seen(2).gtid = cluster.past(0, 110).merge(cluster.past(2, 10));
  EXPECT_EQ(cluster.derive().primary, Index(2)) << "it was promoted, and shares their past";
}

TEST(MysqlRoles, GoByGtidsWhereASourceIsNotConfigured) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.follow_stranger(1);
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::none) << "through a relay that we do not know";
  cluster.writable(1);
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::other_source);
}

// Whatever the probes say: at most one writer, only a writable one, and the others' exclusions
// fit their roles.
TEST_P(Roles, KeepTheirInvariantsUnderAnyObservations) {
  std::mt19937 random(13);
  const auto chance = [&](unsigned one_in) { return random() % one_in == 0; };
  for (int round = 0; round < 300; ++round) {
    auto cluster = usual();
    for (int step = 0; step < 30; ++step) {
      const std::size_t i = random() % 3;
      auto& seen = cluster.seen(i);
      cluster.health(i, static_cast<Health>(random() % 4));
      seen.read_only = chance(2);
      if (chance(3)) cluster.follow(i, random() % 3);
      if (chance(5)) cluster.stop_following(i);
      if (chance(9)) cluster.follow_stranger(i);
      if (chance(7)) seen.gtid = cluster.past(random() % 3, 50 + static_cast<int>(random() % 100));
      if (chance(20)) seen.gtid.reset();
      const Topology before = cluster.topology;
      const auto& now = cluster.derive();
      ASSERT_EQ(now.backends.size(), 3u);
      int primaries = 0;
      for (const auto& view : now.backends) {
        primaries += view.role == Role::primary;
        ASSERT_EQ(view.standing == Exclusion::is_primary, view.role == Role::primary);
        if (view.standing == Exclusion::none) {
          ASSERT_EQ(view.role, Role::replica);
        }
      }
      ASSERT_EQ(primaries, now.primary ? 1 : 0);
      ASSERT_EQ(!now.primary, now.has_alarm(AlarmKind::no_primary));
      if (now.primary) {
        ASSERT_TRUE(now.primary_view()->seen->writable());
        if (now.primary != before.primary) {
          ASSERT_EQ(now.epoch, before.epoch + 1);
          ASSERT_TRUE(now.fail_open || now.primary_view()->health.state == Health::up);
          // Nobody is dethroned who still claims the writes.
          if (before.primary) {
            const auto& old = now.backends[*before.primary];
            ASSERT_TRUE(!old.seen->writable() || old.health.state == Health::down ||
                        old.health.state == Health::unknown);
          }
        }
      }
    }
  }
}

TEST(ReplicationGraph, KnowsABackendByAddressHoweverItIsWritten) {
  EXPECT_EQ(parse_host_port("LocalHost"), parse_host_port("127.0.0.1:3306"));
  EXPECT_EQ(parse_host_port("DB1.example:3307"), (HostPort{"db1.example", 3307}));
  EXPECT_EQ(parse_host_port("[::1]:3307"), (HostPort{"::1", 3307}));
  EXPECT_EQ(parse_host_port("::1"), (HostPort{"::1", 3306}));
  for (const auto* bad : {"", "unix:/tmp/s", "/tmp/s", "[::1", "[::1]x", "h:port", "h:99999"})
    EXPECT_EQ(parse_host_port(bad), std::nullopt) << bad;
}

TEST(ReplicationGraph, KnowsAMysqlSourceByUuidBehindNat) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.seen(1).sources[0].host = "172.17.0.2";
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::none);
}

TEST(ReplicationGraph, KnowsAMariadbSourceByItsServerIdOnlyIfUnique) {
  auto cluster = Cluster::usual(Flavour::mariadb);
  cluster.seen(1).sources[0].host = "172.17.0.2";
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::none);
  cluster.seen(2).server_id = 1;
  cluster.topology = {};
  cluster.derive();
  EXPECT_EQ(cluster.standing(1), Exclusion::wrong_cluster);
}

TEST(ReplicationGraph, DoesNotBelieveAnAddressWhoseServerIsAnother) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.seen(1).sources[0].uuid = "99999999-0000-0000-0000-000000000000";
  const ReplicationGraph lying(cluster.inputs);
  EXPECT_FALSE(lying.leads_to(1, 0));
  cluster.seen(1).sources[0].io_running = false;
  const ReplicationGraph stale(cluster.inputs);
  EXPECT_TRUE(stale.leads_to(1, 0)) << "a stopped IO thread may tell an old UUID";
}

TEST(ReplicationGraph, NeverTakesABackendForItsOwnSource) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.seen(1).sources[0].host = "10.0.0.2";
  cluster.seen(1).sources[0].uuid.clear();
  cluster.seen(1).sources[0].server_id = 0;
  const ReplicationGraph graph(cluster.inputs);
  EXPECT_FALSE(graph.has_known_source(1));
  EXPECT_TRUE(graph.has_unknown_source(1));
}

TEST(ReplicationGraph, EndsInARing) {
  auto cluster = Cluster::usual(Flavour::mysql);
  cluster.follow(0, 1);
  cluster.follow(1, 2);
  cluster.follow(2, 0);
  const ReplicationGraph ring(cluster.inputs);
  EXPECT_TRUE(ring.leads_to(0, 2));
  EXPECT_FALSE(ring.leads_to(0, 0));
  EXPECT_EQ(ring.sole_root(), std::nullopt);
}

TEST(BackendInput, KeepsTheLastAnswerWhenAProbeFails) {
  BackendInput input;
  input.record({.alive = true, .version = "10.11.19"});
  input.record({.alive = false, .error = "refused"});
  EXPECT_EQ(input.seen->version, "10.11.19");
  EXPECT_EQ(input.last_error, "refused");
  input.record({.alive = true});
  EXPECT_EQ(input.last_error, "");
}

}  // namespace
}  // namespace sluice::routing
