#include "routing/routines.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

TEST(BodyOnlyReads, BelievesWhatReadsAndReckons) {
  for (const std::string_view body : {
           "RETURN a + 1",
           "RETURN (SELECT COUNT(*) FROM app.t WHERE id IN (1, 2))",
           "RETURN CONCAT(UPPER(a), REPLACE(b, 'x', 'y'), INSERT(c, 1, 2, 'z'))",
           "BEGIN DECLARE v INT; SELECT COUNT(*) INTO v FROM t; RETURN v + a; END",
           "BEGIN DECLARE a, b DECIMAL(10, 2) DEFAULT 0; SET a = 1, b = GREATEST(a, 2); RETURN b; "
           "END",
           "BEGIN DECLARE v VARCHAR(20) CHARACTER SET utf8mb4; IF (x > 1) THEN SET v = 'a'; "
           "ELSEIF x = 0 THEN RETURN NULL; ELSE SET v = CAST(x AS CHAR(3)); END IF; RETURN v; END",
           "BEGIN DECLARE done INT; DECLARE c CURSOR FOR SELECT id FROM t; "
           "DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; OPEN c; "
           "l: LOOP FETCH c INTO v; IF done THEN LEAVE l; END IF; END LOOP; CLOSE c; RETURN v; END",
           "BEGIN DECLARE i INT DEFAULT 0; WHILE i < 9 DO SET i = i + 1; END WHILE; RETURN i; END",
           "RETURN CASE WHEN a THEN b ELSE c END",
           "RETURN (SELECT t.update FROM t)",
           "BEGIN SIGNAL SQLSTATE '45000'; END",
       })
    EXPECT_TRUE(body_only_reads(body, Dialect{})) << body;
}

TEST(BodyOnlyReads, DoubtsEverythingElse) {
  for (const std::string_view body : {
           "",
           "RETURN @x := 5",
           "RETURN @x",
           "RETURN @@server_id",
           "BEGIN SET @x = 1; RETURN 1; END",
           "BEGIN SET sql_mode = ''; RETURN 1; END",
           "BEGIN SET SESSION sql_mode = ''; RETURN 1; END",
           "BEGIN DECLARE v INT; SET v = 1, timestamp = 5; RETURN 1; END",
           "BEGIN DECLARE v INT; SELECT 1 INTO @v; RETURN 1; END",
           "BEGIN INSERT INTO t VALUES (1); RETURN 1; END",
           "BEGIN INSERT t VALUES (1); RETURN 1; END",
           "BEGIN REPLACE INTO t VALUES (1); RETURN 1; END",
           "BEGIN IF a THEN DELETE FROM t; END IF; RETURN 1; END",
           "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION UPDATE t SET a = 1; RETURN 1; END",
           "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION INSERT INTO t VALUES (1); RETURN 1; END",
           "BEGIN CREATE TEMPORARY TABLE t (a INT); RETURN 1; END",
           "BEGIN CALL p(); RETURN 1; END",
           "BEGIN DO SLEEP(1); RETURN 1; END",
           "BEGIN HANDLER t OPEN; RETURN 1; END",
           "BEGIN PREPARE s FROM 'SELECT 1'; RETURN 1; END",
           "RETURN GET_LOCK('a', 1)",
           "RETURN LAST_INSERT_ID(5)",
           "RETURN CONNECTION_ID()",
           "RETURN other_function(a)",
           "RETURN app.f(a)",
           "RETURN `abs`(a)",
           "RETURN (SELECT a FROM t FOR UPDATE)",
           "RETURN (SELECT a FROM t LOCK IN SHARE MODE)",
           "RETURN (SELECT NEXT VALUE FOR s)",
           "RETURN NEXTVAL(s)",
           "RETURN (SELECT COUNT(*) FROM performance_schema.threads)",
           "RETURN (SELECT COUNT(*) FROM information_schema.processlist)",
           "/*! RETURN 1 */",
           "RETURN 'never closed",
           "BEGIN nonsense; RETURN 1; END",
       })
    EXPECT_FALSE(body_only_reads(body, Dialect{})) << body;
}

TEST(BodyOnlyReads, ReadsQuotesAsTheFunctionsModeSays) {
  Dialect dialect;
  EXPECT_TRUE(body_only_reads("RETURN 'a\\'; DELETE FROM t'", dialect));
  dialect.no_backslash_escapes = true;
  EXPECT_FALSE(body_only_reads("RETURN 'a\\'; DELETE FROM t -- '", dialect));
}

/// A session in schema app that knows `app.reads`, `app.writes` and `other.reads`.
class Known final : public KnownRoutines {
 public:
  Known() {
    catalogue_.add_function("app", "Reads", "RETURN 1", Dialect{});
    catalogue_.add_function("app", "writes", "BEGIN DELETE FROM t; RETURN 1; END", Dialect{});
    catalogue_.add_function("other", "there", "RETURN 1", Dialect{});
    catalogue_.add_function("pack", "inside", "RETURN 1", Dialect{});
    catalogue_.add_package("Pack");
  }
  [[nodiscard]] bool reads_only(std::string_view qualifier,
                                std::string_view name) const noexcept override {
    return catalogue_.reads_only(qualifier, "app", name);
  }
  [[nodiscard]] const RoutineCatalogue& catalogue() const { return catalogue_; }

 private:
  RoutineCatalogue catalogue_;
};

TEST(RoutineCatalogue, KeepsOnlyFunctionsThatRead) { EXPECT_EQ(Known().catalogue().size(), 3U); }

TEST(RoutineCatalogue, KeepsAReadARead) {
  const Known known;
  Dialect dialect;
  dialect.routines = &known;
  for (const std::string_view sql :
       {"SELECT reads()", "SELECT READS (a) FROM t", "SELECT app.reads()", "SELECT `app`.`reads`()",
        "SELECT other.there(reads())", "SELECT a FROM t WHERE `reads`(a) = 1"}) {
    const Statement statement = classify(sql, dialect);
    EXPECT_EQ(statement.access, Access::read) << sql;
    EXPECT_EQ(statement.effects, Effects{Effect::calls_reading_function}) << sql;
  }
}

TEST(RoutineCatalogue, LeavesEverythingElseAWrite) {
  const Known known;
  Dialect dialect;
  dialect.routines = &known;
  for (const std::string_view sql :
       {"SELECT writes()", "SELECT reads(), writes()", "SELECT there()", "SELECT other.reads()",
        "SELECT x.app.reads()", "SELECT pack.inside()", "CALL reads()", "DO reads()",
        "SELECT unheard_of()"})
    EXPECT_EQ(classify(sql, dialect).cause, Cause::routine) << sql;
  EXPECT_EQ(classify("SELECT reads() FROM t FOR UPDATE", dialect).cause, Cause::locks_rows);
  EXPECT_EQ(classify("SELECT reads() INTO @x", dialect).cause, Cause::into);
  EXPECT_EQ(classify("SELECT reads()", Dialect{}).cause, Cause::routine);
}

TEST(MayChangeRoutines, SeesWhatDefinesOrDropsOne) {
  Dialect dialect;
  dialect.multi_statements = true;
  const std::pair<std::string_view, bool> table[] = {
      {"CREATE FUNCTION f() RETURNS INT RETURN 1", true},
      {"create definer=x@y function f() returns int return 1", true},
      {"DROP FUNCTION IF EXISTS f", true},
      {"ALTER FUNCTION f NO SQL", true},
      {"DROP DATABASE d", true},
      {"DROP PACKAGE p", true},
      {"SELECT 1; DROP FUNCTION f", true},
      {"EXECUTE p", true},
      {"SELECT 1; SELECT 2", false},
      {"CREATE TABLE t (a INT)", false},
      {"INSERT INTO function_log VALUES (1)", false},
      {"SELECT 1", false},
  };
  for (const auto& [sql, expected] : table)
    EXPECT_EQ(may_change_routines(classify(sql, dialect), sql), expected) << sql;
}

}  // namespace
}  // namespace sluice::routing
