#include "routing/digest.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/routing/statement_table.hpp"

namespace sluice::routing {
namespace {

std::string form(std::string_view sql, const Dialect& dialect = {}) {
  return normalised(sql, dialect);
}

struct Pair {
  std::string_view sql;
  std::string_view form;
};

TEST(Digest, ShowsTheNormalForm) {
  const Pair pairs[] = {
      {"select c from sbtest1 where id=5", "SELECT c FROM sbtest1 WHERE id = ?"},
      {"SELECT c FROM `a b`.t WHERE s='x' LIMIT 5, 10",
       "SELECT c FROM `a b`.t WHERE s = ? LIMIT ?, ..."},
      {"SELECT COUNT(*), t.* FROM t", "SELECT COUNT(*), t.* FROM t"},
      {"select @@session.autocommit, @a := 4", "SELECT @@session.autocommit, @a := ?"},
      {"SELECT a<=>b, a>=1, a != -2", "SELECT a <=> b, a >= ?, a != ?"},
      {"select a-1, -1, a - -1, -b", "SELECT a - ?, ..., a - ?, - b"},
      {"SELECT X'4142', _utf8'a', N'b', 0xFF, 1.5e3, .5, \\N", "SELECT X ?, _utf8 ?, N ?, ..."},
      {"SELECT 'a' 'b' \"c\"", "SELECT ?"},
      {"SELECT 1 /* a */ -- b\n # c\n", "SELECT ?"},
      {"SELECT /*+ NO_INDEX_MERGE(t) */ a FROM t", "SELECT a FROM t"},
      {"SELECT /*!40001 SQL_NO_CACHE */ a FROM t", "SELECT SQL_NO_CACHE a FROM t"},
      {"SELECT 1;", "SELECT ?"},
      {"SELECT 1; SELECT 2", "SELECT ?; SELECT ?"},
      {"begin", "BEGIN"},
      {"", ""},
  };
  for (const Pair& pair : pairs) EXPECT_EQ(form(pair.sql), pair.form);
}

TEST(Digest, FoldsListsHoweverLong) {
  EXPECT_EQ(form("SELECT 1 FROM t WHERE a IN (1)"), "SELECT ? FROM t WHERE a IN (?)");
  const std::string_view lists[] = {"a IN (1,2)", "a IN (?, ?, ?)", "a in (-1,'x', NULL, +4.5)",
                                    "a IN (0x1, true,false , 2)"};
  for (const std::string_view list : lists)
    EXPECT_EQ(form("SELECT a FROM t WHERE " + std::string(list)),
              "SELECT a FROM t WHERE a IN (?, ...)")
        << list;
  EXPECT_EQ(form("SELECT f(1, a, 2, 3)"), "SELECT f(?, a, ?, ...)");
}

TEST(Digest, FoldsRowsHoweverMany) {
  const std::string begin = "INSERT INTO t (a, b) VALUES ";
  const std::string one = "INSERT INTO t(a, b) VALUES (?, ...)";
  EXPECT_EQ(form(begin + "(1, 'x')"), one);
  EXPECT_EQ(form(begin + "(1,'x'),(2,'y')"), one + ", ...");
  EXPECT_EQ(form(begin + "(1,'x'),(2,NULL), (?,-3)"), one + ", ...");
  EXPECT_EQ(form("INSERT INTO t VALUES (1), (2), (3) ON DUPLICATE KEY UPDATE a=1"),
            "INSERT INTO t VALUES (?), ... ON DUPLICATE KEY UPDATE a = ?");
}

TEST(Digest, GivesBackWhatOnlyBeganLikeAnotherRow) {
  EXPECT_EQ(form("VALUES (1), (2, a)"), "VALUES (?), (?, a)");
  EXPECT_EQ(form("VALUES (1), (2, 3, NOW())"), "VALUES (?), (?, ..., NOW())");
  EXPECT_EQ(form("VALUES (1), (2 + a)"), "VALUES (?), (? + a)");
  EXPECT_EQ(form("VALUES (1), (a)"), "VALUES (?), (a)");
  EXPECT_EQ(form("VALUES (1), a"), "VALUES (?), a");
  EXPECT_EQ(form("VALUES (1), ((2))"), "VALUES (?), ((?))");
  EXPECT_EQ(form("VALUES (1), ("), "VALUES (?), (");
  EXPECT_EQ(form("VALUES (1), (2,"), "VALUES (?), (?,");
}

TEST(Digest, KeepsNullWhereItIsNoValueOfAList) {
  EXPECT_NE(form("SELECT a FROM t WHERE b IS NULL"), form("SELECT a FROM t WHERE b IS TRUE"));
}

TEST(Digest, KeepsNamesAsTheyAreAndFoldsKeywords) {
  EXPECT_EQ(form("sElEcT Col frOM Tab"), "SELECT Col FROM Tab");
  EXPECT_NE(form("SELECT a FROM t"), form("SELECT a FROM T"));
  EXPECT_EQ(form("SELECT t.select FROM t"), "SELECT t.select FROM t");
}

TEST(Digest, NeverShowsALiteral) {
  Dialect bytes;
  bytes.no_backslash_escapes = true;
  for (const Dialect& dialect : {Dialect{}, bytes}) {
    for (const std::string_view sql :
         {"SET PASSWORD = 'hunter2'", "CREATE USER a IDENTIFIED BY 'hunter2'",
          "SELECT \"hunter2\", 'a''hunter2', 'x' 'hunter2'", "SELECT 'hunter2",
          "SELECT X'', _utf8mb4'hunter2' /* hunter2 */ -- hunter2"})
      EXPECT_EQ(form(sql, dialect).find("hunter2"), std::string::npos) << sql;
  }
}

TEST(Digest, EndsInDotsWhereTextCannotBeRead) {
  EXPECT_EQ(form("SELECT a, 'b"), "SELECT a, ...");
  EXPECT_NE(digest("SELECT a, 'b", {}), digest("SELECT a,", {}));
}

TEST(Digest, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(normalised("SELECT abcdef", {}, 10), "SELECT ...");
  EXPECT_EQ(normalised("SELECT abcdef", {}, 13), "SELECT abcdef");
  EXPECT_EQ(normalised("SELECT \xC3\xA4\xC3\xA4\xC3\xA4", {}, 12), "SELECT \xC3\xA4...");
  EXPECT_EQ(normalised("SELECT a", {}, 2), "..");
  EXPECT_EQ(normalised("SELECT " + std::string(5000, 'x'), {}).size(), normalised_limit);
}

TEST(Digest, ReplacesControlCharactersInNames) {
  EXPECT_EQ(form("SELECT `a\nb\x7F`"), "SELECT `a?b?`");
}

TEST(Digest, IsTheSameExactlyWhereTheNormalFormIs) {
  std::map<std::string, Digest> seen;
  std::set<Digest> digests;
  for (const test::StatementCase& row : test::read_statement_table()) {
    const std::string text = normalised(row.sql, {}, 1U << 20);
    const Digest found = digest(row.sql, {});
    const auto [at, fresh] = seen.emplace(text, found);
    EXPECT_EQ(at->second, found) << text;
    EXPECT_EQ(digests.insert(found).second, fresh) << text;
  }
  EXPECT_GT(seen.size(), 500U);
}

TEST(Digest, SurvivesEveryPrefixAndEveryByte) {
  const std::string sql =
      "INSERT /*!50000 x */ INTO `t` VALUES (1, -'a', NULL), (@a, @@b, 0x1F), (2, .5);";
  for (std::size_t n = 0; n <= sql.size(); ++n) {
    const std::string_view part(sql.data(), n);
    EXPECT_EQ(digest(part, {}), digest(std::string(part), {}));
    EXPECT_LE(normalised(part, {}, 20).size(), 20U);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string odd = sql;
    odd[9] = static_cast<char>(byte);
    EXPECT_LE(normalised(odd, {}).size(), normalised_limit);
  }
}

}  // namespace
}  // namespace sluice::routing
