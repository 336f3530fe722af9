#include "proxy/topology_news.hpp"

#include <gmock/gmock.h>

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::AdminState;
using routing::AlarmKind;
using routing::Exclusion;
using routing::Health;
using routing::PrimaryReason;
using routing::Role;
using routing::TimePoint;
using routing::Topology;
using testing::ElementsAre;
using testing::IsEmpty;

// db1 is the primary, db2 its replica, both well.
Topology pair() {
  Topology topology;
  topology.backends.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    auto& backend = topology.backends[i];
    backend.id = i;
    backend.name = i == 0 ? "db1" : "db2";
    backend.health.state = Health::up;
    backend.role = i == 0 ? Role::primary : Role::replica;
    backend.standing = i == 0 ? Exclusion::is_primary : Exclusion::none;
  }
  topology.backends[1].lag = 0ms;
  topology.primary = 0;
  topology.primary_reason = PrimaryReason::sole_writable;
  topology.epoch = 1;
  return topology;
}

std::vector<std::string> texts(const std::vector<NewsLine>& lines) {
  std::vector<std::string> texts;
  for (const NewsLine& line : lines) texts.push_back(line.text);
  return texts;
}

TEST(TopologyNews, SaysNothingOfAMereSample) {
  Topology after = pair();
  after.backends[1].lag = 300ms;
  after.backends[1].lag_known_at = TimePoint(5s);
  after.primary_gtid = routing::PrimaryGtid{};
  EXPECT_THAT(news(pair(), after), IsEmpty());
  EXPECT_FALSE(matters(pair(), after));
}

TEST(TopologyNews, TellsAFailureWithItsCause) {
  Topology after = pair();
  after.backends[1].health.state = Health::suspect;
  after.backends[1].last_error = "connection refused";
  EXPECT_THAT(texts(news(pair(), after)), ElementsAre("db2 is suspect (connection refused)"));
  EXPECT_TRUE(matters(pair(), after));
  EXPECT_THAT(texts(news(after, pair())), ElementsAre("db2 is up"));
}

TEST(TopologyNews, TellsWhoBecomesPrimaryAndWhy) {
  Topology after = pair();
  after.primary = 1;
  after.epoch = 2;
  after.backends[0].role = Role::replica;
  after.backends[1].role = Role::primary;
  EXPECT_THAT(texts(news(pair(), after)),
              ElementsAre("db1 is a replica", "db2 is the primary: sole_writable, epoch 2"));
  EXPECT_TRUE(matters(pair(), after));
}

TEST(TopologyNews, TellsThatThereIsNoPrimary) {
  Topology after = pair();
  after.primary.reset();
  after.primary_reason = PrimaryReason::none_writable;
  EXPECT_THAT(texts(news(pair(), after)), ElementsAre("there is no primary: none_writable"));
  EXPECT_THAT(news(after, after), IsEmpty());
}

TEST(TopologyNews, TellsAlarmsOnceAndTheirEnd) {
  Topology after = pair();
  after.alarms.push_back({AlarmKind::two_writers, 1});
  EXPECT_THAT(texts(news(pair(), after)), ElementsAre("alarm two_writers: db2"));
  EXPECT_THAT(news(after, after), IsEmpty());
  EXPECT_THAT(texts(news(after, pair())), ElementsAre("alarm over two_writers: db2"));
}

TEST(TopologyNews, TellsWhatTheOperatorDid) {
  Topology after = pair();
  after.backends[1].admin = {AdminState::drain, {}, "admin", "disk change"};
  EXPECT_THAT(texts(news(pair(), after)), ElementsAre("db2 is set drain by admin (disk change)"));
  EXPECT_TRUE(matters(pair(), after));
}

TEST(TopologyNews, TellsEachChangeOfWhoServesReadsOnce) {
  ReadNews reads;
  Topology topology = pair();
  const std::vector<std::chrono::milliseconds> bounds{1s, 1s};
  EXPECT_THAT(texts(reads.look(topology, bounds, TimePoint{})), ElementsAre("db2 serves reads"));
  EXPECT_THAT(reads.look(topology, bounds, TimePoint{}), IsEmpty());
  topology.backends[1].lag = 1500ms;
  EXPECT_THAT(texts(reads.look(topology, bounds, TimePoint{})),
              ElementsAre("db2 serves no reads: lagging, 1500 ms"));
  topology.backends[1].lag = 1600ms;
  EXPECT_THAT(reads.look(topology, bounds, TimePoint{}), IsEmpty());
  topology.backends[1].lag = 0ms;
  EXPECT_THAT(texts(reads.look(topology, bounds, TimePoint{})), ElementsAre("db2 serves reads"));
}

TEST(TopologyNews, NoticesLagThatOnlyGrowsOlder) {
  ReadNews reads;
  const Topology topology = pair();
  const std::vector<std::chrono::milliseconds> bounds{1s, 1s};
  EXPECT_THAT(reads.look(topology, bounds, TimePoint{}), testing::SizeIs(1));
  EXPECT_THAT(texts(reads.look(topology, bounds, TimePoint(1200ms))),
              ElementsAre("db2 serves no reads: lagging, 1200 ms"));
}

}  // namespace
}  // namespace sluice::proxy
