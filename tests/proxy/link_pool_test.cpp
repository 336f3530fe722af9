#include "proxy/link_pool.hpp"

#include <gmock/gmock.h>

#include "tests/proxy/script_backend.hpp"

namespace sluice::proxy {
namespace {

using routing::LinkRole;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class LinkPoolTest : public Stage {
 protected:
  LinkPoolTest() {
    settings_->backends.resize(2);
    for (auto& backend : settings_->backends) backend.address = backend_.address();
    limit_links(0);
  }
  void TearDown() override {
    pool_->close_all();
    backend_.stop();
    Stage::TearDown();
  }

  /// A fresh pool under a budget of `limit` links to each backend.
  void limit_links(std::uint32_t limit) {
    pool_.reset();
    budgets_.clear();
    for (std::size_t i = 0; i < 2; ++i) budgets_.push_back(std::make_unique<LinkBudget>(limit));
    LinkPool::Environment environment{settings_, all_counters_, budgets_, tls_,
                                      [this](std::size_t) { ++others_asked_; }};
    pool_ = std::make_unique<LinkPool>(executor(), std::move(environment));
  }

  [[nodiscard]] PlaceRequest request(LinkKind kind = {}, std::chrono::seconds patience = {}) const {
    kind.user = kind.user.empty() ? "app" : kind.user;
    kind.capabilities |= protocol::capability::deprecate_eof | protocol::capability::session_track;
    PlaceRequest made;
    made.kind = std::move(kind);
    made.wanted = &wanted_;
    made.password = config::Secret("secret");
    made.until = Clock::now() + patience;
    return made;
  }
  PlaceOutcome obtain(LinkKind kind = {}) { return run(pool_->obtain(request(std::move(kind)))); }
  /// Obtains without waiting for the outcome.
  void obtain_later(std::optional<PlaceOutcome>& outcome) {
    start(pool_->obtain(request({}, std::chrono::seconds(20))),
          [&outcome](PlaceOutcome got) { outcome.emplace(std::move(got)); });
    settle();
  }
  [[nodiscard]] const Link* link_of(const PlaceOutcome& outcome) const {
    return outcome.place.link().get();
  }

  ScriptBackend backend_{executor()};
  std::shared_ptr<config::Settings> settings_ = std::make_shared<config::Settings>();
  Counters all_counters_{2};
  std::vector<std::unique_ptr<LinkBudget>> budgets_;
  std::vector<std::shared_ptr<TlsContext>> tls_ = std::vector<std::shared_ptr<TlsContext>>(2);
  routing::StateVector wanted_;
  std::unique_ptr<LinkPool> pool_;
  int others_asked_ = 0;
};

TEST_F(LinkPoolTest, OpensALinkAndSwitchesTheTrackersOn) {
  const PlaceOutcome outcome = obtain();
  ASSERT_TRUE(outcome.place);
  EXPECT_EQ(outcome.place->facts().flavour, protocol::Flavour::mariadb);
  EXPECT_TRUE(outcome.place->quiet());
  EXPECT_EQ(outcome.place->image, routing::StateVector{});
  EXPECT_THAT(backend_.heard, Contains(HasSubstr("session_track_schema=ON")));
  EXPECT_THAT(backend_.heard, Not(Contains(HasSubstr("READ ONLY"))));
}

TEST_F(LinkPoolTest, GuardsLinksToReplicasAgainstWrites) {
  ASSERT_TRUE(obtain({.role = LinkRole::replica}).place);
  EXPECT_THAT(backend_.heard, Contains("SET SESSION TRANSACTION READ ONLY"));
}

TEST_F(LinkPoolTest, HandsOutNoReplicaLinkWithoutItsGuard) {
  backend_.refused = "SET SESSION TRANSACTION READ ONLY";
  const PlaceOutcome outcome = obtain({.role = LinkRole::replica});
  EXPECT_FALSE(outcome.place);
  EXPECT_EQ(outcome.failure.error, protocol::Errc::refused);
}

TEST_F(LinkPoolTest, TakesALinkThatCameBack) {
  PlaceOutcome first = obtain();
  const Link* link = link_of(first);
  first.place.release();
  EXPECT_EQ(pool_->idle_count(), 1U);
  const PlaceOutcome second = obtain();
  EXPECT_EQ(link_of(second), link);
  EXPECT_EQ(pool_->idle_count(), 0U);
}

TEST_F(LinkPoolTest, NeverMixesLinksOfDifferentKinds) {
  PlaceOutcome first = obtain();
  const Link* link = link_of(first);
  first.place.release();
  const LinkKind others[] = {
      {.backend = 1},
      {.role = LinkRole::replica},
      {.capabilities = protocol::capability::found_rows},
      {.collation = 33},
  };
  for (const LinkKind& kind : others) {
    const PlaceOutcome other = obtain(kind);
    ASSERT_TRUE(other.place);
    EXPECT_NE(link_of(other), link);
  }
  EXPECT_FALSE(obtain({.user = "stranger"}).place);
  EXPECT_EQ(link_of(obtain()), link);
}

TEST_F(LinkPoolTest, GivesNoLinkWithASchemaToASessionWithout) {
  PlaceOutcome first = obtain();
  const Link* link = link_of(first);
  first.place->image.schema = "shop";
  first.place.release();
  PlaceOutcome without = obtain();
  EXPECT_NE(link_of(without), link);
  without.place.release();
  wanted_.schema = "other";
  EXPECT_EQ(pool_->idle_count(), 2U);
  PlaceOutcome with = obtain();
  EXPECT_TRUE(with.place);
  EXPECT_EQ(pool_->idle_count(), 1U) << "either will do";
}

TEST_F(LinkPoolTest, PrefersTheLinkThatNeedsTheLeast) {
  PlaceOutcome plain = obtain();
  PlaceOutcome fitting = obtain();
  PlaceOutcome other = obtain();
  const Link* link = link_of(fitting);
  fitting.place->image.set("sql_mode", "ANSI");
  other.place->image.set("sql_mode", "TRADITIONAL");
  fitting.place.release();
  plain.place.release();
  other.place.release();
  wanted_.set("sql_mode", "ANSI");
  EXPECT_EQ(link_of(obtain()), link);
}

TEST_F(LinkPoolTest, ClosesALinkThatCannotBeUsedAgain) {
  using Spoil = void (*)(Link&);
  const Spoil spoils[] = {
      [](Link& link) { link.dirty = true; },
      [](Link& link) { ++link.kills_pending; },
      [](Link& link) { link.send(query_packet("x"), protocol::ReplyKind::query, nullptr, 0); },
      [](Link& link) { link.begin(protocol::ReplyKind::none, nullptr, 0); },
      [](Link& link) { link.close(); },
  };
  for (const Spoil spoil : spoils) {
    PlaceOutcome outcome = obtain();
    const std::shared_ptr<Link> link = outcome.place.link();
    spoil(*link);
    outcome.place.release();
    EXPECT_TRUE(link->closed());
    EXPECT_EQ(pool_->idle_count(), 0U);
  }
}

TEST_F(LinkPoolTest, HandsOutNoLinkThatDiedWhileIdle) {
  obtain().place.release();
  ASSERT_EQ(pool_->idle_count(), 1U);
  backend_.hang_up(0);
  settle();
  const PlaceOutcome outcome = obtain();
  ASSERT_TRUE(outcome.place);
  EXPECT_FALSE(outcome.place->closed());
  EXPECT_EQ(backend_.accepted, 2U);
}

TEST_F(LinkPoolTest, ReportsARefusalAsTheBackendsOwn) {
  const PlaceOutcome outcome = obtain({.user = "stranger"});
  EXPECT_FALSE(outcome.place);
  ASSERT_TRUE(outcome.failure.refusal);
  EXPECT_EQ(outcome.failure.refusal->code, 1045);
}

TEST_F(LinkPoolTest, ReportsABackendThatCannotBeReached) {
  backend_.stop();
  const PlaceOutcome outcome = obtain();
  EXPECT_FALSE(outcome.place);
  EXPECT_TRUE(outcome.failure.error);
  EXPECT_FALSE(outcome.failure.refusal);
}

TEST_F(LinkPoolTest, GivesUpOnABackendThatNeverSpeaks) {
  settings_->pool.login_timeout = std::chrono::milliseconds(30);
  for (const bool logs_in : {false, true}) {
    backend_.speaks = logs_in;
    backend_.hears_commands = false;
    const PlaceOutcome outcome = obtain();
    EXPECT_FALSE(outcome.place);
    EXPECT_EQ(outcome.failure.error, asio::error::timed_out);
  }
}

TEST_F(LinkPoolTest, OpensNoMoreLinksThanTheBudgetAllows) {
  limit_links(2);
  const PlaceOutcome first = obtain();
  const PlaceOutcome second = obtain();
  const PlaceOutcome third = obtain();
  EXPECT_FALSE(third.place);
  ASSERT_TRUE(third.failure.refusal);
  EXPECT_EQ(third.failure.refusal->code, protocol::server_error::con_count);
  EXPECT_EQ(backend_.accepted, 2U);
  EXPECT_TRUE(obtain({.backend = 1}).place) << "each backend has its own";
}

TEST_F(LinkPoolTest, GetsTheBudgetBackHoweverALinkEnds) {
  limit_links(1);
  for (int round = 0; round < 3; ++round) {
    PlaceOutcome outcome = obtain();
    ASSERT_TRUE(outcome.place) << round;
    outcome.place->close();
    outcome.place.release();
    EXPECT_FALSE(obtain({.user = "stranger"}).place);
  }
  obtain().place.release();
  pool_->retire(0);
  EXPECT_TRUE(obtain().place);
}

TEST_F(LinkPoolTest, EvictsOneIdleLinkForAnotherKind) {
  limit_links(2);
  PlaceOutcome first = obtain();
  PlaceOutcome second = obtain();
  first.place.release();
  second.place.release();
  EXPECT_TRUE(obtain({.collation = 33}).place);
  EXPECT_EQ(pool_->idle_count(), 2U) << "one of the old ones, and the new one";
}

TEST_F(LinkPoolTest, WakesAWaiterWhenALinkComesBack) {
  limit_links(1);
  PlaceOutcome first = obtain();
  const Link* link = link_of(first);
  std::optional<PlaceOutcome> second;
  obtain_later(second);
  EXPECT_FALSE(second);
  EXPECT_GT(others_asked_, 0);
  first.place.release();
  ASSERT_TRUE(until([&] { return second.has_value(); }));
  EXPECT_EQ(link_of(*second), link);
}

TEST_F(LinkPoolTest, ServesAllWaitersInTheEnd) {
  limit_links(2);
  std::vector<std::optional<PlaceOutcome>> outcomes(12);
  for (auto& outcome : outcomes) obtain_later(outcome);
  std::size_t served = 0;
  ASSERT_TRUE(until([&] {
    for (auto& outcome : outcomes) {
      if (!outcome || !outcome->place) continue;
      ++served;
      outcome->place.release();
    }
    return served == outcomes.size();
  }));
  EXPECT_LE(backend_.accepted, 2U);
}

TEST_F(LinkPoolTest, AsksAHolderToGiveUpALinkThatItHoldsWithoutNeed) {
  struct Holder final : LinkHolder {
    Yield yield_link(std::size_t) override {
      if (!held.place) return Yield::nothing;
      held.place.release();
      return Yield::now;
    }
    PlaceOutcome held;
  };
  limit_links(2);
  Holder one;
  Holder two;
  pool_->add_holder(one);
  pool_->add_holder(two);
  one.held = obtain();
  two.held = obtain();
  EXPECT_TRUE(obtain({.collation = 33}).place);
  EXPECT_NE(static_cast<bool>(one.held.place), static_cast<bool>(two.held.place))
      << "one is enough";
  pool_->remove_holder(one);
  pool_->remove_holder(two);
  two.held.place.release();
}

TEST_F(LinkPoolTest, RetiresIdleLinksNowAndOthersWhenTheyComeBack) {
  PlaceOutcome idle = obtain();
  PlaceOutcome used = obtain();
  PlaceOutcome elsewhere = obtain({.backend = 1});
  const std::shared_ptr<Link> link = used.place.link();
  const std::shared_ptr<Link> spared = elsewhere.place.link();
  idle.place.release();
  elsewhere.place.release();
  pool_->retire(0);
  EXPECT_EQ(pool_->idle_count(), 1U);
  EXPECT_FALSE(link->closed());
  used.place.release();
  EXPECT_TRUE(link->closed());
  EXPECT_FALSE(spared->closed());
}

TEST_F(LinkPoolTest, CutsLinksInUse) {
  PlaceOutcome used = obtain();
  PlaceOutcome elsewhere = obtain({.backend = 1});
  pool_->cut(0);
  EXPECT_TRUE(used.place->closed());
  EXPECT_FALSE(elsewhere.place->closed());
}

TEST_F(LinkPoolTest, SweepsLinksThatWaitedOrLivedTooLong) {
  settings_->pool.idle_timeout = std::chrono::seconds(60);
  settings_->pool.max_age = std::chrono::seconds(600);
  obtain().place.release();
  const auto now = Clock::now();
  pool_->sweep(now + std::chrono::seconds(30));
  EXPECT_EQ(pool_->idle_count(), 1U);
  pool_->sweep(now + std::chrono::seconds(61));
  EXPECT_EQ(pool_->idle_count(), 0U);
  settings_->pool.idle_timeout = {};
  obtain().place.release();
  pool_->sweep(now + std::chrono::seconds(599));
  EXPECT_EQ(pool_->idle_count(), 1U);
  pool_->sweep(now + std::chrono::seconds(700));
  EXPECT_EQ(pool_->idle_count(), 0U);
}

// A link left open would keep its worker's loop running for ever.
TEST_F(LinkPoolTest, LeavesNothingOpenOnceItIsClosed) {
  limit_links(2);
  PlaceOutcome idle = obtain();
  PlaceOutcome used = obtain();
  idle.place.release();
  const std::shared_ptr<Link> link = used.place.link();
  pool_->close_all();
  EXPECT_TRUE(link->closed());
  used.place.release();
  EXPECT_EQ(pool_->idle_count(), 0U);
  const PlaceOutcome late = obtain();
  EXPECT_FALSE(late.place);
  ASSERT_TRUE(late.failure.refusal);
  EXPECT_EQ(late.failure.refusal->code, protocol::server_error::server_shutdown);
}

TEST_F(LinkPoolTest, ClosesALinkThatWasBeingOpenedWhenThePoolClosed) {
  std::optional<PlaceOutcome> outcome;
  start(pool_->obtain(request()),
        [&outcome](PlaceOutcome got) { outcome.emplace(std::move(got)); });
  ASSERT_TRUE(until([&] { return !backend_.heard.empty(); }));
  EXPECT_FALSE(outcome);
  pool_->close_all();
  ASSERT_TRUE(until([&] { return outcome.has_value(); }));
  EXPECT_FALSE(outcome->place);
  backend_.stop();
  context_.restart();
  context_.run();  // comes back: nothing is under way
}

TEST_F(LinkPoolTest, WakesWaitersWhenItCloses) {
  limit_links(1);
  PlaceOutcome held = obtain();
  std::optional<PlaceOutcome> waiting;
  obtain_later(waiting);
  pool_->close_all();
  ASSERT_TRUE(until([&] { return waiting.has_value(); }));
  EXPECT_FALSE(waiting->place);
}

/// The sweep: a backend that hangs up after any byte of the login and set-up.
TEST_F(LinkPoolTest, LeavesNothingBehindWhereverAnOpeningFails) {
  limit_links(1);
  obtain().place.release();
  pool_->retire(0);
  const std::size_t whole = backend_.sent;
  ASSERT_GT(whole, 80U);
  for (std::size_t size = 0; size < whole; ++size) {
    backend_.most_sent = size;
    const PlaceOutcome outcome = obtain();
    ASSERT_FALSE(outcome.place) << "after " << size << " bytes";
    ASSERT_TRUE(outcome.failure.error);
    ASSERT_FALSE(outcome.failure.refusal);
  }
  backend_.most_sent = SIZE_MAX;
  PlaceOutcome outcome = obtain();
  EXPECT_TRUE(outcome.place) << "the budget is whole";
  settle();
  EXPECT_EQ(read(all_counters_.backends[0]->links), 1U);
  EXPECT_EQ(read(all_counters_.backends[0]->in_flight), 0U);
  EXPECT_EQ(read(all_counters_.backends[0]->link_errors), whole);
}

}  // namespace
}  // namespace sluice::proxy
