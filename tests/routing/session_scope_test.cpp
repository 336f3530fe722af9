#include "routing/session_scope.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

std::string scoped(std::string_view sql) { return with_session_scope(sql, {}).value_or("same"); }

TEST(SessionScope, IsAddedToEveryTargetThatHasNone) {
  EXPECT_EQ(scoped("SET @@time_zone = '+01:00'"), "SET @@session.time_zone = '+01:00'");
  EXPECT_EQ(
      scoped("set @@sql_mode:=CONCAT(@@sql_mode, ',ANSI'), @a = 1, @@`big_tables`=1"),
      "set @@session.sql_mode:=CONCAT(@@sql_mode, ',ANSI'), @a = 1, @@session.`big_tables`=1");
  EXPECT_EQ(scoped("SELECT 1; SET x = 1, @@y = (SELECT 1, 2); SELECT @@y, @@z = 1"),
            "SELECT 1; SET x = 1, @@session.y = (SELECT 1, 2); SELECT @@y, @@z = 1");
  EXPECT_EQ(scoped("/*!40101 SET @@sql_mode = '' */;"), "/*!40101 SET @@session.sql_mode = '' */;");
}

TEST(SessionScope, IsLeftAsItStands) {
  for (const std::string_view sql :
       {"SET time_zone = @@sql_mode", "SET @@session.time_zone = 1", "SET @@LOCAL . time_zone = 1",
        "SET @@global.time_zone = 1", "SET SESSION time_zone = 1", "SET @@hot.key_buffer_size = 1",
        "SET @@tx_isolation = 'SERIALIZABLE'", "SET @@`tx_read_only` = 1",
        "SELECT @@time_zone, @@sql_mode", "UPDATE t SET a = @@time_zone, b = 1",
        "SET STATEMENT @@max_statement_time = 1 FOR SELECT 1", "SET @a = 'SET @@x = 1'", "SET @@",
        "SET @@x = 'unfinished", "SET", ""}) {
    EXPECT_EQ(scoped(sql), "same") << sql;
  }
}

}  // namespace
}  // namespace sluice::routing
