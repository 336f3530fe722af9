#include "routing/connection_id.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::routing {
namespace {

const std::string call = "CAST(0000000071 AS UNSIGNED)";
const std::string variable = "NULLIF(CAST(000000000000000000071 AS UNSIGNED),0)";

/// The statement as it is sent, where #c and #v stand for the two literals.
std::string expected(std::string text) {
  for (const auto& [mark, literal] : {std::pair{"#c", call}, std::pair{"#v", variable}}) {
    for (std::size_t at = 0; (at = text.find(mark, at)) != text.npos; at += literal.size())
      text.replace(at, 2, literal);
  }
  return text;
}

std::string rewritten(std::string_view sql, const Dialect& dialect = {}) {
  return with_connection_id(sql, dialect, 71).value_or("left alone");
}

struct Case {
  std::string sql;
  std::string sent;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(rewritten(c.sql), expected(c.sent)) << c.sql;
}

TEST(ConnectionId, IsTheSessionsWhereverItIsCalled) {
  expect_all({
      {"INSERT INTO t VALUES (CONNECTION_ID(), 'x')", "INSERT INTO t VALUES (#c, 'x')"},
      {"UPDATE t SET a=connection_id ( ) WHERE b=Connection_Id/* x */( -- y\n)",
       "UPDATE t SET a=#c WHERE b=#c"},
      {"SELECT a FROM t WHERE owner = CONNECTION_ID() ORDER BY CONNECTION_ID()",
       "SELECT a FROM t WHERE owner = #c ORDER BY #c"},
      {"SET @a = connection_id()", "SET @a = #c"},
      {"CALL p(connection_id())", "CALL p(#c)"},
      {"SELECT 1; DO `connection_id`()", "SELECT 1; DO #c"},
  });
}

TEST(ConnectionId, IsTheSessionsInTheVariableToo) {
  expect_all({
      {"DO @@pseudo_thread_id", "DO #v"},
      {"DO @@SESSION . pseudo_thread_id+1", "DO #v+1"},
      {"DO @@local.`pseudo_thread_id`, 1", "DO #v, 1"},
      {"SET @a = 1, @b = @@pseudo_thread_id", "SET @a = 1, @b = #v"},
      {"DO @@pseudo_thread_id = 5", "DO #v = 5"},
      {"DO @@global.pseudo_thread_id", "left alone"},
      {"DO @@pseudo_thread_id.a", "left alone"},
      {"SET @@pseudo_thread_id = 5", "left alone"},
      {"SET @a = 1, @@session.pseudo_thread_id := 5", "left alone"},
  });
}

TEST(ConnectionId, IsFoundOnlyWhereAServerWouldEvaluateIt) {
  for (const std::string sql : {
           "SELECT 1",
           "SELECT 'CONNECTION_ID()'",
           "SELECT `CONNECTION_ID()` FROM t",
           "SELECT 1 /* CONNECTION_ID() */ -- CONNECTION_ID()",
           "SELECT x.connection_id()",
           "SELECT x . connection_id()",
           "SELECT connection_id FROM t",
           "SELECT connection_id(1)",
           "SELECT @connection_id, @@connection_id",
           "SELECT my_connection_id()",
           "INSERT INTO connection_id () VALUES ()",
           "CALL connection_id()",
           "PREPARE p FROM 'SELECT CONNECTION_ID()'",
       })
    EXPECT_EQ(rewritten(sql), "left alone") << sql;
}

TEST(ConnectionId, OfWhatIsStoredIsNotDecidedNow) {
  expect_all({
      {"CREATE VIEW v AS SELECT CONNECTION_ID()", "left alone"},
      {"CREATE OR REPLACE VIEW v AS SELECT 1; DO CONNECTION_ID()",
       "CREATE OR REPLACE VIEW v AS SELECT 1; DO #c"},
      {"CREATE PROCEDURE p() BEGIN DO 1; DO CONNECTION_ID(); END", "left alone"},
      {"CREATE DEFINER=user@host TRIGGER r BEFORE INSERT ON t FOR EACH ROW BEGIN DO 1; SET "
       "NEW.a=CONNECTION_ID(); END",
       "left alone"},
      {"ALTER TABLE t ADD a INT DEFAULT (CONNECTION_ID())", "left alone"},
      {"CREATE TABLE t (a INT DEFAULT (CONNECTION_ID())) SELECT CONNECTION_ID() AS b",
       "CREATE TABLE t (a INT DEFAULT (CONNECTION_ID())) SELECT #c AS b"},
  });
}

TEST(ConnectionId, IsTheBackendsBesideWhatBackendsSayOfTheirThreads) {
  for (const std::string sql : {
           "SELECT * FROM information_schema.processlist WHERE id = CONNECTION_ID()",
           "SELECT CONNECTION_ID(), p.* FROM `INFORMATION_SCHEMA`.`INNODB_TRX` p",
           "SELECT * FROM performance_schema.threads WHERE processlist_id=CONNECTION_ID()",
           "SELECT sys.ps_thread_id(CONNECTION_ID())",
           "SELECT PS_THREAD_ID(CONNECTION_ID())",
           "SELECT IS_USED_LOCK('a') = CONNECTION_ID()",
           "KILL CONNECTION_ID()",
           "KILL QUERY CONNECTION_ID()",
       })
    EXPECT_EQ(rewritten(sql), "left alone") << sql;
  EXPECT_NE(rewritten("SELECT CONNECTION_ID() FROM information_schema.tables"), "left alone");
}

TEST(ConnectionId, KeepsTheColumnsName) {
  expect_all({
      {"SELECT CONNECTION_ID()", "SELECT #c AS `CONNECTION_ID()`"},
      {"SELECT connection_ID ( ), 1 FROM t", "SELECT #c AS `connection_ID ( )`, 1 FROM t"},
      {"SELECT\t/* a */ connection_id() /* b */ -- c\n",
       "SELECT\t/* a */ #c AS `connection_id()` /* b */ -- c\n"},
      {"SELECT DISTINCT SQL_NO_CACHE connection_id() ;",
       "SELECT DISTINCT SQL_NO_CACHE #c AS `connection_id()` ;"},
      {"SELECT connection_id() + 1  , 2", "SELECT #c + 1 AS `connection_id() + 1`  , 2"},
      {"SELECT ( connection_id() )", "SELECT ( #c ) AS `( connection_id() )`"},
      {"SELECT a, concat('`', connection_id()) INTO @x",
       "SELECT a, concat('`', #c) AS `concat('``', connection_id())` INTO @x"},
      {"SELECT connection_id() = 'a' 'b'", "SELECT #c = 'a' 'b' AS `connection_id() = 'a' 'b'`"},
      {"SELECT a + connection_id() + b FROM t",
       "SELECT a + #c + b AS `a + connection_id() + b` FROM t"},
      {"SELECT connection_id() IS NOT NULL",
       "SELECT #c IS NOT NULL AS `connection_id() IS NOT NULL`"},
      {"SELECT CASE a WHEN (1) THEN connection_id() END LIMIT 1",
       "SELECT CASE a WHEN (1) THEN #c END AS `CASE a WHEN (1) THEN connection_id() END` LIMIT 1"},
      {"SELECT @@session.pseudo_thread_id", "SELECT #v AS `@@session.pseudo_thread_id`"},
      {"SELECT @@pseudo_thread_id, connection_id()",
       "SELECT #v AS `@@pseudo_thread_id`, #c AS `connection_id()`"},
      {"INSERT INTO t VALUES (1) RETURNING connection_id()",
       "INSERT INTO t VALUES (1) RETURNING #c AS `connection_id()`"},
      {"SELECT {fn connection_id()}", "SELECT {fn #c} AS `{fn connection_id()}`"},
  });
}

TEST(ConnectionId, KeepsTheNamesThatOtherPartsOfAStatementUse) {
  expect_all({
      {"SELECT `connection_id()` FROM (SELECT connection_id()) x",
       "SELECT `connection_id()` FROM (SELECT #c AS `connection_id()`) x"},
      {"WITH x AS (SELECT connection_id()) SELECT * FROM x",
       "WITH x AS (SELECT #c AS `connection_id()`) SELECT * FROM x"},
      {"SELECT (SELECT connection_id())",
       "SELECT (SELECT #c AS `connection_id()`) AS `(SELECT connection_id())`"},
      {"CREATE TABLE t SELECT connection_id()", "CREATE TABLE t SELECT #c AS `connection_id()`"},
      {"SELECT connection_id() UNION SELECT connection_id()",
       "SELECT #c AS `connection_id()` UNION SELECT #c AS `connection_id()`"},
  });
}

TEST(ConnectionId, LeavesAnAliasAsItIs) {
  expect_all({
      {"SELECT connection_id() AS x", "SELECT #c AS x"},
      {"SELECT connection_id() x, 1", "SELECT #c x, 1"},
      {"SELECT connection_id() 'x'", "SELECT #c 'x'"},
      {"SELECT connection_id() + a `b` FROM t", "SELECT #c + a `b` FROM t"},
      {"SELECT connection_id() end", "SELECT #c end"},
      {"SELECT @@pseudo_thread_id x", "SELECT #v x"},
      {"SELECT 1 + (connection_id()) x", "SELECT 1 + (#c) x"},
  });
}

TEST(ConnectionId, AddsNoAliasWhereItMightBeTheSecond) {
  expect_all({
      {"SELECT connection_id() OFFSET", "SELECT #c OFFSET"},
      {"SELECT connection_id() + NEXT VALUE FOR s", "SELECT #c + NEXT VALUE FOR s"},
      {"SELECT a + connection_id() * _utf8'1'", "SELECT a + #c * _utf8'1'"},
  });
}

TEST(ConnectionId, IsReadAsTheDialectSays) {
  EXPECT_EQ(rewritten("SELECT \"connection_id()\"", {.ansi_quotes = true}), "left alone");
  EXPECT_EQ(rewritten("DO '\\', connection_id(), '"), "left alone");
  EXPECT_EQ(rewritten("DO '\\', connection_id(), ''", {.no_backslash_escapes = true}),
            expected("DO '\\', #c, ''"));
}

TEST(ConnectionId, IsLeftAloneInWhatCannotBeReadWithCertainty) {
  EXPECT_EQ(rewritten("SELECT connection_id(), 'unfinished"), "left alone");
  EXPECT_EQ(rewritten("SELECT connection_id() /* unfinished"), "left alone");
  EXPECT_EQ(rewritten(std::string("DO connection_id()\0", 19)), "left alone");
  EXPECT_EQ(rewritten("DO " + std::string(1'000'000, '(') + "connection_id()"), "left alone");
}

TEST(ConnectionId, KeepsAllOfTheBiggestId) {
  EXPECT_EQ(with_connection_id("DO connection_id()", {}, 4'294'967'295),
            "DO CAST(4294967295 AS UNSIGNED)");
  EXPECT_EQ(with_connection_id("DO connection_id()", {}, 18'446'744'073'709'551'615U),
            "DO CAST(18446744073709551615 AS UNSIGNED)");
}

TEST(ConnectionId, CutsALongNameAsAServerDoes) {
  const std::string item = "concat('" + std::string(300, 'x') + "',connection_id())";
  EXPECT_EQ(rewritten("SELECT " + item), expected("SELECT concat('" + std::string(300, 'x') +
                                                  "',#c) AS `" + item.substr(0, 255) + "`"));
}

}  // namespace
}  // namespace sluice::routing
