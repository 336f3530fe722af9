#include "routing/statement.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/routing/statement_table.hpp"

namespace sluice::routing {
namespace {

using test::mariadb;
using test::mysql;
using test::print;
using test::StatementCase;

const std::vector<StatementCase>& table() {
  static const std::vector<StatementCase> cases = test::read_statement_table();
  return cases;
}

std::string where(const StatementCase& c) {
  return "statements.tsv line " + std::to_string(c.line) + " (" +
         (c.dialect.mariadb ? "mariadb" : "mysql") + "): " + c.sql;
}

TEST(Classifier, SaysOfEveryStatementWhatTheTableSays) {
  for (const StatementCase& c : table()) {
    const Statement s = classify(c.sql, c.dialect);
    EXPECT_EQ(to_string(s.access), to_string(c.access)) << where(c);
    EXPECT_EQ(to_string(s.cause), c.cause) << where(c);
    EXPECT_EQ(print(s.effects), print(c.effects)) << where(c);
  }
}

TEST(Classifier, TableCoversEveryCauseAndEffect) {
  std::set<std::string> causes;
  Effects effects;
  std::set<int> lines;
  for (const StatementCase& c : table()) {
    causes.insert(c.cause);
    effects.set(c.effects);
    lines.insert(c.line);
  }
  EXPECT_GE(lines.size(), 450U);
  for (int i = 0; i < cause_count; ++i) {
    const auto cause = static_cast<Cause>(i);
    // Only a statement of 16 MiB is oversized; it has a test of its own.
    if (cause == Cause::oversized) continue;
    EXPECT_TRUE(causes.contains(std::string(to_string(cause)))) << to_string(cause);
  }
  // Its functions are known by a catalogue, which has tests of its own.
  effects.set(Effect::calls_reading_function);
  EXPECT_EQ(effects.bits(), (std::uint64_t{1} << effect_count) - 1);
}

TEST(Classifier, AReadHasNoOtherCauseAndAWriteIsNoPlainRead) {
  for (const StatementCase& c : table()) {
    const Statement s = classify(c.sql, c.dialect);
    EXPECT_EQ(s.access == Access::read, s.cause == Cause::plain_read) << where(c);
  }
}

// Where a statement has been cut short, what is left may be understood
// differently, but a lock asked for behind it must never be missed.
TEST(Classifier, SeesALockBehindEveryBeginningOfARead) {
  for (const StatementCase& c : table()) {
    for (std::size_t length = 0; length <= c.sql.size(); ++length) {
      const std::string cut = c.sql.substr(0, length);
      if (classify(cut, c.dialect).access != Access::read) continue;
      // Not if the cut ends in a line comment, which would swallow it: a
      // comment ends where a broken byte on the same line changes nothing.
      if (classify(cut + " \x01", c.dialect).access == Access::read) continue;
      EXPECT_EQ(classify(cut + " FOR UPDATE", c.dialect).access, Access::write)
          << where(c) << "\ncut: " << cut;
    }
  }
}

TEST(Classifier, SurvivesEveryBeginningWithGarbageBehind) {
  const std::string garbage[] = {"'",    "\"", "`",  "/*", "/*!", "*/", "@", "@@",
                                 "\\",   ";",  "(",  ")",  ".",   "--", "#", std::string(1, '\0'),
                                 "\xff", "0x", "1e+"};
  for (const StatementCase& c : table()) {
    for (std::size_t length = 0; length <= c.sql.size(); ++length) {
      for (const std::string& tail : garbage) {
        const Statement s = classify(c.sql.substr(0, length) + tail, c.dialect);
        ASSERT_EQ(s.access == Access::read, s.cause == Cause::plain_read) << where(c);
      }
    }
  }
}

TEST(Classifier, ACommentInFrontAndBlanksAroundChangeNothing) {
  for (const StatementCase& c : table()) {
    const Statement plain = classify(c.sql, c.dialect);
    const Statement padded = classify(" \n/* c */ -- d\n#e\n" + c.sql, c.dialect);
    EXPECT_EQ(to_string(padded.cause), to_string(plain.cause)) << where(c);
    EXPECT_EQ(print(padded.effects), print(plain.effects)) << where(c);
  }
}

TEST(Classifier, AnExecutableCommentAroundAWriteLeavesItAWrite) {
  for (const StatementCase& c : table()) {
    if (classify(c.sql, c.dialect).access == Access::read) continue;
    EXPECT_EQ(classify("/*!50000 " + c.sql + " */", c.dialect).access, Access::write) << where(c);
    EXPECT_EQ(classify("SELECT 1 /*!99999 " + c.sql, c.dialect).access, Access::write) << where(c);
  }
}

TEST(Classifier, KnowsWhomAKillMeans) {
  EXPECT_EQ(classify("KILL 17", mysql()).kill, (Kill{17, false}));
  EXPECT_EQ(classify("KILL CONNECTION 17;", mysql()).kill, (Kill{17, false}));
  EXPECT_EQ(classify("kill /* c */ query 18 -- x", mysql()).kill, (Kill{18, true}));
  EXPECT_EQ(classify("KILL HARD QUERY 19", mariadb()).kill, (Kill{19, true}));
}

TEST(Classifier, GuessesNoKillThatItCannotRead) {
  for (const char* sql : {"KILL QUERY ID 5", "KILL USER u", "KILL @a", "KILL 5 + 1", "KILL 0x5",
                          "KILL 99999999999999999999", "KILL -5", "KILL"}) {
    EXPECT_EQ(classify(sql, mariadb()).kill.id, 0U) << sql;
  }
}

TEST(Classifier, NamesTheStatementThatIsPreparedAsText) {
  EXPECT_EQ(classify("PREPARE s1 FROM 'SELECT 1'", mysql()).name, "s1");
  EXPECT_EQ(classify("PREPARE `s 2` FROM @q", mysql()).name, "s 2");
  EXPECT_EQ(classify("EXECUTE s3 USING @a", mysql()).name, "s3");
  EXPECT_EQ(classify("DEALLOCATE PREPARE s4", mysql()).name, "s4");
  EXPECT_EQ(classify("DROP PREPARE s5", mysql()).name, "s5");
  EXPECT_EQ(classify("EXECUTE IMMEDIATE 'SELECT 1'", mariadb()).name, "");
  EXPECT_EQ(classify("SELECT s6", mysql()).name, "");
}

TEST(Classifier, FindsTheHintBeforeTheStatement) {
  EXPECT_EQ(classify("/* sluice: primary */ SELECT 1", mysql()).hint, Hint::primary);
  EXPECT_EQ(classify("\n/*SLUICE:REPLICA*/SELECT 1", mysql()).hint, Hint::replica);
  EXPECT_EQ(classify("/* app */ /* sluice : primary */ SELECT 1", mysql()).hint, Hint::primary);
  EXPECT_EQ(classify("SELECT 1 /* sluice: primary */", mysql()).hint, Hint::none);
  EXPECT_EQ(classify("/* sluice: elsewhere */ SELECT 1", mysql()).hint, Hint::none);
  EXPECT_EQ(classify("/* sluice: replica */ DELETE FROM t", mysql()).access, Access::write);
}

TEST(Classifier, KnowsWhichFunctionsAVersionBringsAlong) {
  Dialect dialect = mariadb();
  EXPECT_EQ(classify("SELECT KDF('a', 'b')", dialect).cause, Cause::routine);
  dialect.version = 110400;
  EXPECT_EQ(classify("SELECT KDF('a', 'b')", dialect).cause, Cause::plain_read);
  dialect = mysql();
  dialect.version = 50744;
  EXPECT_EQ(classify("SELECT RANK() OVER ()", dialect).cause, Cause::routine);
}

TEST(Classifier, ReadsHostileInputToItsEndWithoutRecursion) {
  const std::size_t size = std::size_t{1} << 20;
  const std::string bombs[] = {
      "SELECT " + std::string(size, '('),   std::string(size, '('),
      "SELECT " + std::string(size, ')'),   "SELECT '" + std::string(size, '\''),
      "SELECT '" + std::string(size, '\\'), "SELECT " + std::string(size, '@'),
      "SELECT 1" + std::string(size, ';'),  "SELECT 1 /*" + std::string(size, '*'),
      "SELECT " + std::string(size, '.'),   "SELECT " + std::string(size, 'a') + "(1)",
      "SELECT " + std::string(size, '9'),   std::string(size, '-'),
  };
  for (const std::string& sql : bombs) {
    EXPECT_EQ(classify(sql + " FOR UPDATE", mysql()).access, Access::write) << sql.substr(0, 12);
  }
  for (const char* unit : {"/*!", "/*!*/", "/**/", "WITH x AS (", "f(", "'", "--\n", "/* */;",
                           "`a`.", "SELECT 1;", "@@global.", "LAST_INSERT_ID("}) {
    std::string sql = "SELECT ";
    while (sql.size() < size) sql += unit;
    EXPECT_EQ(classify(sql + " FOR UPDATE", mysql()).access, Access::write) << unit;
  }
}

TEST(Classifier, AStatementTooLongToScanIsAWrite) {
  const std::string filler(classify_limit, 'x');
  const Statement read = classify("SELECT '" + filler + "'", mysql());
  EXPECT_EQ(read.access, Access::write);
  EXPECT_EQ(read.cause, Cause::oversized);
  EXPECT_TRUE(read.effects.has(Effect::several));
}

TEST(Classifier, ALongInsertIsKnownByItsBeginning) {
  const std::string insert = "INSERT INTO t (a) VALUES ('" + std::string(100, 'x');
  const Statement single = classify_beginning(insert, mysql());
  EXPECT_EQ(single.cause, Cause::oversized);
  EXPECT_TRUE(single.effects.none()) << print(single.effects);
  Dialect dialect = mysql();
  dialect.multi_statements = true;
  EXPECT_TRUE(classify_beginning(insert, dialect).effects.has(Effect::several));
}

TEST(Classifier, KnowsTheSchemasThatSpeakOfOneServer) {
  EXPECT_TRUE(is_system_schema("mysql"));
  EXPECT_TRUE(is_system_schema("SYS"));
  EXPECT_TRUE(is_system_schema("performance_schema"));
  EXPECT_FALSE(is_system_schema("information_schema"));
  EXPECT_FALSE(is_system_schema("mysql2"));
  EXPECT_FALSE(is_system_schema(""));
}

}  // namespace
}  // namespace sluice::routing
