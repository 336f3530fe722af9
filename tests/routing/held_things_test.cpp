#include "routing/held_things.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

constexpr Outcome ok{};
constexpr Outcome refused{.failed = true};
constexpr Outcome one_shot{.one_shot_set = true};

/// A session in schema `app` whose statements are noted.
class HeldThingsTest : public ::testing::Test {
 protected:
  std::string after(std::string_view sql, Outcome outcome = ok) {
    held_.note(sql, classify(sql, dialect_), dialect_, "app", outcome);
    return to_string(held_.pins());
  }

  Pin only_pin() const {
    std::size_t i = 0;
    while (i + 1 < pin_count && !held_.pins().has(static_cast<Pin>(i))) ++i;
    return static_cast<Pin>(i);
  }

  Dialect dialect_;
  HeldThings held_;
};

struct Round {
  std::string_view takes;
  std::string_view pin;
  std::string_view end;  ///< what is shown
  std::string_view releases;
};

constexpr Round rounds[] = {
    {"CREATE TEMPORARY TABLE t (a INT)", "temporary_table", "DROP TEMPORARY TABLE app.t",
     "DROP TEMPORARY TABLE t"},
    {"CREATE TEMPORARY TABLE IF NOT EXISTS t SELECT 1", "temporary_table",
     "DROP TEMPORARY TABLE app.t", "DROP TABLE IF EXISTS app.t"},
    {"create or replace temporary table `o``d`.`x` (a int)", "temporary_table",
     "DROP TEMPORARY TABLE o`d.x", "drop table u, `o``d`.x restrict"},
    {"LOCK TABLES t READ", "table_lock", "UNLOCK TABLES", "UNLOCK TABLES"},
    {"LOCK TABLE t WRITE", "table_lock", "UNLOCK TABLES", "START TRANSACTION"},
    {"FLUSH TABLES WITH READ LOCK", "global_lock", "UNLOCK TABLES", "UNLOCK TABLES"},
    {"FLUSH TABLES t FOR EXPORT", "global_lock", "UNLOCK TABLES", "UNLOCK TABLES"},
    {"LOCK INSTANCE FOR BACKUP", "backup_lock", "UNLOCK INSTANCE", "UNLOCK INSTANCE"},
    {"BACKUP STAGE START", "backup_lock", "BACKUP STAGE END", "BACKUP STAGE END"},
    {"BACKUP LOCK t", "backup_lock", "BACKUP UNLOCK", "BACKUP UNLOCK"},
    {"SELECT GET_LOCK('a', 1)", "user_lock", "RELEASE_LOCK('a')", "SELECT RELEASE_LOCK('a')"},
    {"DO GET_LOCK('it''s', -1)", "user_lock", "RELEASE_LOCK('it's')",
     "SELECT RELEASE_LOCK(\"it\\'s\") AS done FROM DUAL"},
    {"SELECT GET_LOCK('a', 1) AS x, IS_FREE_LOCK('b') y", "user_lock", "RELEASE_LOCK('a')",
     "SELECT RELEASE_ALL_LOCKS();"},
    {"HANDLER t OPEN", "handler", "HANDLER t CLOSE", "HANDLER t CLOSE"},
    {"HANDLER app.t OPEN AS h", "handler", "HANDLER h CLOSE", "HANDLER h CLOSE"},
    {"XA START 'x'", "xa", "XA COMMIT, XA ROLLBACK", "XA COMMIT 'x' ONE PHASE"},
    {"XA BEGIN 'x'", "xa", "XA COMMIT, XA ROLLBACK", "XA ROLLBACK 'x'"},
    {"PREPARE p FROM 'SELECT 1'", "prepared_text", "DEALLOCATE PREPARE p", "DEALLOCATE PREPARE P"},
    {"PREPARE `p` FROM @v", "prepared_text", "DEALLOCATE PREPARE p", "DROP PREPARE p"},
};

TEST_F(HeldThingsTest, LetGoWhenTheStatementThatEndsThemSucceeds) {
  for (const Round& round : rounds) {
    held_.clear();
    EXPECT_EQ(after(round.takes), round.pin) << round.takes;
    EXPECT_EQ(held_.end_of(only_pin()), round.end) << round.takes;
    EXPECT_EQ(after("SELECT 1"), round.pin) << round.takes;
    if (round.releases != "START TRANSACTION" && !round.releases.starts_with("DROP T") &&
        !round.releases.starts_with("drop t"))
      EXPECT_EQ(after(round.releases, refused), round.pin) << round.releases;
    EXPECT_EQ(after(round.releases), "") << round.releases;
  }
}

TEST_F(HeldThingsTest, AreNotTakenByAStatementThatFails) {
  for (const Round& round : rounds) {
    held_.clear();
    EXPECT_EQ(after(round.takes, refused), "") << round.takes;
  }
}

TEST_F(HeldThingsTest, ReleaseOnlyWhatIsNamed) {
  after("CREATE TEMPORARY TABLE t (a INT)");
  EXPECT_EQ(after("DROP TABLE other.t"), "temporary_table");
  EXPECT_EQ(after("DROP TABLE T"), "temporary_table") << "the server may tell the letters apart";
  after("CREATE TEMPORARY TABLE u (a INT)");
  EXPECT_EQ(held_.end_of(Pin::temporary_table), "DROP TEMPORARY TABLE app.t, app.u");
  EXPECT_EQ(after("DROP TEMPORARY TABLE t"), "temporary_table");
  EXPECT_EQ(after("DROP TEMPORARY TABLE u"), "");
  after("HANDLER t OPEN");
  EXPECT_EQ(after("HANDLER u CLOSE"), "handler");
}

TEST_F(HeldThingsTest, HoldAUserLockAsOftenAsItWasTaken) {
  after("SELECT GET_LOCK('a', 1)");
  after("SELECT GET_LOCK('a', 1), GET_LOCK('b', 1)");
  EXPECT_EQ(held_.end_of(Pin::user_lock), "RELEASE_ALL_LOCKS()");
  EXPECT_EQ(after("DO RELEASE_LOCK('a'), RELEASE_LOCK('b')"), "user_lock");
  EXPECT_EQ(after("DO RELEASE_LOCK('b')"), "user_lock") << "it is not held: nothing else goes";
  EXPECT_EQ(after("DO RELEASE_LOCK('A')"), "user_lock") << "another lock on MariaDB";
  EXPECT_EQ(after("DO RELEASE_LOCK('a')"), "");
}

// Whether it was called, and how often, depends on rows and conditions.
TEST_F(HeldThingsTest, KeepAUserLockWhoseCallsCannotBeCounted) {
  for (const std::string_view sql :
       {"SELECT GET_LOCK(a, 1) FROM t", "SELECT GET_LOCK(CONCAT('a', 1), 1)",
        "SELECT GET_LOCK('a' 'b', 1)", "SELECT GET_LOCK(_utf8'a', 1)", "SELECT GET_LOCK(?, 1)",
        "SELECT IF(GET_LOCK('a', 1), 1, 2)", "SELECT 1 FROM t WHERE GET_LOCK('a', 1)",
        "/*!50000 SELECT GET_LOCK('a', 1) */"}) {
    held_.clear();
    EXPECT_EQ(after(sql), "user_lock") << sql;
    EXPECT_EQ(after("SELECT RELEASE_LOCK('a')"), "user_lock") << sql;
    EXPECT_EQ(held_.end_of(Pin::user_lock), "RELEASE_ALL_LOCKS()");
    EXPECT_EQ(after("SELECT RELEASE_ALL_LOCKS() FROM t WHERE a = 1"), "user_lock") << sql;
    EXPECT_EQ(after("SELECT RELEASE_ALL_LOCKS()"), "") << sql;
  }
  after("SELECT GET_LOCK('a', 1)");
  for (const std::string_view sql :
       {"SELECT RELEASE_LOCK('a') FROM t", "SELECT IF(x, RELEASE_LOCK('a'), 1)",
        "SELECT RELEASE_LOCK('a') WHERE 1 = 0", "/*!99999 SELECT RELEASE_LOCK('a') */"})
    EXPECT_EQ(after(sql), "user_lock") << sql;
}

TEST_F(HeldThingsTest, MayHaveATakenLockAlthoughTheStatementFailedLater) {
  EXPECT_EQ(after("SELECT GET_LOCK('a', 1), GET_LOCK('b', 1)", refused), "user_lock");
}

TEST_F(HeldThingsTest, LoseTrackOfATemporaryTableThatIsRenamed) {
  for (const std::string_view sql :
       {"ALTER TABLE t RENAME TO u", "ALTER TABLE t RENAME u", "RENAME TABLE t TO u"}) {
    held_.clear();
    after("CREATE TEMPORARY TABLE t (a INT)");
    after(sql);
    EXPECT_EQ(after("DROP TABLE t"), "temporary_table") << sql;
    EXPECT_EQ(held_.end_of(Pin::temporary_table), "COM_RESET_CONNECTION");
  }
  held_.clear();
  after("CREATE TEMPORARY TABLE t (a INT)");
  after("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX i TO j");
  EXPECT_EQ(after("DROP TABLE t"), "");
}

TEST_F(HeldThingsTest, KeepBackupLocksThroughUnlockTables) {
  after("LOCK INSTANCE FOR BACKUP");
  after("BACKUP STAGE START");
  after("LOCK TABLES t READ");
  EXPECT_EQ(after("UNLOCK TABLES"), "backup_lock");
  EXPECT_EQ(held_.end_of(Pin::backup_lock), "UNLOCK INSTANCE, BACKUP STAGE END");
  EXPECT_EQ(after("UNLOCK INSTANCE"), "backup_lock");
  EXPECT_EQ(after("BACKUP STAGE BLOCK_COMMIT"), "backup_lock");
  EXPECT_EQ(after("BACKUP STAGE END"), "");
}

TEST_F(HeldThingsTest, KeepAGlobalReadLockThroughBegin) {
  after("FLUSH TABLES WITH READ LOCK");
  EXPECT_EQ(after("BEGIN"), "global_lock");
}

TEST_F(HeldThingsTest, KeepAPreparedXaTransactionWhereTheServerDoes) {
  after("XA START 'x'");
  EXPECT_EQ(after("XA END 'x'", {.in_transaction = true}), "xa");
  EXPECT_EQ(after("XA PREPARE 'x'", {.in_transaction = true}), "xa") << "MariaDB";
  EXPECT_EQ(after("XA COMMIT 'x'"), "");
  after("XA START 'x'");
  EXPECT_EQ(after("XA PREPARE 'x'"), "") << "MySQL";
  EXPECT_EQ(after("XA RECOVER"), "");
}

TEST_F(HeldThingsTest, FollowSeveralStatementsThatAllSucceeded) {
  dialect_.multi_statements = true;
  EXPECT_EQ(after("CREATE TEMPORARY TABLE t (a INT); SELECT GET_LOCK('a', 1); SELECT 1"),
            "temporary_table,user_lock");
  EXPECT_EQ(after("SELECT 1; DROP TABLE t; DO RELEASE_LOCK('a');"), "");
}

TEST_F(HeldThingsTest, TakeTheWorstOfSeveralStatementsThatCannotBeFollowed) {
  dialect_.multi_statements = true;
  EXPECT_EQ(after("SELECT 1; CREATE TEMPORARY TABLE t (a INT)", refused), "temporary_table");
  EXPECT_EQ(after("DROP TABLE t"), "temporary_table");
  held_.clear();
  EXPECT_EQ(after("USE other; CREATE TEMPORARY TABLE t (a INT)"), "temporary_table");
  EXPECT_EQ(after("DROP TABLE t"), "temporary_table") << "which schema was it?";
  held_.clear();
  after("SELECT GET_LOCK('a', 1)");
  EXPECT_EQ(after("DO RELEASE_LOCK('a'); SELECT nothing", refused), "user_lock");
}

TEST_F(HeldThingsTest, DoWhatAPreparedTextDoesWhenItIsExecuted) {
  after("PREPARE p FROM 'SELECT GET_LOCK(\\'a\\', 1)'");
  EXPECT_EQ(after("EXECUTE p"), "user_lock,prepared_text");
  EXPECT_EQ(after("DEALLOCATE PREPARE p"), "user_lock") << "the lock outlives the statement";
  EXPECT_EQ(after("EXECUTE IMMEDIATE 'DO RELEASE_LOCK(''a'')'"), "");
}

TEST_F(HeldThingsTest, AskForATextThatStandsInAVariable) {
  after("PREPARE p FROM @v");
  EXPECT_EQ(held_.asked_variable(), "@v");
  held_.learn_text("SELECT 1");
  EXPECT_EQ(held_.asked_variable(), "");
  EXPECT_EQ(after("EXECUTE p"), "prepared_text");
  EXPECT_EQ(after("DEALLOCATE PREPARE p"), "");
}

TEST_F(HeldThingsTest, BelieveAnUnknownTextCapableOfTakingLocks) {
  after("PREPARE p FROM @v");
  held_.learn_text(std::nullopt);
  after("EXECUTE p");
  EXPECT_TRUE(held_.pins().has(Pin::user_lock));
  EXPECT_TRUE(held_.pins().has(Pin::handler)) << "MariaDB prepares everything";
  dialect_.mariadb = false;
  held_.clear();
  EXPECT_EQ(after("EXECUTE p"), "user_lock");
  EXPECT_EQ(after("SELECT RELEASE_ALL_LOCKS()"), "");
}

TEST_F(HeldThingsTest, SayWhatAnExecuteRan) {
  after("PREPARE p FROM 'SELECT 1 INTO @x'");
  const auto inner = held_.executed("EXECUTE p", classify("EXECUTE p", dialect_), dialect_);
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(inner->sql, "SELECT 1 INTO @x");
  EXPECT_TRUE(inner->statement.effects.has(Effect::sets_user_variables));
  EXPECT_FALSE(held_.executed("EXECUTE q", classify("EXECUTE q", dialect_), dialect_));
}

TEST_F(HeldThingsTest, ReplayAClockThatWasSetToANumber) {
  EXPECT_EQ(after("SET timestamp = 1700000000.5, sql_mode = ''", one_shot), "");
  EXPECT_EQ(held_.timestamp(), "1700000000.5");
  EXPECT_EQ(after("SET time_zone = '+00:00'"), "");
  EXPECT_EQ(held_.timestamp(), "1700000000.5");
  EXPECT_EQ(after("SET @@session.timestamp = DEFAULT", one_shot), "");
  EXPECT_EQ(held_.timestamp(), "");
  EXPECT_EQ(after("SET timestamp = UNIX_TIMESTAMP('2020-01-01')", one_shot), "one_shot_variable");
  EXPECT_EQ(held_.end_of(Pin::one_shot_variable), "SET timestamp = DEFAULT");
  EXPECT_EQ(after("SET timestamp = 0", one_shot), "");
  EXPECT_EQ(after("SET GLOBAL timestamp = 5"), "") << "refused by the server";
}

TEST_F(HeldThingsTest, KeepAOneShotVariableThatNothingSetsBack) {
  for (const std::string_view name : {"insert_id", "rand_seed1", "pseudo_thread_id"}) {
    held_.clear();
    EXPECT_EQ(after("SET " + std::string(name) + " = 7", one_shot), "one_shot_variable") << name;
    EXPECT_EQ(held_.end_of(Pin::one_shot_variable), "COM_RESET_CONNECTION") << name;
    EXPECT_EQ(after("SET " + std::string(name) + " = DEFAULT", one_shot), "one_shot_variable");
  }
}

TEST_F(HeldThingsTest, DoNotKnowTheVariableThatARoutineSet) {
  EXPECT_EQ(after("CALL p()", one_shot), "one_shot_variable");
  EXPECT_EQ(after("SET timestamp = DEFAULT", one_shot), "one_shot_variable");
  EXPECT_EQ(held_.end_of(Pin::one_shot_variable), "COM_RESET_CONNECTION");
}

TEST_F(HeldThingsTest, StayWithinTheirBudget) {
  for (std::size_t i = 0; i <= HeldNames::most_names; ++i) {
    const std::string sql = "CREATE TEMPORARY TABLE t" + std::to_string(i) + " (a INT)";
    after(sql);
  }
  for (std::size_t i = 0; i <= HeldNames::most_names; ++i) {
    const std::string sql = "DROP TABLE t" + std::to_string(i);
    after(sql);
  }
  EXPECT_EQ(to_string(held_.pins()), "temporary_table") << "one is unknown";
}

TEST_F(HeldThingsTest, ChangeTheirRevisionWithWhatEndsThem) {
  const std::uint64_t before = held_.revision();
  after("SELECT 1");
  EXPECT_EQ(held_.revision(), before);
  after("CREATE TEMPORARY TABLE t (a INT)");
  EXPECT_NE(held_.revision(), before);
  const std::uint64_t held = held_.revision();
  held_.clear();
  EXPECT_NE(held_.revision(), held);
}

TEST_F(HeldThingsTest, EveryPinHasAnEnd) {
  for (std::size_t i = 0; i < pin_count; ++i) {
    const auto pin = static_cast<Pin>(i);
    if (pin == Pin::backup_lock) continue;  // each of its three has its own
    EXPECT_NE(held_.end_of(pin), "") << to_string(pin);
  }
}

}  // namespace
}  // namespace sluice::routing
