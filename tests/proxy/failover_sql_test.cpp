#include "proxy/failover_sql.hpp"

#include <gmock/gmock.h>

namespace sluice::proxy {
namespace {

using routing::Flavour;
using routing::Observation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Observation backend(Flavour flavour, unsigned version, std::vector<std::string> channels = {}) {
  Observation seen{.alive = true, .flavour = flavour, .version_number = version};
  for (std::string& channel : channels) seen.sources.push_back({.channel = std::move(channel)});
  return seen;
}

const Observation mysql_replica = backend(Flavour::mysql, 90704, {""});
const Observation mariadb_replica = backend(Flavour::mariadb, 101119, {""});
const NewSource source{"10.0.0.2", 3307, "repl", "it's", false};

TEST(FailoverSql, MakesABackendReadOnlyForEverybody) {
  EXPECT_THAT(read_only_statements({Flavour::mysql, 90704}, true),
              ElementsAre("SET GLOBAL super_read_only=1"));
  EXPECT_THAT(read_only_statements({Flavour::mysql, 90704}, false),
              ElementsAre("SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0"));
  EXPECT_THAT(read_only_statements({Flavour::mariadb, 101119}, true),
              ElementsAre("SET GLOBAL read_only=1"));
}

TEST(FailoverSql, StopsReceivingOnEachChannelInTheWordsOfTheVersion) {
  EXPECT_THAT(receive_statements(mysql_replica, false), ElementsAre("STOP REPLICA IO_THREAD"));
  EXPECT_THAT(receive_statements(backend(Flavour::mysql, 80021, {""}), true),
              ElementsAre("START SLAVE IO_THREAD"));
  EXPECT_THAT(receive_statements(backend(Flavour::mysql, 90704, {"a", "b"}), false),
              ElementsAre("STOP REPLICA IO_THREAD FOR CHANNEL 'a'",
                          "STOP REPLICA IO_THREAD FOR CHANNEL 'b'"));
  EXPECT_THAT(receive_statements(backend(Flavour::mariadb, 101119, {"a"}), false),
              ElementsAre("STOP SLAVE 'a' IO_THREAD"));
}

TEST(FailoverSql, PromotesByForgettingTheSource) {
  EXPECT_THAT(forget_source_statements(mysql_replica),
              ElementsAre("STOP REPLICA", "RESET REPLICA ALL"));
  EXPECT_THAT(forget_source_statements(mariadb_replica),
              ElementsAre("STOP SLAVE", "RESET SLAVE ALL"));
  EXPECT_THAT(forget_source_statements(backend(Flavour::mysql, 90704)), IsEmpty());
}

TEST(FailoverSql, FollowsByGtidAndKeepsTheAccountIfNoneIsGiven) {
  EXPECT_THAT(follow_statements(mysql_replica, {"h", 1, {}, {}, false}),
              ElementsAre("STOP REPLICA",
                          "CHANGE REPLICATION SOURCE TO SOURCE_HOST='h', SOURCE_PORT=1, "
                          "SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400, "
                          "SOURCE_AUTO_POSITION=1",
                          "START REPLICA"));
  EXPECT_THAT(follow_statements(mariadb_replica, source),
              ElementsAre("STOP SLAVE",
                          "CHANGE MASTER TO MASTER_HOST='10.0.0.2', MASTER_PORT=3307, "
                          "MASTER_USER='repl', MASTER_PASSWORD='it''s', MASTER_CONNECT_RETRY=1, "
                          "MASTER_USE_GTID=slave_pos",
                          "START SLAVE"));
}

TEST(FailoverSql, DemotesAFormerPrimaryOfMariaDbWithItsOwnPosition) {
  EXPECT_THAT(follow_statements(backend(Flavour::mariadb, 101119), source),
              ElementsAre(::testing::EndsWith(", MASTER_DEMOTE_TO_SLAVE=1"), "START SLAVE"));
  EXPECT_THAT(follow_statements(backend(Flavour::mariadb, 100600), source),
              ElementsAre("SET GLOBAL gtid_slave_pos = @@global.gtid_current_pos",
                          ::testing::EndsWith("MASTER_USE_GTID=slave_pos"), "START SLAVE"));
}

TEST(FailoverSql, GivesUpNamedChannelsForOneWithoutAName) {
  EXPECT_THAT(follow_statements(backend(Flavour::mysql, 90704, {"a"}), source),
              ElementsAre("STOP REPLICA FOR CHANNEL 'a'", "RESET REPLICA ALL FOR CHANNEL 'a'",
                          ::testing::StartsWith("CHANGE REPLICATION SOURCE"), "START REPLICA"));
}

TEST(FailoverSql, QuotesWhatIsNotItsOwn) { EXPECT_EQ(sql_quote("a'b\\c"), "'a''b\\\\c'"); }

TEST(FailoverSql, NamesTheMissingPrivileges) {
  EXPECT_THAT(missing_privileges({Flavour::mysql, 90704}, {"SELECT", "RELOAD", "SUPER"}),
              IsEmpty());
  EXPECT_THAT(missing_privileges({Flavour::mysql, 90704}, {"REPLICATION CLIENT"}),
              ElementsAre("SYSTEM_VARIABLES_ADMIN", "REPLICATION_SLAVE_ADMIN", "RELOAD"));
  EXPECT_THAT(
      missing_privileges({Flavour::mariadb, 101119}, {"READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN",
                                                      "BINLOG MONITOR", "SLAVE MONITOR", "RELOAD"}),
      IsEmpty());
  EXPECT_THAT(missing_privileges({Flavour::mariadb, 101119}, {"SUPER"}),
              ElementsAre("READ_ONLY ADMIN", "RELOAD"));
}

TEST(FailoverSql, ReadsWhatAReplicaHasReceivedInEitherVocabulary) {
  const SqlTable mariadb{{"Gtid_IO_Pos"}, {{"0-1-5"}, {"3-1-2"}}};
  EXPECT_EQ(received_of(mariadb), "0-1-5,3-1-2");
  const SqlTable mysql{{"Retrieved_Gtid_Set"}, {{"aaaa:1-5,\nbbbb:1"}}};
  EXPECT_EQ(received_of(mysql), "aaaa:1-5,bbbb:1");
  EXPECT_EQ(received_of({}), "");
}

}  // namespace
}  // namespace sluice::proxy
