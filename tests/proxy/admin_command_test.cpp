#include "proxy/admin_command.hpp"

#include <gmock/gmock.h>

namespace sluice::proxy {
namespace {

using routing::AdminState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class Command>
Command parsed(std::string_view line) {
  const auto result = parse_admin(line);
  const auto* problem = std::get_if<AdminProblem>(&result);
  EXPECT_EQ(problem, nullptr) << line << ": " << problem->message;
  if (problem != nullptr) return {};
  const auto* command = std::get_if<Command>(&std::get<AdminCommand>(result));
  EXPECT_NE(command, nullptr) << line << " is another command";
  return command != nullptr ? *command : Command{};
}

std::string problem(std::string_view line) {
  const auto result = parse_admin(line);
  const auto* found = std::get_if<AdminProblem>(&result);
  return found != nullptr ? found->message : "no problem";
}

TEST(AdminCommand, KnowsEveryView) {
  const std::pair<const char*, AdminView> views[] = {
      {"SHOW BACKENDS", AdminView::backends},
      {"SHOW PRIMARY", AdminView::primary},
      {"SHOW REPLICAS", AdminView::replicas},
      {"SHOW SESSIONS", AdminView::sessions},
      {"SHOW FULL PROCESSLIST", AdminView::sessions},
      {"SHOW STATUS", AdminView::status},
      {"SHOW GLOBAL STATUS", AdminView::status},
      {"SHOW TOPOLOGY", AdminView::topology},
      {"SHOW ALERTS", AdminView::alerts},
      {"SHOW VARIABLES", AdminView::variables},
      {"SHOW USERS", AdminView::users},
      {"SHOW DIGESTS", AdminView::digests},
      {"SHOW DECISIONS", AdminView::decisions},
      {"SHOW LATENCY", AdminView::latency},
      {"SHOW ROUTE HISTORY LIKE 'a'", AdminView::route_history},
      {"SHOW FAILOVER", AdminView::failover},
      {"show failover history", AdminView::failover_history},
      {"SHOW DATABASES", AdminView::databases},
      {"SHOW TABLES FROM x", AdminView::tables},
      {"SHOW WARNINGS LIMIT 5", AdminView::warnings},
      {"SHOW COUNT(*) WARNINGS", AdminView::warnings},
      {"SHOW CHARACTER SET", AdminView::other},
  };
  for (const auto& [line, view] : views) EXPECT_EQ(parsed<ShowCommand>(line).view, view) << line;
}

TEST(AdminCommand, AsksForTheRouteHistoryOfOneSession) {
  EXPECT_EQ(parsed<ShowCommand>("SHOW ROUTE HISTORY").session, std::nullopt);
  EXPECT_EQ(parsed<ShowCommand>("show route history for session 42;").session, 42U);
  for (const char* line :
       {"SHOW ROUTE HISTORY FOR", "SHOW ROUTE HISTORY FOR SESSION",
        "SHOW ROUTE HISTORY FOR SESSION x", "SHOW ROUTE HISTORY FOR SESSION 1 2"})
    EXPECT_THAT(problem(line), HasSubstr("SHOW ROUTE HISTORY [FOR SESSION id | LIKE 'user']"))
        << line;
}

TEST(AdminCommand, TakesMasterAndSlaveForPrimaryAndReplica) {
  EXPECT_EQ(parsed<ShowCommand>("SHOW MASTER").view, AdminView::primary);
  EXPECT_EQ(parsed<ShowCommand>("SHOW MASTER STATUS").view, AdminView::primary);
  EXPECT_EQ(parsed<ShowCommand>("SHOW SLAVES").view, AdminView::replicas);
  EXPECT_EQ(parsed<ShowCommand>("SHOW SLAVE STATUS").view, AdminView::replicas);
}

TEST(AdminCommand, ToleratesCaseBlanksCommentsAndTerminators) {
  for (const char* line :
       {"show backends", "  Show\n\tBackends ;", "SHOW BACKENDS\\G", "show backends \\g",
        "/* driver 1.0 */ show backends", "-- why\nshow # here\nbackends",
        "/*!40101 SHOW BACKENDS */", "/*M!100100 SHOW BACKENDS */;", "; show backends;;"})
    EXPECT_EQ(parsed<ShowCommand>(line).view, AdminView::backends) << line;
}

TEST(AdminCommand, FiltersByLike) {
  const AdminFilter filter = parsed<ShowCommand>("show status like 'decisions\\_p%'").filter;
  EXPECT_TRUE(filter.passes("decisions_plain_read"));
  EXPECT_TRUE(filter.passes("DECISIONS_PINNED"));
  EXPECT_FALSE(filter.passes("decisionsXpinned"));
  EXPECT_FALSE(filter.passes("statements"));
}

TEST(AdminCommand, FiltersByTheWhereThatDriversWrite) {
  const AdminFilter filter =
      parsed<ShowCommand>(
          "SHOW VARIABLES WHERE Variable_name = 'sql_mode' OR Variable_name IN "
          "('version', \"license\") OR `name` LIKE 'net%'")
          .filter;
  for (const char* name : {"sql_mode", "version", "license", "net_read_timeout"})
    EXPECT_TRUE(filter.passes(name)) << name;
  EXPECT_FALSE(filter.passes("sqlXmode"));
  EXPECT_FALSE(filter.passes("version_comment"));
}

TEST(AdminCommand, MatchesLikePatternsAsTheServerDoes) {
  const std::pair<const char*, const char*> matching[] = {
      {"", ""},       {"", "%"},        {"abc", "a%c"}, {"abc", "%%c"},  {"abbbc", "a%b%c"},
      {"abc", "_b_"}, {"a%c", "a\\%c"}, {"ABC", "abc"}, {"aXbXc", "%x%"}};
  for (const auto& [text, pattern] : matching) EXPECT_TRUE(like(text, pattern)) << text << pattern;
  const std::pair<const char*, const char*> differing[] = {
      {"", "_"}, {"abc", "a%d"}, {"abc", "ab"}, {"abc", "abcd"}, {"abc", "a\\%c"}, {"ab", "_b_"}};
  for (const auto& [text, pattern] : differing)
    EXPECT_FALSE(like(text, pattern)) << text << pattern;
}

TEST(AdminCommand, MatchesAHostilePatternInReasonableTime) {
  std::string pattern;
  for (int i = 0; i < 2'000; ++i) pattern += "%a";
  EXPECT_FALSE(like(std::string(5'000, 'a'), pattern + "b"));
}

TEST(AdminCommand, SetsABackendByBareOrQuotedName) {
  const std::pair<const char*, const char*> lines[] = {
      {"SET BACKEND r1 DRAIN", "r1"},
      {"set backend db-1.example:3306 drain", "db-1.example:3306"},
      {"set backend `r 1` drain;", "r 1"},
      {"set backend 'it''s' drain", "it's"},
      {"set backend \"r1\" = 'drain'", "r1"}};
  for (const auto& [line, name] : lines) {
    const auto command = parsed<SetBackendCommand>(line);
    EXPECT_EQ(command.backend, name);
    EXPECT_EQ(command.state, AdminState::drain) << line;
    EXPECT_THAT(command.why, IsEmpty());
  }
}

TEST(AdminCommand, KeepsTheReasonOfASet) {
  const auto command =
      parsed<SetBackendCommand>("SET BACKEND r1 OFFLINE BECAUSE 'it\\'s; \"old\"'");
  EXPECT_EQ(command.state, AdminState::offline);
  EXPECT_EQ(command.why, "it's; \"old\"");
  EXPECT_EQ(parsed<SetBackendCommand>("SET BACKEND r1 ONLINE").state, AdminState::online);
}

TEST(AdminCommand, KillsASessionOrItsStatement) {
  EXPECT_EQ(parsed<KillCommand>("KILL 7").scope, KillScope::connection);
  EXPECT_EQ(parsed<KillCommand>("kill connection 7").scope, KillScope::connection);
  EXPECT_EQ(parsed<KillCommand>("KILL QUERY 4294967295").scope, KillScope::query);
  EXPECT_EQ(parsed<KillCommand>("KILL QUERY 4294967295").session, 4294967295U);
}

TEST(AdminCommand, ResetsDigestsAndNothingElse) {
  parsed<ResetCommand>("reset digests;");
  EXPECT_THAT(problem("RESET"), HasSubstr("the syntax is: RESET DIGESTS"));
  EXPECT_THAT(problem("RESET MASTER"), HasSubstr("the syntax is: RESET DIGESTS"));
}

TEST(AdminCommand, ReadsWhatClientsAskWhenTheyConnect) {
  const auto select = parsed<SelectCommand>(
      "/* mysql-connector-java-8.0.33 */SELECT  @@session.auto_increment_increment AS "
      "auto_increment_increment, @@version_comment, DATABASE() db, 1, 'x', NULL LIMIT 1");
  std::vector<std::string> values;
  std::vector<std::string> columns;
  for (const auto& item : select.items) {
    values.push_back(item.value);
    columns.push_back(item.column);
  }
  EXPECT_THAT(values,
              ElementsAre("auto_increment_increment", "version_comment", "database", "1", "x", ""));
  EXPECT_THAT(columns,
              ElementsAre("auto_increment_increment", "@@version_comment", "db", "1", "x", "NULL"));
}

TEST(AdminCommand, AcceptsWhatShapesOnlyTheClientsOwnSession) {
  for (const char* line :
       {"SET NAMES utf8mb4 COLLATE utf8mb4_bin", "set autocommit=1", "SET @@session.sql_mode = ''",
        "SET CHARACTER SET utf8", "SET SESSION TRANSACTION READ ONLY", "SET SESSION wait_timeout=5",
        "/*!40101 SET @saved=@@time_zone, time_zone='+00:00' */", "SET @x := 1", "BEGIN",
        "START TRANSACTION", "commit", "ROLLBACK;"})
    parsed<NoopCommand>(line);
}

TEST(AdminCommand, RefusesASetThatWouldChangeNothing) {
  EXPECT_THAT(problem("SET GLOBAL max_lag = 1"), HasSubstr("configuration file"));
  EXPECT_THAT(problem("SET @@global.x = 1"), HasSubstr("configuration file"));
  EXPECT_THAT(problem("SET routing.max_lag = '2s'"), HasSubstr("'routing.max_lag' cannot be set"));
}

TEST(AdminCommand, AnswersSystemTablesAsEmptyAndOthersNot) {
  EXPECT_TRUE(parsed<SelectCommand>("SELECT a, COUNT(b, c) AS n FROM information_schema.columns "
                                    "WHERE x = 'y'")
                  .from_table);
  EXPECT_THAT(problem("SELECT * FROM orders"), HasSubstr("no tables"));
  EXPECT_THAT(problem("SELECT SLEEP(1)"), HasSubstr("no tables"));
}

TEST(AdminCommand, TellsTheNearestCommand) {
  const std::pair<const char*, const char*> lines[] = {
      {"SHO BACKENDS", "did you mean SHOW BACKENDS?"},
      {"SHOW BAKENDS", "did you mean SHOW BACKENDS?"},
      {"show backend", "did you mean SHOW BACKENDS?"},
      {"backends", "did you mean SHOW BACKENDS?"},
      {"SET BAKEND r1 DRAIN", "did you mean SET BACKEND?"},
      {"HLEP", "did you mean HELP?"},
      {"KIL 5", "did you mean KILL?"}};
  for (const auto& [line, hint] : lines) EXPECT_THAT(problem(line), HasSubstr(hint)) << line;
  EXPECT_THAT(problem("INSERT INTO t VALUES (1)"), HasSubstr("applications connect to another"));
}

TEST(AdminCommand, TellsWhatWouldHaveBeenRight) {
  EXPECT_THAT(problem("SET BACKEND r1 DRAINED"), HasSubstr("did you mean DRAIN?"));
  EXPECT_THAT(problem("SET BACKEND r1"), HasSubstr("SET BACKEND name ONLINE | DRAIN | OFFLINE"));
  EXPECT_THAT(problem("SET BACKEND r1 DRAIN FOR 10m"), HasSubstr("Unexpected 'FOR 10m'"));
  EXPECT_THAT(problem("KILL x"), HasSubstr("KILL [CONNECTION | QUERY] id"));
  EXPECT_THAT(problem("KILL 99999999999999999999"), HasSubstr("KILL [CONNECTION | QUERY] id"));
  EXPECT_THAT(problem("SHOW STATUS LIKE"), HasSubstr("SHOW STATUS [LIKE 'pattern']"));
  EXPECT_THAT(problem("SHOW STATUS WHERE value > 3"), HasSubstr("LIKE 'pattern'"));
  EXPECT_THAT(problem("SHOW STATUS; SHOW BACKENDS"), HasSubstr("One admin command at a time"));
}

TEST(AdminCommand, TellsUnfinishedText) {
  EXPECT_THAT(problem("SHOW STATUS LIKE 'abc"), HasSubstr("Unfinished string"));
  EXPECT_THAT(problem("SET BACKEND `r1 DRAIN"), HasSubstr("Unfinished name"));
  EXPECT_THAT(problem("SHOW /* BACKENDS"), HasSubstr("Unfinished comment"));
  EXPECT_THAT(problem("/*! SHOW BACKENDS"), HasSubstr("Unfinished comment"));
}

TEST(AdminCommand, TellsAnEmptyLineFromAnUnknownOne) {
  for (const char* line : {"", "  ", ";", "/* nothing */", "-- nothing"}) {
    const auto result = parse_admin(line);
    ASSERT_TRUE(std::holds_alternative<AdminProblem>(result)) << line;
    EXPECT_TRUE(std::get<AdminProblem>(result).empty) << line;
  }
}

TEST(AdminCommand, SurvivesEveryPrefixOfEveryCommand) {
  for (const std::string line :
       {"SELECT @@a AS b, f((1), 'x') FROM dual LIMIT 1;", "SET BACKEND `r1` DRAIN BECAUSE 'x'",
        "SHOW VARIABLES WHERE name IN ('a', 'b') OR name = 'c'", "KILL QUERY 12\\G",
        "/*!40101 HELP 'set backend' */ -- x", "SELECT (1), -1 AS `x y`"})
    for (std::size_t size = 0; size <= line.size(); ++size) {
      const auto result = parse_admin(std::string_view(line).substr(0, size));
      if (const auto* found = std::get_if<AdminProblem>(&result)) {
        EXPECT_THAT(found->message, Not(IsEmpty()));
      }
    }
}

TEST(AdminCommand, FindsParametersOutsideStringsAndComments) {
  EXPECT_THAT(admin_parameters("KILL ? /* ? */ '?' `?` ?"), ElementsAre(5U, 23U));
}

}  // namespace
}  // namespace sluice::proxy
