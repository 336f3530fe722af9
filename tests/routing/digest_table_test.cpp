#include "routing/digest_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::routing {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1h};

DigestSample sample(std::uint32_t micros, std::uint64_t bytes = 100, std::size_t backend = 0) {
  return {.backend = backend, .micros = micros, .bytes = bytes, .failed = false};
}

class Digests : public testing::Test {
 protected:
  void observe(Digest digest, const DigestSample& what, int times = 1) {
    for (int i = 0; i < times; ++i) table_.observe(digest, what, "SELECT a FROM t", {});
  }
  SharingVerdict verdict(Digest digest, std::size_t backend = 0, TimePoint now = start) {
    return table_.verdict(digest, backend, now);
  }

  DigestTable table_{1U << 20, 3, {.free_strikes = 0}};
};

TEST_F(Digests, AreUnknownUntilTheyHaveRunThreeTimes) {
  EXPECT_EQ(verdict(1), SharingVerdict::unknown);
  observe(1, sample(100), 2);
  EXPECT_EQ(verdict(1), SharingVerdict::unknown);
  observe(1, sample(100));
  EXPECT_EQ(verdict(1), SharingVerdict::eligible);
  EXPECT_TRUE(table_.eligible(1, 0, start));
}

TEST_F(Digests, AreJudgedByOtherBackendsUntilTheirOwnIsKnown) {
  observe(1, sample(100, 100, 1), 3);
  EXPECT_EQ(verdict(1, 0), SharingVerdict::eligible);
  observe(1, sample(9000, 100, 2), 3);
  EXPECT_EQ(verdict(1, 0), SharingVerdict::slow);
  observe(1, sample(100, 100, 0), 3);
  EXPECT_EQ(verdict(1, 0), SharingVerdict::eligible);
  EXPECT_EQ(verdict(1, 2), SharingVerdict::slow);
}

TEST_F(Digests, ThatAreSlowMustBecomeFastAgain) {
  observe(1, sample(100), 20);
  observe(1, sample(50'000), 4);
  EXPECT_EQ(verdict(1), SharingVerdict::slow);
  observe(1, sample(100), 20);
  EXPECT_EQ(verdict(1), SharingVerdict::eligible);
}

// A backend that was out of breath once says nothing about its statements.
TEST_F(Digests, AreNotJudgedByASingleRun) {
  observe(1, sample(100), 20);
  observe(1, sample(4'000'000'000));
  EXPECT_EQ(verdict(1), SharingVerdict::eligible);
  EXPECT_GT(table_.rows(1)[0].backends[0].micros, 1e6F) << "what is shown is the plain mean";
}

TEST_F(Digests, ArePenalisedForStrikesThatComeTooOften) {
  DigestTable table(1U << 20, 1);
  const auto runs = [&](int count) {
    for (int i = 0; i < count; ++i) table.observe(1, sample(100), "SELECT a FROM t", {});
  };
  runs(10);
  for (int i = 0; i < 20; ++i) {
    table.penalise(1, 0, start);
    EXPECT_TRUE(table.eligible(1, 0, start)) << "strike " << i;
    runs(500);
  }
  for (int i = 0; i < 3; ++i) table.penalise(1, 0, start);
  EXPECT_EQ(table.verdict(1, 0, start), SharingVerdict::penalised);
}

TEST_F(Digests, OfBigRepliesDoNotShare) {
  observe(1, sample(100, 20'000), 3);
  EXPECT_EQ(verdict(1), SharingVerdict::big);
}

TEST_F(Digests, WithARareHugeReplyDoNotShareForLong) {
  observe(1, sample(100, 100), 50);
  observe(1, sample(100, 100'000));
  observe(1, sample(100, 100), 40);
  EXPECT_EQ(verdict(1), SharingVerdict::big);
  observe(1, sample(100, 100), 40);
  EXPECT_EQ(verdict(1), SharingVerdict::eligible);
  EXPECT_EQ(table_.rows(1)[0].backends[0].max_bytes, 100'000U);
}

TEST_F(Digests, AreNotJudgedByTheirErrors) {
  observe(1, {.backend = 0, .micros = 1, .bytes = 10, .failed = true}, 5);
  EXPECT_EQ(verdict(1), SharingVerdict::unknown);
  observe(1, sample(9000), 3);
  observe(1, {.backend = 0, .micros = 1, .bytes = 10, .failed = true}, 50);
  EXPECT_EQ(verdict(1), SharingVerdict::slow);
  EXPECT_EQ(table_.rows(1)[0].backends[0].errors, 55U);
}

TEST_F(Digests, StayInThePenaltyBoxForLongerEachTime) {
  observe(1, sample(100), 10);
  TimePoint now = start;
  for (const auto penalty : {1s, 2s, 4s, 8s}) {
    table_.penalise(1, 0, now);
    table_.penalise(1, 0, now);  // a second reply that was on its way
    EXPECT_EQ(verdict(1, 0, now + penalty - 1ms), SharingVerdict::penalised);
    EXPECT_EQ(verdict(1, 0, now + penalty), SharingVerdict::eligible);
    EXPECT_EQ(verdict(1, 1, now), SharingVerdict::penalised) << "known on no other backend";
    now += penalty;
  }
  for (int i = 0; i < 20; ++i) {
    table_.penalise(1, 0, now);
    now += 5min;
    EXPECT_EQ(verdict(1, 0, now), SharingVerdict::eligible) << "five minutes at most";
  }
  table_.penalise(1, 0, now + 1h);
  EXPECT_EQ(verdict(1, 0, now + 1h + 1s), SharingVerdict::eligible) << "it behaved for long";
}

TEST_F(Digests, AreUnknownAgainOnceForgotten) {
  observe(1, sample(100), 3);
  table_.clear();
  EXPECT_EQ(verdict(1), SharingVerdict::unknown);
  EXPECT_EQ(table_.used_bytes(), 0U);
  observe(1, sample(100), 3);
  EXPECT_EQ(verdict(1), SharingVerdict::eligible);
}

TEST_F(Digests, IgnoreABackendThatIsNotThere) {
  observe(1, sample(100, 100, 7), 3);
  EXPECT_EQ(verdict(1, 7), SharingVerdict::unknown);
  table_.penalise(1, 7, start);
  table_.penalise(2, 0, start);
}

TEST(DigestTable, ForgetsWhatRanLeastRecently) {
  DigestTable table(2000, 1);
  const auto run = [&table](Digest digest) { table.observe(digest, sample(1), "SELECT 1", {}); };
  run(1);
  run(2);
  run(3);
  ASSERT_EQ(table.size(), 3U);
  run(1);
  for (Digest digest = 4; table.evictions() == 0; ++digest) run(digest);
  const auto rows = table.rows(1000);
  const auto knows = [&rows](Digest digest) {
    return std::any_of(rows.begin(), rows.end(),
                       [digest](const DigestRow& row) { return row.digest == digest; });
  };
  EXPECT_TRUE(knows(1));
  EXPECT_FALSE(knows(2));
  EXPECT_TRUE(knows(3));
}

TEST(DigestTable, IsNeverAboveItsBudget) {
  std::mt19937_64 luck(7);
  for (const std::size_t budget : {0U, 100U, 1'000U, 20'000U, 300'000U}) {
    DigestTable table(budget, 4);
    std::vector<Digest> recent;
    for (int i = 0; i < 5'000; ++i) {
      const Digest digest = luck() % 900;
      const std::string sql = "SELECT " + std::string(1 + digest * 2, 'c');
      table.observe(digest, sample(1, 1, luck() % 4), sql, {});
      ASSERT_LE(table.used_bytes(), budget);
      std::erase(recent, digest);
      recent.insert(recent.begin(), digest);
    }
    // What is there is what ran last, in that order.
    const auto rows = table.rows(10'000);
    ASSERT_EQ(rows.size(), table.size());
    if (budget >= 20'000) ASSERT_GT(rows.size(), 10U);
    for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].digest, recent[i]);
  }
}

TEST(DigestTable, KeepsTheNormalFormAndNoMoreThanAsked) {
  DigestTable table(100'000, 1);
  table.observe(1, sample(1), "select 1 from t", {});
  table.observe(2, sample(1), "select 'secret' from u", {});
  const auto rows = table.rows(1);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].text, "SELECT ? FROM u");
}

TEST(DigestTable, AddsUpWhatSeveralWorkersSaw) {
  DigestTable a(100'000, 2);
  DigestTable b(100'000, 2, {.free_strikes = 0});
  for (int i = 0; i < 3; ++i) a.observe(1, sample(100, 10, 0), "SELECT a", {});
  a.observe(2, sample(100, 10, 0), "SELECT b", {});
  b.observe(1, sample(400, 50, 0), "SELECT a", {});
  for (int i = 0; i < 9; ++i) b.observe(3, sample(100, 10, 1), "SELECT c", {});
  b.penalise(3, 1, start);
  const auto rows = merge({a.rows(10), b.rows(10)});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].text, "SELECT c");
  EXPECT_EQ(judge(rows[0].backends, 1, {}, start), SharingVerdict::penalised);
  EXPECT_EQ(rows[1].text, "SELECT a");
  EXPECT_EQ(rows[1].backends[0].count, 4U);
  EXPECT_FLOAT_EQ(rows[1].backends[0].micros, 175);
  EXPECT_EQ(rows[1].backends[0].max_bytes, 50U);
  EXPECT_EQ(rows[2].text, "SELECT b");
}

}  // namespace
}  // namespace sluice::routing
