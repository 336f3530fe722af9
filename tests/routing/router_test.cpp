#include "routing/router.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>
#include <string>
#include <vector>

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

// Counted for RouteCost alone. The forms of new that the library leaves to us end here;
// under AddressSanitizer the nothrow one does not end in the plain one.
void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* got = std::malloc(size == 0 ? 1 : size)) return got;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, const std::nothrow_t&) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }

namespace sluice::routing {
namespace {

constexpr TimePoint start{std::chrono::seconds(1000)};
TimePoint at(int ms) { return start + milliseconds(ms); }

GtidSet position(std::string_view text) { return GtidSet::parse(text, Flavour::mariadb).value(); }

/// db1 is the primary at 0-1-100; r1 and r2 are its replicas and have it all.
class Router : public testing::Test {
 protected:
  Router() {
    topology_.backends.resize(3);
    for (std::size_t i = 0; i < 3; ++i) {
      BackendView& view = topology_.backends[i];
      view.id = i;
      view.name = i == 0 ? "db1" : "r" + std::to_string(i);
      view.role = i == 0 ? Role::primary : Role::replica;
      view.standing = i == 0 ? Exclusion::is_primary : Exclusion::none;
      view.health.state = Health::up;
      if (i != 0) view.lag = milliseconds(100);
      view.lag_known_at = start;
      view.seen = Observation{.alive = true, .gtid = position("0-1-100")};
    }
    topology_.primary = 0;
    topology_.primary_gtid = PrimaryGtid{start, position("0-1-100")};
  }

  [[nodiscard]] Decision decide(std::string_view sql) const {
    return decide(classify(sql, Dialect{}));
  }
  [[nodiscard]] Decision decide(const Statement& statement) const {
    const RouteInput input{.statement = statement,
                           .bonds = bonds_,
                           .topology = topology_,
                           .load = load_,
                           .policy = policy_,
                           .now = now_,
                           .seed = seed_,
                           .avoid = avoid_};
    return route(input);
  }
  void expect(std::string_view sql, Target target, Reason reason) const {
    const Decision decision = decide(sql);
    EXPECT_EQ(decision.target, target) << sql;
    EXPECT_EQ(to_string(decision.reason), to_string(reason)) << sql;
  }
  BackendView& replica(std::size_t i) { return topology_.backends[i]; }
  void exclude_replicas(Exclusion why) {
    for (std::size_t i : {1U, 2U}) replica(i).standing = why;
  }

  Topology topology_;
  Bonds bonds_;
  RoutePolicy policy_;
  std::vector<Load> load_ = std::vector<Load>(3);
  TimePoint now_ = start;
  std::uint64_t seed_ = 1;
  std::uint64_t avoid_ = 0;
};

TEST_F(Router, SendsPlainReadsToAReplica) {
  std::set<std::size_t> served;
  for (seed_ = 0; seed_ < 64; ++seed_) {
    const Decision decision = decide("SELECT 1");
    EXPECT_EQ(decision.target, Target::replica);
    EXPECT_EQ(decision.reason, Reason::plain_read);
    served.insert(decision.backend);
  }
  EXPECT_EQ(served, (std::set<std::size_t>{1, 2}));
}

TEST_F(Router, SendsEverythingElseToThePrimary) {
  for (const std::string_view sql : {"INSERT INTO t VALUES (1)", "SELECT 1 FOR UPDATE", "BEGIN",
                                     "SELECT @@read_only", "nonsense", ""}) {
    expect(sql, Target::primary, Reason::write);
    EXPECT_EQ(decide(sql).backend, 0U);
  }
}

TEST_F(Router, TakesTheReplicaWithTheLeastUnderWay) {
  load_[1].in_flight = 5;
  load_[2].in_flight = 2;
  for (seed_ = 0; seed_ < 64; ++seed_) EXPECT_EQ(decide("SELECT 1").backend, 2U);
}

TEST_F(Router, ObeysAHintForThePrimaryOnly) {
  expect("/* sluice: primary */ SELECT 1", Target::primary, Reason::hint_primary);
  expect("/* sluice: replica */ INSERT INTO t VALUES (1)", Target::primary, Reason::write);
  expect("/* sluice: replica */ SELECT 1", Target::replica, Reason::plain_read);
}

TEST_F(Router, KeepsReadsOfAnOpenTransactionOnItsBackend) {
  bonds_.in_transaction = bonds_.holds_link = true;
  for (const std::string_view sql :
       {"SELECT 1", "INSERT INTO t VALUES (1)", "COMMIT", "/* sluice: primary */ SELECT 1"})
    expect(sql, Target::held, Reason::in_transaction);
}

TEST_F(Router, KeepsAPinnedSessionOnItsLink) {
  bonds_.pinned = bonds_.holds_link = true;
  expect("SELECT 1", Target::held, Reason::pinned);
  bonds_.holds_link = false;
  expect("SELECT 1", Target::primary, Reason::pinned);
}

TEST_F(Router, NeverLetsATransactionBeginOnAReplicaByAutocommitOff) {
  bonds_.autocommit_off = true;
  expect("SELECT 1", Target::primary, Reason::autocommit_off);
  expect("START TRANSACTION READ ONLY", Target::primary, Reason::autocommit_off);
}

TEST_F(Router, KeepsAReadOnlyTransactionThatLocksOnThePrimary) {
  bonds_.serializable = true;
  expect("START TRANSACTION READ ONLY", Target::primary, Reason::write);
  expect("SELECT 1", Target::replica, Reason::plain_read);
}

TEST_F(Router, GivesAReadOnlyTransactionToAReplica) {
  expect("START TRANSACTION READ ONLY", Target::replica, Reason::read_only_transaction);
  expect("START TRANSACTION", Target::primary, Reason::write);
  Statement two = classify("START TRANSACTION READ ONLY", Dialect{});
  two.effects.set(Effect::several);
  EXPECT_EQ(decide(two).target, Target::primary);
}

TEST_F(Router, AsksThePreviousStatementsLinkAboutIt) {
  bonds_.holds_link = true;
  expect("SELECT LAST_INSERT_ID()", Target::held, Reason::previous_statement);
  expect("SHOW WARNINGS", Target::held, Reason::previous_statement);
  expect("SELECT 1", Target::replica, Reason::plain_read);
  bonds_.holds_link = false;
  EXPECT_NE(decide("SELECT LAST_INSERT_ID()").target, Target::held);
}

TEST_F(Router, ReadsFromThePrimaryUntilAReplicaHasTheSessionsWrite) {
  const GtidSet own = position("0-1-105");
  bonds_.required = &own;
  expect("SELECT 1", Target::primary, Reason::own_write);
  replica(2).seen->gtid = position("0-1-105");
  for (seed_ = 0; seed_ < 64; ++seed_) {
    const Decision decision = decide("SELECT 1");
    EXPECT_EQ(decision.target, Target::replica);
    EXPECT_EQ(decision.backend, 2U);
  }
}

TEST_F(Router, DoesNotTrustAReplicaWhosePositionIsUnknown) {
  const GtidSet own = position("0-1-5");
  bonds_.required = &own;
  for (std::size_t i : {1U, 2U}) replica(i).seen->gtid.reset();
  expect("SELECT 1", Target::primary, Reason::own_write);
}

TEST_F(Router, ReadsFromThePrimaryAfterAWriteOfUnknownPositionUntilItIsBounded) {
  bonds_.unknown_write = at(50);
  topology_.primary_gtid->read_at = at(40);
  expect("SELECT 1", Target::primary, Reason::own_write);
  topology_.primary_gtid->read_at = at(50);
  expect("SELECT 1", Target::primary, Reason::own_write);
  topology_.primary_gtid->read_at = at(51);
  expect("SELECT 1", Target::replica, Reason::plain_read);
  topology_.primary_gtid->gtid = position("0-1-120");
  expect("SELECT 1", Target::primary, Reason::own_write);
  topology_.primary_gtid.reset();
  expect("SELECT 1", Target::primary, Reason::own_write);
}

TEST_F(Router, ForgetsOwnWritesIfTheOperatorSaysSo) {
  const GtidSet own = position("0-1-105");
  bonds_.required = &own;
  bonds_.unknown_write = at(1000);
  policy_.read_your_writes = false;
  expect("SELECT 1", Target::replica, Reason::plain_read);
}

TEST_F(Router, LeavesReplicasThatLag) {
  replica(1).lag = milliseconds(2000);
  for (seed_ = 0; seed_ < 64; ++seed_) EXPECT_EQ(decide("SELECT 1").backend, 2U);
  replica(2).lag = std::nullopt;
  expect("SELECT 1", Target::primary, Reason::lagging);
}

TEST_F(Router, CountsTheAgeOfALagAgainstTheBound) {
  now_ = at(899);
  expect("SELECT 1", Target::replica, Reason::plain_read);
  now_ = at(1000);
  expect("SELECT 1", Target::primary, Reason::lagging);
}

TEST_F(Router, ReadsFromThePrimaryIfThereIsNoReplica) {
  exclude_replicas(Exclusion::not_replicating);
  expect("SELECT 1", Target::primary, Reason::no_replica);
}

TEST_F(Router, TellsTheMildestReasonWhyNoReplicaServes) {
  replica(1).standing = Exclusion::wrong_cluster;
  replica(2).lag = milliseconds(5000);
  expect("SELECT 1", Target::primary, Reason::lagging);
  const GtidSet own = position("0-1-105");
  bonds_.required = &own;
  replica(2).lag = milliseconds(10);
  expect("SELECT 1", Target::primary, Reason::own_write);
}

TEST_F(Router, DoesNotAskABackendThatHasJustFailed) {
  avoid_ = 1U << 1;
  for (seed_ = 0; seed_ < 64; ++seed_) EXPECT_EQ(decide("SELECT 1").backend, 2U);
  avoid_ = (1U << 1) | (1U << 2);
  EXPECT_EQ(decide("SELECT 1").target, Target::primary);
  avoid_ = 7;
  expect("SELECT 1", Target::wait, Reason::no_primary);
  expect("INSERT INTO t VALUES (1)", Target::wait, Reason::no_primary);
}

TEST_F(Router, HoldsWritesWhileThereIsNoPrimary) {
  topology_.primary.reset();
  expect("INSERT INTO t VALUES (1)", Target::wait, Reason::no_primary);
  expect("SELECT 1", Target::replica, Reason::plain_read);
}

TEST_F(Router, HoldsWhatMayBeginToWriteDuringASwitchoverAndLetsTheRestGoOn) {
  topology_.writes_held = true;
  for (const std::string_view sql : {"INSERT INTO t VALUES (1)", "BEGIN", "SELECT 1 FOR UPDATE"})
    expect(sql, Target::wait, Reason::no_primary);
  expect("SELECT 1", Target::replica, Reason::plain_read);
  exclude_replicas(Exclusion::down);
  expect("SELECT 1", Target::primary, Reason::no_replica);
  bonds_ = {.in_transaction = true, .holds_link = true};
  expect("INSERT INTO t VALUES (1)", Target::held, Reason::in_transaction);
  expect("COMMIT", Target::held, Reason::in_transaction);
  bonds_ = {.autocommit_off = true};
  expect("SELECT 1", Target::wait, Reason::no_primary);
}

TEST_F(Router, HoldsWritesWhileThePrimaryIsOffline) {
  topology_.backends[0].admin.state = AdminState::offline;
  expect("INSERT INTO t VALUES (1)", Target::wait, Reason::no_primary);
  topology_.backends[0].admin.state = AdminState::drain;
  EXPECT_EQ(decide("INSERT INTO t VALUES (1)").target, Target::primary) << "writes have no choice";
}

TEST_F(Router, ReadsOldDataRatherThanNoneWhenThePrimaryIsGone) {
  topology_.primary.reset();
  for (std::size_t i : {1U, 2U}) replica(i).lag = std::nullopt;
  expect("SELECT 1", Target::replica, Reason::no_primary);
  replica(1).health.state = Health::suspect;
  replica(2).health.state = Health::down;
  expect("SELECT 1", Target::replica, Reason::no_primary);
  EXPECT_EQ(decide("SELECT 1").backend, 1U);
}

TEST_F(Router, NeverReadsPastOwnWritesEvenWhenThePrimaryIsGone) {
  topology_.primary.reset();
  const GtidSet own = position("0-1-105");
  bonds_.required = &own;
  expect("SELECT 1", Target::wait, Reason::no_primary);
}

TEST_F(Router, AsksAReplicaOfUnknownAgeBeforeAPrimaryInDoubt) {
  topology_.backends[0].health.state = Health::suspect;
  for (std::size_t i : {1U, 2U}) replica(i).lag = std::nullopt;
  expect("SELECT 1", Target::replica, Reason::no_primary);
  exclude_replicas(Exclusion::not_replicating);
  expect("SELECT 1", Target::primary, Reason::no_replica);
}

TEST_F(Router, SharesReadsWithThePrimaryIfTheOperatorSaysSo) {
  policy_.share_reads_with_primary = true;
  std::set<Target> targets;
  for (seed_ = 0; seed_ < 64; ++seed_) targets.insert(decide("SELECT 1").target);
  EXPECT_EQ(targets, (std::set<Target>{Target::primary, Target::replica}));
  const GtidSet own = position("0-1-105");
  bonds_.required = &own;
  const Decision decision = decide("SELECT 1");
  EXPECT_EQ(decision.target, Target::primary) << "which has every write";
  EXPECT_EQ(decision.backend, 0U);
}

TEST_F(Router, SharesNoReadsWithAPrimaryThatIsInDoubtOrDrained) {
  policy_.share_reads_with_primary = true;
  for (const bool drained : {true, false}) {
    topology_.backends[0].admin.state = drained ? AdminState::drain : AdminState::online;
    topology_.backends[0].health.state = drained ? Health::up : Health::suspect;
    for (seed_ = 0; seed_ < 64; ++seed_)
      ASSERT_EQ(decide("SELECT 1").target, Target::replica) << drained;
  }
}

TEST_F(Router, HasAWordForEveryReason) {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < reason_count; ++i) words.insert(to_string(static_cast<Reason>(i)));
  EXPECT_EQ(words.size(), reason_count);
  EXPECT_EQ(words.count("?"), 0U);
}

TEST_F(Router, SurvivesMoreBackendsThanItCompares) {
  const BackendView one = topology_.backends[1];
  while (topology_.backends.size() < 200) {
    topology_.backends.push_back(one);
    topology_.backends.back().id = topology_.backends.size() - 1;
  }
  avoid_ = ~std::uint64_t{0};
  const Decision decision = decide("SELECT 1");
  EXPECT_EQ(decision.target, Target::replica);
  EXPECT_GE(decision.backend, 64U);
}

TEST_F(Router, ClassifiesAndRoutesWithoutAllocating) {
  const GtidSet own = position("0-1-90,1-1-5");
  bonds_.required = &own;
  bonds_.unknown_write = at(-50);
  const std::string_view statements[] = {
      "SELECT c FROM sbtest1 WHERE id = 5",   "/* sluice: primary */ SELECT 1",
      "INSERT INTO t (a, b) VALUES (1, 'x')", "SET SESSION sql_mode = 'ANSI', @a = 1",
      "START TRANSACTION READ ONLY",          "PREPARE `s` FROM 'SELECT 1'"};
  const std::uint64_t before = allocations.load();
  unsigned routed = 0;
  for (const std::string_view sql : statements)
    routed += decide(sql).target == Target::held ? 0U : 1U;
  EXPECT_EQ(allocations.load() - before, 0U);
  EXPECT_EQ(routed, std::size(statements));
}

}  // namespace
}  // namespace sluice::routing
