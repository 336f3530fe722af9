#include "routing/link_audit.hpp"

#include <gmock/gmock.h>

namespace sluice::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const VariableRows fresh{{"sql_mode", "STRICT"}, {"time_zone", "SYSTEM"},
                         {"timestamp", "1.5"},   {"max_join_size", "10"},
                         {"autocommit", "ON"},   {"character_set_results", "utf8mb4"},
                         {"read_only", "OFF"},   {"transaction_read_only", "OFF"},
                         {"last_insert_id", "0"}};

/// What the server shows after `changes`.
VariableRows after(std::initializer_list<std::pair<std::string_view, std::string_view>> changes) {
  VariableRows rows = fresh;
  for (const auto& [name, value] : changes)
    for (auto& row : rows)
      if (row.first == name) row.second = value;
  return rows;
}

StateVector image(std::initializer_list<std::pair<std::string_view, std::string_view>> settings) {
  StateVector made;
  for (const auto& [name, value] : settings) made.set(name, value);
  return made;
}

std::vector<std::string> differing(const VariableRows& actual, const StateVector& image,
                                   LinkRole role = LinkRole::primary) {
  return differing_variables(actual, image, VariableSnapshot(fresh, {}), role);
}

TEST(LinkAudit, FindsNothingWhereTheImageIsRight) {
  EXPECT_THAT(differing(fresh, {}), IsEmpty());
  EXPECT_THAT(differing(after({{"sql_mode", "ANSI"}}), image({{"sql_mode", "ANSI"}})), IsEmpty());
}

TEST(LinkAudit, NamesWhatWasChangedBehindTheImage) {
  EXPECT_THAT(differing(after({{"sql_mode", "ANSI"}, {"max_join_size", "9"}}), {}),
              ElementsAre("sql_mode", "max_join_size"));
  EXPECT_THAT(differing(fresh, image({{"sql_mode", "ANSI"}})), ElementsAre("sql_mode"));
  EXPECT_THAT(differing(after({{"sql_mode", ""}}), image({{"sql_mode", "ANSI"}})),
              ElementsAre("sql_mode"));
}

TEST(LinkAudit, LeavesOutWhatFollowsTheClockOrOtherStatements) {
  EXPECT_THAT(differing(after({{"timestamp", "2.5"}, {"last_insert_id", "7"}}), {}), IsEmpty());
  EXPECT_THAT(differing(after({{"timestamp", "2.5"}}), image({{"timestamp", "3"}})),
              ElementsAre("timestamp"))
      << "but a clock that a session has stopped must stand";
}

TEST(LinkAudit, TakesTheSpellingsOfOneValueForOne) {
  EXPECT_THAT(differing(after({{"timestamp", "3.000000"}}), image({{"timestamp", "3"}})),
              IsEmpty());
  EXPECT_THAT(differing(fresh, image({{"autocommit", "1"}})), IsEmpty());
  EXPECT_THAT(differing(fresh, image({{"autocommit", "0"}})), ElementsAre("autocommit"));
}

// Without it a misclassified write would succeed there (P2).
TEST(LinkAudit, WantsTheGuardOnEveryReplica) {
  EXPECT_THAT(differing(fresh, {}, LinkRole::replica), ElementsAre("transaction_read_only"));
  const VariableRows guarded = after({{"transaction_read_only", "ON"}});
  EXPECT_THAT(differing(guarded, image({{"transaction_read_only", "OFF"}}), LinkRole::replica),
              IsEmpty());
}

TEST(LinkAudit, KnowsNothingOfWhatWasSetBeforeTheSnapshot) {
  const StateVector set = image({{"sql_mode", "ANSI"}});
  const VariableSnapshot snapshot(after({{"sql_mode", "ANSI"}}), set);
  EXPECT_THAT(differing_variables(fresh, {}, snapshot, LinkRole::primary), IsEmpty());
  EXPECT_EQ(snapshot.agrees("sql_mode", "ANSI"), std::nullopt);
  EXPECT_EQ(snapshot.agrees("time_zone", "SYSTEM"), true);
}

TEST(LinkAudit, DoesNotBlameALinkForAGlobalChange) {
  const VariableRows now = after({{"read_only", "ON"}, {"sql_mode", "ANSI"}});
  const VariableRows global = after({{"read_only", "ON"}});
  EXPECT_THAT(confirmed({"read_only", "sql_mode"}, now, global, now, {}), ElementsAre("sql_mode"));
}

TEST(LinkAudit, DoesNotBlameALinkForWhatMovesMeanwhile) {
  EXPECT_THAT(confirmed({"max_join_size"}, after({{"max_join_size", "1"}}),
                        after({{"max_join_size", "2"}}), after({{"max_join_size", "3"}}), {}),
              IsEmpty());
}

TEST(LinkAudit, BlamesALinkThatLostWhatItsSessionSet) {
  EXPECT_THAT(confirmed({"sql_mode"}, fresh, fresh, fresh, image({{"sql_mode", "ANSI"}})),
              ElementsAre("sql_mode"))
      << "the global value is not what was asked for";
  EXPECT_THAT(confirmed({"transaction_read_only"}, fresh, fresh, fresh, {}),
              ElementsAre("transaction_read_only"));
}

TEST(LinkAudit, ComparesUserVariablesBothWays) {
  UserVariables actual;
  UserVariables known;
  for (UserVariables* both : {&actual, &known}) {
    both->set("same", "1");
    both->set("gone", "NULL");
  }
  EXPECT_THAT(differing_user_variables(actual, known), IsEmpty());
  actual.set("leaked", "'x'");
  actual.set("unset", "NULL");
  known.set("lost", "2");
  actual.set("same", "2");
  EXPECT_THAT(differing_user_variables(actual, known), ElementsAre("@leaked", "@same", "@lost"));
}

}  // namespace
}  // namespace sluice::routing
