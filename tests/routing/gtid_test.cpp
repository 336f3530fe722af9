#include "routing/gtid.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

namespace sluice::routing {
namespace {

const std::string a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string b = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

GtidSet mysql(std::string_view text) { return GtidSet::parse(text, Flavour::mysql).value(); }
GtidSet mariadb(std::string_view text) { return GtidSet::parse(text, Flavour::mariadb).value(); }

TEST(GtidSet, ReadsWhatServersWrite) {
  const struct {
    Flavour flavour;
    std::string text, canonical;
  } table[] = {
      {Flavour::mysql, "", ""},
      {Flavour::mysql, " \n ", ""},
      {Flavour::mysql, a + ":1", a + ":1"},
      {Flavour::mysql, a + ":1-5", a + ":1-5"},
      {Flavour::mysql, a + ":7:1-5", a + ":1-5:7"},
      {Flavour::mysql, a + ":1-5:6-9:3-7", a + ":1-9"},
      {Flavour::mysql, b + ":1-3,\n" + a + ":2-4", a + ":2-4," + b + ":1-3"},
      {Flavour::mysql, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", a + ":1-5"},
      {Flavour::mysql, " " + a + " : 1 - 5 : 7 ,\r\n\t" + b + " : 9 , ", a + ":1-5:7," + b + ":9"},
      {Flavour::mysql, a + ":1-5," + a + ":4-8", a + ":1-8"},
      {Flavour::mysql, a + ":Night:5", a + ":night:5"},
      {Flavour::mysql, a + ":1-3:z_1:4:b:1-2:5", a + ":1-3:b:1-2:5:z_1:4"},
      {Flavour::mysql, a + ":1-9223372036854775806", a + ":1-9223372036854775806"},
      {Flavour::mariadb, "", ""},
      {Flavour::mariadb, "0-1-100", "0-1-100"},
      {Flavour::mariadb, "1-2-5,\n 0-1-100", "0-1-100,1-2-5"},
      {Flavour::mariadb, "0-1-100,0-2-101", "0-2-101"},
      {Flavour::mariadb, "4294967295-4294967295-18446744073709551615",
       "4294967295-4294967295-18446744073709551615"},
  };
  for (const auto& row : table) {
    const auto set = GtidSet::parse(row.text, row.flavour);
    ASSERT_TRUE(set.has_value()) << row.text;
    EXPECT_EQ(set->to_string(), row.canonical);
    EXPECT_EQ(GtidSet::parse(row.canonical, row.flavour).value(), *set);
  }
}

TEST(GtidSet, RefusesWhatNoServerWrites) {
  const std::string bad_mysql[] = {
      "x",
      a,
      a + ":",
      a + ":0",
      a + ":5-1",
      a + ":1-",
      a + ":-1",
      a + ":1 2",
      a + ":1;" + b + ":1",
      a + ":tag",
      a + ":tag:tag2:1",
      a + ":1:tag",
      a + ":tag!:1",
      a + ":1x",
      a + ":9223372036854775807",
      a + ":99999999999999999999",
      a + ":" + std::string(33, 't') + ":1",
      a.substr(1) + ":1",
      "3e11fa47x71ca-11e1-9e33-c80aa9429562:1",
      "ge11fa47-71ca-11e1-9e33-c80aa9429562:1",
      "0-1-100",
      a + ":1" + '\0',
  };
  for (const auto& text : bad_mysql)
    EXPECT_FALSE(GtidSet::parse(text, Flavour::mysql).has_value()) << text;
  const std::string bad_mariadb[] = {
      "0",      "0-1",       "0-1-",          "0-1-2-3",        "-1-2-3",
      "a-1-2",  "0-1-100 5", "0-1-100;1-1-1", "4294967296-1-1", "0-1-18446744073709551616",
      a + ":1",
  };
  for (const auto& text : bad_mariadb)
    EXPECT_FALSE(GtidSet::parse(text, Flavour::mariadb).has_value()) << text;
}

TEST(GtidSet, SurvivesEveryTruncationOfItsText) {
  const std::string texts[] = {a + ":1-3:tag:4," + b + ":7-9:11", "0-1-100,17-22-5"};
  for (const auto& text : texts) {
    const auto flavour = text == texts[0] ? Flavour::mysql : Flavour::mariadb;
    const auto whole = GtidSet::parse(text, flavour).value();
    for (std::size_t length = 0; length < text.size(); ++length) {
      const auto part = GtidSet::parse(text.substr(0, length), flavour);
      // Cutting digits off may make another set, but never the whole one.
      if (part.has_value()) {
        EXPECT_FALSE(*part == whole) << text.substr(0, length);
      }
    }
  }
}

TEST(GtidSet, CoversASingleTransactionOnlyIfItIsInAnInterval) {
  const auto executed = mysql(a + ":1-5:7-9:t:1-3");
  for (const auto* yes : {":1", ":5", ":7-9", ":1-5:8", ":t:2"})
    EXPECT_TRUE(executed.covers(mysql(a + yes))) << yes;
  for (const auto* no : {":6", ":5-7", ":10", ":1-9", ":t:4", ":u:1"})
    EXPECT_FALSE(executed.covers(mysql(a + no))) << no;
  EXPECT_FALSE(executed.covers(mysql(b + ":1")));
}

TEST(GtidSet, ComparesMariadbPositionsBySequenceWithinEachDomain) {
  const auto position = mariadb("0-1-100,1-2-5");
  EXPECT_TRUE(position.covers(mariadb("0-1-100")));
  EXPECT_TRUE(position.covers(mariadb("0-7-99"))) << "the server id has no part in the order";
  EXPECT_FALSE(position.covers(mariadb("0-1-101")));
  EXPECT_FALSE(position.covers(mariadb("2-1-1"))) << "an unknown domain is not covered";
  EXPECT_EQ(mariadb("0-1-100"), mariadb("0-2-100"));
  EXPECT_EQ(position.compare(mariadb("0-1-101,1-2-4")), GtidOrder::incomparable);
  EXPECT_EQ(position.compare(mariadb("0-1-100")), GtidOrder::ahead);
  EXPECT_EQ(position.compare(mariadb("0-1-100,1-2-6")), GtidOrder::behind);
}

TEST(GtidSet, TakesTheEmptySetAsNeutral) {
  const GtidSet empty;
  for (const auto& set : {mysql(a + ":1-5"), mariadb("0-1-100"), empty}) {
    EXPECT_TRUE(set.covers(empty));
    EXPECT_EQ(set.merge(empty), set);
    EXPECT_EQ(empty.merge(set), set);
    EXPECT_EQ(set.subtract(empty), set);
    EXPECT_TRUE(empty.subtract(set).empty());
    EXPECT_EQ(empty.covers(set), set.empty());
  }
}

TEST(GtidSet, NeverLetsOneEngineCoverTheOther) {
  const auto my = mysql(a + ":1-5");
  const auto maria = mariadb("0-1-100");
  EXPECT_EQ(my.compare(maria), GtidOrder::incomparable);
  EXPECT_FALSE(my.shares_history(maria));
}

TEST(GtidSet, SharesHistoryWhereTransactionsMeet) {
  EXPECT_TRUE(mysql(a + ":1-5").shares_history(mysql(a + ":5-9")));
  EXPECT_FALSE(mysql(a + ":1-5").shares_history(mysql(a + ":6-9")));
  EXPECT_FALSE(mysql(a + ":1-5").shares_history(mysql(b + ":1-5")));
  EXPECT_FALSE(mysql(a + ":1-5").shares_history(mysql(a + ":tag:1-5")));
  EXPECT_TRUE(mariadb("0-1-5").shares_history(mariadb("0-9-7")));
  EXPECT_FALSE(mariadb("0-1-5").shares_history(mariadb("1-1-5")));
}

TEST(GtidSet, CountsTransactionsWhereItCan) {
  EXPECT_EQ(mysql(a + ":1-5:7," + b + ":t:10-19").transaction_count(), 16u);
  EXPECT_EQ(GtidSet{}.transaction_count(), 0u);
  EXPECT_EQ(mariadb("0-1-100").transaction_count(), std::nullopt);
}

TEST(GtidSet, SubtractsCutsThatSpanIntervals) {
  const auto set = mysql(a + ":1-10:20-30:40");
  EXPECT_EQ(set.subtract(mysql(a + ":5-25:40")).to_string(), a + ":1-4:26-30");
  EXPECT_EQ(set.subtract(mysql(a + ":1-100")).to_string(), "");
  EXPECT_EQ(set.subtract(mysql(a + ":2:4:22")).to_string(), a + ":1:3:5-10:20-21:23-30:40");
  EXPECT_EQ(mariadb("0-1-9,1-1-5").subtract(mariadb("0-1-8,1-1-5")).to_string(), "0-1-9");
}

// Random sets, with a model beside them: the plain set of (source, number).
class GtidLaws : public ::testing::TestWithParam<unsigned> {
 protected:
  using Model = std::set<std::pair<int, int>>;
  static constexpr int sources = 4;

  Model random_model(std::mt19937& random) {
    Model model;
    const int runs = std::uniform_int_distribution<>(0, 6)(random);
    for (int run = 0; run < runs; ++run) {
      const int source = std::uniform_int_distribution<>(0, sources - 1)(random);
      const int first = std::uniform_int_distribution<>(1, 24)(random);
      const int length = std::uniform_int_distribution<>(1, 8)(random);
      for (int i = 0; i < length; ++i) model.emplace(source, first + i);
    }
    return model;
  }

  static GtidSet set_of(const Model& model) {
    // Two sources are tags of one UUID.
    const std::string prefix[sources] = {a, a + ":x", a + ":y", b};
    std::string text;
    for (const auto& [source, number] : model)
      text += prefix[source] + ":" + std::to_string(number) + ", ";
    return mysql(text);
  }
};

TEST_P(GtidLaws, HoldAsForPlainSets) {
  std::mt19937 random(GetParam());
  for (int round = 0; round < 200; ++round) {
    const Model mx = random_model(random);
    const Model my = round % 5 == 0 ? mx : random_model(random);
    const GtidSet x = set_of(mx);
    const GtidSet y = set_of(my);
    Model both = mx;
    both.insert(my.begin(), my.end());
    Model rest;
    for (const auto& entry : mx)
      if (!my.contains(entry)) rest.insert(entry);

    ASSERT_EQ(x.merge(y).to_string(), set_of(both).to_string());
    ASSERT_EQ(x.subtract(y).to_string(), set_of(rest).to_string());
    ASSERT_EQ(y.covers(x), rest.empty());
    ASSERT_EQ(x.shares_history(y), rest.size() < mx.size());
    ASSERT_EQ(x.transaction_count(), mx.size());
    ASSERT_EQ(mysql(x.to_string()), x);
    ASSERT_EQ(y.merge(x.subtract(y)), x.merge(y));
    ASSERT_TRUE(x.merge(y).covers(x) && x.merge(y).covers(y));
    ASSERT_EQ(x == y, mx == my);
  }
}

TEST_P(GtidLaws, HoldForPositions) {
  std::mt19937 random(GetParam());
  const auto any = [&] {
    std::string text;
    for (int domain = 0; domain < 4; ++domain)
      if (random() % 3 != 0)
        text += std::to_string(domain) + "-" + std::to_string(1 + random() % 3) + "-" +
                std::to_string(1 + random() % 6) + ",";
    return mariadb(text);
  };
  for (int round = 0; round < 500; ++round) {
    const GtidSet x = any();
    const GtidSet y = any();
    const GtidSet z = any();
    ASSERT_EQ(x.merge(y), y.merge(x));
    ASSERT_EQ(x.merge(y).merge(z), x.merge(y.merge(z)));
    ASSERT_EQ(y.covers(x), x.subtract(y).empty());
    ASSERT_EQ(y.merge(x.subtract(y)), x.merge(y));
    ASSERT_EQ(x.covers(y) && y.covers(x), x == y);
    ASSERT_TRUE(!x.covers(y) || !y.covers(z) || x.covers(z));
    ASSERT_EQ(mariadb(x.to_string()), x);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GtidLaws, ::testing::Values(1u, 2u, 3u, 20u, 77u));

}  // namespace
}  // namespace sluice::routing
