#include "proxy/probe.hpp"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

using routing::Flavour;
using routing::Observation;

constexpr EngineVersion mysql_9{Flavour::mysql, 90704};
constexpr EngineVersion mariadb_10{Flavour::mariadb, 101119};

using Cells = std::vector<std::pair<std::string, std::optional<std::string>>>;

SqlTable row(const Cells& cells) {
  SqlTable table;
  auto& values = table.rows.emplace_back();
  for (const auto& [name, value] : cells) {
    table.columns.push_back(name);
    values.push_back(value);
  }
  return table;
}

Cells mysql_cells() {
  return {
      {"gtid", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,\n4E11FA47-71CA-11E1-9E33-C80AA9429562:7"},
      {"gtid_mode", "ON"},
      {"read_only", "0"},
      {"super_read_only", "0"},
      {"server_uuid", "3e11fa47-71ca-11e1-9e33-c80aa9429562"},
      {"server_id", "4294967295"},
      {"version", "9.7.4"},
      {"collation", "utf8mb4_0900_ai_ci"},
      {"charset", "utf8mb4"}};
}

Cells with(Cells cells, const std::string& name, std::optional<std::string> value) {
  for (auto& cell : cells)
    if (cell.first == name) cell.second = std::move(value);
  return cells;
}

Observation read(const Cells& cells, EngineVersion engine) {
  Observation seen;
  seen.alive = true;
  EXPECT_TRUE(read_variables(row(cells), engine, seen));
  return seen;
}

TEST(Probe, TellsTheEngineAndItsVersion) {
  EXPECT_EQ(read_version("9.7.4", "(Debian)"), mysql_9);
  EXPECT_EQ(read_version("8.0.36-28", "Percona Server (GPL)"),
            (EngineVersion{Flavour::mysql, 80036}));
  EXPECT_EQ(read_version("10.11.19-MariaDB-0+deb12u1", "Debian 12"), mariadb_10);
  EXPECT_EQ(read_version("5.5.5-10.4.34-MariaDB-log", "Source"),
            (EngineVersion{Flavour::mariadb, 100434}));
}

TEST(Probe, RecognisesAMariaDbThatCallsItselfAMySql) {
  EXPECT_EQ(read_version("8.0.0", "mariadb.org binary distribution"),
            (EngineVersion{Flavour::mariadb, 80000}));
}

TEST(Probe, MakesNothingOfAVersionThatIsNone) {
  EXPECT_EQ(read_version("", "").number, 0U);
  EXPECT_EQ(read_version("next", "").number, 0U);
  EXPECT_EQ(read_version("4294967295.1.1", "").number, 0U);
}

TEST(Probe, KnowsWhoHasWrittenWhatAndWhetherOthersCanFollow) {
  Cells cells{{"gtid", "0-1-105"},  {"written", "0-2-7,0-1-105,3-1-1"},
              {"read_only", "0"},   {"log_bin", "1"},
              {"log_updates", "1"}, {"version", "10.11.19-MariaDB"}};
  const Observation seen = read(cells, mariadb_10);
  EXPECT_EQ(seen.written, (std::vector<routing::GtidPosition>{{0, 2, 7}, {0, 1, 105}, {3, 1, 1}}));
  EXPECT_TRUE(seen.feeds_others);
  EXPECT_FALSE(read(with(cells, "log_updates", "0"), mariadb_10).feeds_others);
  EXPECT_FALSE(read(with(cells, "log_bin", std::nullopt), mariadb_10).feeds_others);
}

TEST(Probe, AsksInTheWordsThatTheEngineKnows) {
  const auto asks = [](EngineVersion engine, std::string_view words) {
    return probe_statements(engine).ends_with(words);
  };
  EXPECT_TRUE(asks(mysql_9, ";SHOW REPLICA STATUS"));
  EXPECT_TRUE(asks({Flavour::mysql, 80022}, ";SHOW REPLICA STATUS"));
  EXPECT_TRUE(asks({Flavour::mysql, 80021}, ";SHOW SLAVE STATUS"));
  EXPECT_TRUE(asks({Flavour::mysql, 50744}, ";SHOW SLAVE STATUS"));
  EXPECT_TRUE(asks(mariadb_10, ";SHOW ALL SLAVES STATUS"));
}

TEST(Probe, ReadsWhatAMySqlSays) {
  const Observation seen = read(mysql_cells(), mysql_9);
  EXPECT_EQ(seen.flavour, Flavour::mysql);
  EXPECT_EQ(seen.version, "9.7.4");
  EXPECT_EQ(seen.version_number, 90704U);
  EXPECT_EQ(seen.server_uuid, "3e11fa47-71ca-11e1-9e33-c80aa9429562");
  EXPECT_EQ(seen.server_id, 4294967295U);
  EXPECT_EQ(seen.charset, "utf8mb4");
  EXPECT_TRUE(seen.writable());
  ASSERT_TRUE(seen.gtid);
  EXPECT_EQ(seen.gtid->to_string(),
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,4e11fa47-71ca-11e1-9e33-c80aa9429562:7");
}

TEST(Probe, TakesNoGtidsFromAMySqlThatDoesNotAlwaysWriteThem) {
  for (const char* mode : {"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE"})
    EXPECT_FALSE(read(with(mysql_cells(), "gtid_mode", mode), mysql_9).gtid) << mode;
  EXPECT_FALSE(read(with(mysql_cells(), "gtid_mode", std::nullopt), mysql_9).gtid);
}

TEST(Probe, TakesGtidsThatItCannotReadForUnknown) {
  EXPECT_FALSE(read(with(mysql_cells(), "gtid", "nonsense"), mysql_9).gtid);
  EXPECT_FALSE(read(with(mysql_cells(), "gtid", std::nullopt), mysql_9).gtid);
  const auto empty = read(with(mysql_cells(), "gtid", ""), mysql_9).gtid;
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->empty());
}

TEST(Probe, TakesABackendForReadOnlyUnlessItPlainlySaysOtherwise) {
  for (const char* off : {"0", "OFF", "off"})
    EXPECT_TRUE(read(with(mysql_cells(), "read_only", off), mysql_9).writable()) << off;
  for (const char* on : {"1", "ON", "NO_LOCK", "NO_LOCK_NO_ADMIN", ""})
    EXPECT_FALSE(read(with(mysql_cells(), "read_only", on), mysql_9).writable()) << on;
  EXPECT_FALSE(read(with(mysql_cells(), "super_read_only", "1"), mysql_9).writable());
  EXPECT_FALSE(read(with(mysql_cells(), "super_read_only", std::nullopt), mysql_9).writable());
}

TEST(Probe, ReadsWhatAMariaDbSays) {
  const Observation seen = read({{"gtid", "0-1-100,7-2-3"},
                                 {"read_only", "0"},
                                 {"server_id", "1"},
                                 {"version", "10.11.19-MariaDB"},
                                 {"collation", "utf8mb4_general_ci"},
                                 {"charset", "utf8mb4"}},
                                mariadb_10);
  EXPECT_TRUE(seen.writable());
  EXPECT_TRUE(seen.server_uuid.empty());
  ASSERT_TRUE(seen.gtid);
  EXPECT_EQ(seen.gtid->to_string(), "0-1-100,7-2-3");
}

TEST(Probe, RefusesARowWithoutTheVariables) {
  Observation seen;
  EXPECT_FALSE(read_variables(SqlTable{}, mysql_9, seen));
  EXPECT_FALSE(read_variables(row({{"version", "9.7.4"}}), mysql_9, seen));
  EXPECT_FALSE(read_variables(row(with(mysql_cells(), "read_only", std::nullopt)), mysql_9, seen));
}

TEST(Probe, FindsReplicationSourcesUnderOldAndNewNames) {
  const SqlTable new_names = row({{"Source_Host", "db1"},
                                  {"Source_Port", "3307"},
                                  {"Replica_IO_Running", "Yes"},
                                  {"Replica_SQL_Running", "No"},
                                  {"Last_IO_Error", "io"},
                                  {"Last_SQL_Error", "sql"},
                                  {"Seconds_Behind_Source", std::nullopt},
                                  {"Source_Server_Id", "7"},
                                  {"Source_UUID", "u"},
                                  {"Channel_Name", "ch"}});
  const SqlTable old_names = row({{"Connection_name", "ch"},
                                  {"Master_Host", "db1"},
                                  {"Master_Port", "3307"},
                                  {"Slave_IO_Running", "Yes"},
                                  {"Slave_SQL_Running", "No"},
                                  {"Last_IO_Error", "io"},
                                  {"Last_SQL_Error", "sql"},
                                  {"Seconds_Behind_Master", "12"},
                                  {"Master_Server_Id", "7"}});
  for (const SqlTable& table : {new_names, old_names}) {
    const auto sources = read_sources(table);
    ASSERT_EQ(sources.size(), 1U);
    EXPECT_EQ(sources[0].channel, "ch");
    EXPECT_EQ(sources[0].host, "db1");
    EXPECT_EQ(sources[0].port, 3307);
    EXPECT_EQ(sources[0].server_id, 7U);
    EXPECT_TRUE(sources[0].io_running);
    EXPECT_FALSE(sources[0].sql_running);
    EXPECT_EQ(sources[0].last_error, "sql");
  }
  EXPECT_EQ(read_sources(new_names)[0].uuid, "u");
  EXPECT_FALSE(read_sources(new_names)[0].seconds_behind);
  EXPECT_EQ(read_sources(old_names)[0].seconds_behind, 12U);
}

TEST(Probe, DoesNotTakeConnectingForRunning) {
  EXPECT_FALSE(read_sources(row({{"Replica_IO_Running", "Connecting"}}))[0].io_running);
  EXPECT_FALSE(read_sources(row({{"Slave_IO_Running", "Preparing"}}))[0].io_running);
  EXPECT_FALSE(read_sources(row({{"Source_Host", "a"}}))[0].io_running);
}

TEST(Probe, FindsNoSourceInAnEmptyStatus) { EXPECT_TRUE(read_sources(SqlTable{}).empty()); }

}  // namespace
}  // namespace sluice::proxy
