#include "proxy/admin_answer.hpp"

#include <gmock/gmock.h>

#include "proxy/admin_help.hpp"
#include "routing/session_state.hpp"
#include "tests/proxy/admin_stage.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AdminAnswer : public testing::Test {
 protected:
  AdminReply ask(std::string_view line) {
    const auto parsed = parse_admin(line);
    if (const auto* problem = std::get_if<AdminProblem>(&parsed)) return answer(*problem);
    return answer(std::get<AdminCommand>(parsed), client_, stage_, now_);
  }

  AdminTable table(std::string_view line) {
    const AdminReply reply = ask(line);
    const auto* found = std::get_if<AdminTable>(&reply);
    EXPECT_NE(found, nullptr) << line;
    return found != nullptr ? *found : AdminTable{};
  }

  AdminError error(std::string_view line) {
    const AdminReply reply = ask(line);
    const auto* found = std::get_if<AdminError>(&reply);
    EXPECT_NE(found, nullptr) << line;
    return found != nullptr ? *found : AdminError{};
  }

  // The cell of the row whose first cell is `name`; "NULL", or "none" if there is none.
  static std::string cell(const AdminTable& table, std::string_view name, std::string_view column) {
    for (const auto& row : table.rows)
      for (std::size_t i = 0; i < row.size(); ++i)
        if (row[0].text() == name && table.columns[i].name == column)
          return row[i].null() ? "NULL" : row[i].text();
    return "none";
  }

  static std::vector<std::string> columns(const AdminTable& table) {
    std::vector<std::string> names;
    for (const auto& column : table.columns) names.push_back(column.name);
    return names;
  }

  AdminStage stage_;
  Moment now_{stage_.topology_->backends[1].lag_known_at,
              std::chrono::system_clock::time_point(1'700'000'000s)};
  AdminClient client_{.user = "admin", .host = "10.0.0.9", .rights = AdminClient::Rights::change};
};

TEST_F(AdminAnswer, ShowsBackendsUnderTheNamesThatScriptsRead) {
  const AdminTable shown = table("SHOW BACKENDS");
  EXPECT_THAT(columns(shown),
              ElementsAre("name", "address", "role", "state", "health", "lag_ms", "in_flight",
                          "links", "reads", "writes", "weight", "version", "gtid", "excluded",
                          "since", "by", "why", "last_error"));
  EXPECT_EQ(cell(shown, "db1", "role"), "primary");
  EXPECT_EQ(cell(shown, "db1", "state"), "ONLINE");
  EXPECT_EQ(cell(shown, "db1", "excluded"), "is_primary");
  EXPECT_EQ(cell(shown, "db1", "since"), "NULL");
  EXPECT_EQ(cell(shown, "r1", "address"), "10.0.0.2:3306");
  EXPECT_EQ(cell(shown, "r1", "lag_ms"), "40");
  EXPECT_EQ(cell(shown, "r1", "reads"), "7");
  EXPECT_EQ(cell(shown, "r1", "gtid"), "0-1-100");
}

TEST_F(AdminAnswer, TellsSinceWhenByWhomAndWhyABackendIsOut) {
  const AdminTable shown = table("SHOW BACKENDS LIKE 'r%'");
  EXPECT_THAT(shown.rows, SizeIs(1));
  EXPECT_EQ(cell(shown, "r1", "state"), "DRAIN");
  EXPECT_EQ(cell(shown, "r1", "excluded"), "draining");
  EXPECT_EQ(cell(shown, "r1", "since"), "2023-11-14T22:12:20Z");
  EXPECT_EQ(cell(shown, "r1", "by"), "admin@10.0.0.9");
  EXPECT_EQ(cell(shown, "r1", "why"), "new disk");
}

TEST_F(AdminAnswer, ShowsHowAFailoverStandsAndWhatItWouldDo) {
  stage_.failover_.mode = "promote";
  stage_.failover_.appointed = "db1";
  stage_.failover_.privileges = {"", "lacks RELOAD"};
  stage_.failover_.deposed = {{"r1", true, "0-1-105"}};
  stage_.plan_.why = "db1 is up";
  const AdminTable shown = table("SHOW FAILOVER");
  EXPECT_EQ(cell(shown, "elected", "value"), "db1");
  EXPECT_EQ(cell(shown, "privileges_db1", "value"), "sufficient");
  EXPECT_EQ(cell(shown, "privileges_r1", "value"), "lacks RELOAD");
  EXPECT_EQ(cell(shown, "deposed_r1", "value"), "quarantined, only there: 0-1-105");
  EXPECT_EQ(cell(shown, "would", "value"), "nothing (primary_is_well): db1 is up");
}

TEST_F(AdminAnswer, ShowsTheHistoryOfFailoversNewestFirst) {
  stage_.failover_.history = {{.at_ms = 1'700'000'000'007, .kind = "promotion", .held_ms = 420},
                              {.kind = "switchover"}};
  const AdminTable shown = table("SHOW FAILOVER HISTORY");
  ASSERT_THAT(shown.rows, SizeIs(2));
  EXPECT_THAT(table("SHOW FAILOVER HISTORY LIKE 'promo%'").rows, SizeIs(1));
  EXPECT_EQ(cell(shown, "2023-11-14T22:13:20.007Z", "held_ms"), "420");
}

TEST_F(AdminAnswer, StartsASwitchoverOrSaysWhyNot) {
  stage_.plan_.reason = routing::PlanReason::target_behind;
  stage_.plan_.why = "r1 is too far behind";
  EXPECT_EQ(error("SWITCHOVER TO r1").message,
            "No switchover to 'r1': r1 is too far behind (target_behind)");
  EXPECT_EQ(stage_.asked_->first, "r1");
  stage_.plan_.kind = routing::PlanKind::switchover;
  EXPECT_THAT(table("SWITCHOVER TO 'r1'").rows, SizeIs(1));
}

TEST_F(AdminAnswer, LeavesExcludedEmptyForABackendThatServesReads) {
  stage_.topology_->backends[1].admin = {};
  EXPECT_EQ(cell(table("SHOW BACKENDS"), "r1", "excluded"), "");
  stage_.settings_.routing.reads_on_primary = config::ReadsOnPrimary::share;
  EXPECT_EQ(cell(table("SHOW BACKENDS"), "db1", "excluded"), "");
}

TEST_F(AdminAnswer, ExcludesByTheBackendsOwnBound) {
  stage_.topology_->backends[1].admin = {};
  stage_.settings_.backends[1].max_lag = 10ms;
  EXPECT_EQ(cell(table("SHOW BACKENDS"), "r1", "excluded"), "lagging");
}

TEST_F(AdminAnswer, ShowsAnUnknownLagAsNull) {
  stage_.topology_->backends[1].admin = {};
  stage_.topology_->backends[1].lag.reset();
  const AdminTable shown = table("SHOW BACKENDS");
  EXPECT_EQ(cell(shown, "r1", "lag_ms"), "NULL");
  EXPECT_EQ(cell(shown, "r1", "excluded"), "lag_unknown");
}

TEST_F(AdminAnswer, ShowsThePrimaryAndTheReplicasApart) {
  EXPECT_EQ(cell(table("SHOW PRIMARY"), "db1", "role"), "primary");
  EXPECT_THAT(table("SHOW PRIMARY").rows, SizeIs(1));
  EXPECT_EQ(cell(table("SHOW SLAVES"), "r1", "role"), "replica");
  EXPECT_THAT(table("SHOW SLAVES").rows, SizeIs(1));
}

TEST_F(AdminAnswer, ShowsWhereASessionIsAndWhatKeepsItThere) {
  stage_.session_->connected_at = now_.steady - 5s;
  stage_.session_->backend = 1;
  stage_.session_->statements = 3;
  stage_.session_->in_transaction = true;
  stage_.session_->last_reason = routing::Reason::pinned;
  stage_.session_->set_pinned(
      {{routing::Pin::temporary_table, now_.steady - 2s, "DROP TEMPORARY TABLE shop.t"}});
  stage_.session_->set_pinned(
      {{routing::Pin::temporary_table, now_.steady, "DROP TEMPORARY TABLE shop.t"},
       {routing::Pin::user_lock, now_.steady - 1s, "RELEASE_LOCK('a')"}});
  const AdminTable shown = table("SHOW SESSIONS");
  EXPECT_THAT(columns(shown),
              ElementsAre("id", "user", "client", "schema", "worker", "backend", "busy",
                          "in_transaction", "pins", "pinned_for_ms", "pinned_since", "pinned_until",
                          "reason", "statements", "connected_for_ms"));
  EXPECT_EQ(cell(shown, "1", "user"), "app");
  EXPECT_EQ(cell(shown, "1", "client"), "10.0.0.7:51234");
  EXPECT_EQ(cell(shown, "1", "backend"), "r1");
  EXPECT_EQ(cell(shown, "1", "busy"), "0");
  EXPECT_EQ(cell(shown, "1", "in_transaction"), "1");
  EXPECT_EQ(cell(shown, "1", "pins"), "temporary_table,user_lock");
  EXPECT_EQ(cell(shown, "1", "pinned_for_ms"), "2000");
  EXPECT_EQ(cell(shown, "1", "pinned_until"), "DROP TEMPORARY TABLE shop.t; RELEASE_LOCK('a')");
  EXPECT_THAT(cell(shown, "1", "pinned_since"), ::testing::MatchesRegex("[0-9T:-]+Z,[0-9T:-]+Z"));
  EXPECT_EQ(cell(shown, "1", "reason"), "pinned");
  EXPECT_EQ(cell(shown, "1", "connected_for_ms"), "5000");
}

TEST_F(AdminAnswer, CountsUnderStableNames) {
  add(stage_.counters_.decisions[static_cast<std::size_t>(routing::Reason::own_write)], 5);
  const AdminTable shown = table("SHOW STATUS");
  EXPECT_EQ(cell(shown, "version", "value"), "0.1.0");
  EXPECT_EQ(cell(shown, "statements", "value"), "9");
  EXPECT_EQ(cell(shown, "reads", "value"), "7");
  EXPECT_EQ(cell(shown, "decisions_own_write", "value"), "5");
  EXPECT_EQ(cell(shown, "primary", "value"), "db1");
  EXPECT_EQ(cell(shown, "epoch", "value"), "3");
  for (const char* name : {"misroutes", "reads_moved", "writes_held", "clients_connected",
                           "clients_accepted", "clients_refused", "outcomes_unknown"})
    EXPECT_EQ(cell(shown, name, "value"), "0") << name;
}

TEST_F(AdminAnswer, HasACounterForEveryReason) {
  EXPECT_THAT(table("SHOW STATUS LIKE 'decisions\\_%'").rows, SizeIs(routing::reason_count));
}

TEST_F(AdminAnswer, ShowsWhoReplicatesFromWhom) {
  const AdminTable shown = table("SHOW TOPOLOGY");
  EXPECT_EQ(cell(shown, "db1", "why"), "sole_writable");
  EXPECT_EQ(cell(shown, "db1", "read_only"), "0");
  EXPECT_EQ(cell(shown, "r1", "source"), "10.0.0.1:3306");
  EXPECT_EQ(cell(shown, "r1", "io_running"), "yes");
  EXPECT_EQ(cell(shown, "r1", "sql_running"), "no");
}

TEST_F(AdminAnswer, ShowsABackendThatWasNeverSeen) {
  stage_.topology_->backends[1].seen.reset();
  EXPECT_EQ(cell(table("SHOW TOPOLOGY"), "r1", "read_only"), "NULL");
  EXPECT_EQ(cell(table("SHOW BACKENDS"), "r1", "version"), "NULL");
}

TEST_F(AdminAnswer, ShowsAlarmsWithTheirCulprit) {
  EXPECT_THAT(table("SHOW ALERTS").rows, IsEmpty());
  stage_.topology_->alarms = {{routing::AlarmKind::two_writers, 1},
                              {routing::AlarmKind::no_primary, std::nullopt}};
  EXPECT_EQ(cell(table("SHOW ALERTS"), "two_writers", "backend"), "r1");
  EXPECT_EQ(cell(table("SHOW ALERTS"), "no_primary", "backend"), "NULL");
}

TEST_F(AdminAnswer, ShowsWhichReadsShareLinksAndWhyOthersDoNot) {
  EXPECT_THAT(table("SHOW DIGESTS").rows, IsEmpty());
  routing::DigestTable learnt(100'000, 2);
  for (int i = 0; i < 3; ++i)
    learnt.observe(0xABC, {.backend = 1, .micros = 120, .bytes = 90, .failed = false},
                   "select a from t where id = 5", {});
  learnt.observe(0xDEF, {.backend = 0, .micros = 120, .bytes = 90, .failed = true}, "SELECT b", {});
  stage_.digests_ = learnt.rows(10);
  const AdminTable shown = table("SHOW DIGESTS LIKE '%from t%'");
  EXPECT_THAT(columns(shown), ElementsAre("digest", "backend", "text", "count", "errors", "avg_us",
                                          "avg_bytes", "max_bytes", "shared", "why_not"));
  ASSERT_THAT(shown.rows, SizeIs(1));
  const std::string_view digest = "0000000000000abc";
  EXPECT_EQ(cell(shown, digest, "backend"), "r1");
  EXPECT_EQ(cell(shown, digest, "text"), "SELECT a FROM t WHERE id = ?");
  EXPECT_EQ(cell(shown, digest, "count"), "3");
  EXPECT_EQ(cell(shown, digest, "avg_us"), "120");
  EXPECT_EQ(cell(shown, digest, "shared"), "1");
  EXPECT_EQ(cell(shown, digest, "why_not"), "");
  const AdminTable unknown = table("SHOW DIGESTS LIKE 'SELECT b'");
  EXPECT_EQ(cell(unknown, "0000000000000def", "errors"), "1");
  EXPECT_EQ(cell(unknown, "0000000000000def", "shared"), "0");
  EXPECT_EQ(cell(unknown, "0000000000000def", "why_not"), "unknown");
}

TEST_F(AdminAnswer, ForgetsDigestsForTheAdministratorOnly) {
  stage_.digests_.resize(1);
  client_.user = "stats";
  client_.rights = AdminClient::Rights::look;
  EXPECT_EQ(error("RESET DIGESTS").code, 1227);
  EXPECT_THAT(stage_.digests_, SizeIs(1));
  client_.rights = AdminClient::Rights::change;
  EXPECT_TRUE(std::holds_alternative<AdminDone>(ask("RESET DIGESTS")));
  EXPECT_THAT(stage_.digests_, IsEmpty());
}

TEST_F(AdminAnswer, NeverShowsAPassword) {
  std::string all;
  for (const char* line : {"SHOW VARIABLES", "SHOW USERS", "SHOW STATUS"})
    for (const auto& row : table(line).rows)
      for (const auto& each : row) all += each.text() + "\n";
  for (const char* secret : {"secret", "glass", "hidden"})
    EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  EXPECT_EQ(cell(table("SHOW VARIABLES"), "admin.password", "value"), "***");
}

TEST_F(AdminAnswer, ShowsSettingsAndWhatDriversExpectOfAServer) {
  const AdminTable shown = table("SHOW VARIABLES");
  EXPECT_EQ(cell(shown, "routing.max_lag", "value"), "\"1s\"");
  EXPECT_EQ(cell(shown, "backend.r1.weight", "value"), "1");
  EXPECT_EQ(cell(shown, "sql_mode", "value"), "");
}

TEST_F(AdminAnswer, SetsABackendInTheNameOfItsClient) {
  EXPECT_TRUE(std::holds_alternative<AdminDone>(ask("SET BACKEND r1 OFFLINE BECAUSE 'old'")));
  const routing::Admin& admin = stage_.topology_->backends[1].admin;
  EXPECT_EQ(admin.state, routing::AdminState::offline);
  EXPECT_EQ(admin.by, "admin@10.0.0.9");
  EXPECT_EQ(admin.why, "old");
}

TEST_F(AdminAnswer, NamesTheBackendThatWasMeant) {
  const AdminError refused = error("SET BACKEND r2 DRAIN");
  EXPECT_EQ(refused.code, 1105);
  EXPECT_EQ(refused.message, "There is no backend 'r2'; did you mean 'r1'? There are: db1, r1");
}

TEST_F(AdminAnswer, KillsWhatIsThere) {
  EXPECT_TRUE(std::holds_alternative<AdminDone>(ask("KILL QUERY 1")));
  EXPECT_EQ(stage_.killed_, std::pair(std::uint64_t{1}, KillScope::query));
  EXPECT_EQ(error("KILL 9").code, 1094);
}

TEST_F(AdminAnswer, LetsTheReadOnlyAccountLookButNotTouch) {
  client_.user = "stats";
  client_.rights = AdminClient::Rights::look;
  EXPECT_THAT(table("SHOW BACKENDS").rows, SizeIs(2));
  EXPECT_EQ(error("SET BACKEND r1 ONLINE").code, 1227);
  EXPECT_THAT(error("KILL 1").message, HasSubstr("'stats' may look but not change"));
  EXPECT_EQ(stage_.topology_->backends[1].admin.state, routing::AdminState::drain);
  EXPECT_FALSE(stage_.killed_);
}

TEST_F(AdminAnswer, KillsAnAdminClientByItsOwnId) {
  std::vector<std::uint64_t> killed;
  client_.kill_admin = [&killed](std::uint64_t id, KillScope) {
    killed.push_back(id);
    return true;
  };
  EXPECT_TRUE(std::holds_alternative<AdminDone>(ask("KILL QUERY 2147483648")));
  EXPECT_THAT(killed, ElementsAre(first_admin_id));
  EXPECT_FALSE(stage_.killed_);
}

TEST_F(AdminAnswer, AnswersTheFirstQuestionsOfClients) {
  client_.schema = "shop";
  const AdminTable shown =
      table("SELECT 'x', @@version, DATABASE() AS d, USER() AS u, CONNECTION_ID() AS c, @y AS y");
  EXPECT_EQ(cell(shown, "x", "@@version"), admin_version);
  EXPECT_EQ(cell(shown, "x", "d"), "shop");
  EXPECT_EQ(cell(shown, "x", "u"), "admin@10.0.0.9");
  EXPECT_EQ(cell(shown, "x", "c"), "2147483648");
  EXPECT_EQ(cell(shown, "x", "y"), "NULL");
  EXPECT_EQ(error("SELECT @@nonsense").code, 1193);
}

TEST_F(AdminAnswer, HelpsWithEveryCommandThatItLists) {
  EXPECT_THAT(table("HELP").rows, SizeIs(admin_topics().size()));
  for (const AdminTopic& topic : admin_topics()) {
    const AdminTable shown = table("HELP '" + std::string(topic.command) + "'");
    EXPECT_THAT(shown.rows, SizeIs(1)) << topic.command;
    for (std::size_t at = 0; at < topic.example.size();) {
      const std::size_t end = std::min(topic.example.find('\n', at), topic.example.size());
      const auto parsed = parse_admin(topic.example.substr(at, end - at));
      EXPECT_TRUE(std::holds_alternative<AdminCommand>(parsed)) << topic.example;
      at = end + 1;
    }
  }
  EXPECT_THAT(error("HELP nonsense").message, HasSubstr("no help on 'nonsense'"));
}

TEST_F(AdminAnswer, GivesEveryRowAsManyCellsAsColumns) {
  stage_.topology_->alarms = {{routing::AlarmKind::fail_open, std::nullopt}};
  for (const char* line :
       {"SHOW BACKENDS", "SHOW SESSIONS", "SHOW STATUS", "SHOW TOPOLOGY", "SHOW ALERTS",
        "SHOW VARIABLES", "SHOW USERS", "SHOW DIGESTS", "SHOW FAILOVER", "SHOW FAILOVER HISTORY", "FAILOVER PLAN", "SHOW DATABASES", "SHOW WARNINGS", "HELP",
        "HELP 'contents'", "HELP KILL", "SELECT 1, NULL"}) {
    const AdminTable shown = table(line);
    for (const auto& row : shown.rows) EXPECT_EQ(row.size(), shown.columns.size()) << line;
  }
}

}  // namespace
}  // namespace sluice::proxy
