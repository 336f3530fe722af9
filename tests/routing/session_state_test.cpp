#include "routing/session_state.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice::routing {
namespace {

using Setting = std::pair<std::string_view, std::string_view>;

StateVector state(std::initializer_list<Setting> settings, std::string_view schema = {}) {
  StateVector made;
  made.schema = schema;
  for (const auto& [name, value] : settings) made.set(name, value);
  return made;
}

std::string sent(std::initializer_list<Setting> image, std::initializer_list<Setting> wanted,
                 LinkRole role = LinkRole::primary, const StateVector& baseline = {}) {
  return difference(state(image), state(wanted), role, baseline);
}

TEST(StateVector, KeepsOneValueForAVariable) {
  StateVector vector = state({{"sql_mode", "ANSI"}, {"time_zone", "+00:00"}});
  vector.set("sql_mode", "");
  ASSERT_NE(vector.find("sql_mode"), nullptr);
  EXPECT_EQ(*vector.find("sql_mode"), "");
  EXPECT_EQ(vector.variables().size(), 2U);
  vector.erase("sql_mode");
  EXPECT_EQ(vector.find("sql_mode"), nullptr);
  EXPECT_EQ(vector.variables().size(), 1U);
}

TEST(StateVector, TakesNamesInAnyCase) {
  StateVector vector = state({{"SQL_Mode", "ANSI"}});
  vector.set("sql_MODE", "TRADITIONAL");
  EXPECT_EQ(vector.variables(), (StateVector::Variables{{"sql_mode", "TRADITIONAL"}}));
  EXPECT_NE(vector.find("SQL_MODE"), nullptr);
  vector.erase("Sql_Mode");
  EXPECT_TRUE(vector.variables().empty());
}

TEST(StateVector, IsEqualWhateverTheOrderItWasSetIn) {
  EXPECT_EQ(state({{"a", "1"}, {"b", "2"}, {"c", "3"}}),
            state({{"c", "3"}, {"a", "1"}, {"b", "2"}}));
  EXPECT_NE(state({{"a", "1"}}), state({{"a", "2"}}));
  EXPECT_NE(state({}, "shop"), state({}, "other"));
}

TEST(StateVector, IsFreshOnceCleared) {
  StateVector vector = state({{"a", "1"}}, "shop");
  vector.clear();
  EXPECT_EQ(vector, StateVector{});
}

TEST(Difference, IsNothingBetweenEquals) {
  EXPECT_EQ(sent({{"sql_mode", "ANSI"}}, {{"sql_mode", "ANSI"}}), "");
  EXPECT_EQ(sent({}, {}), "");
}

TEST(Difference, SetsWhatTheLinkLacksOrHasOtherwise) {
  EXPECT_EQ(sent({{"sql_mode", "ANSI"}}, {{"sql_mode", "TRADITIONAL"}, {"time_zone", "UTC"}}),
            "SET SESSION sql_mode='TRADITIONAL', SESSION time_zone='UTC'");
}

// "The client did not set it, so leave it" leaks another session's state (P3).
TEST(Difference, SetsBackWhatTheSessionNeverSet) {
  EXPECT_EQ(sent({{"big_tables", "OFF"}}, {}), "SET SESSION big_tables=DEFAULT");
  EXPECT_EQ(sent({{"sql_mode", "ANSI"}}, {}, LinkRole::primary, state({{"sql_mode", "STRICT"}})),
            "SET SESSION sql_mode='STRICT'")
      << "to what the login gave, not to the global value";
}

TEST(Difference, DoesNotTrustADefaultThatMySqlInverts) {
  StateVector image;
  image.set("foreign_key_checks", "OFF");
  EXPECT_EQ(difference(image, {}, LinkRole::primary),
            "SET SESSION foreign_key_checks=@@global.foreign_key_checks");
}

// Only the metadata of results shows it, and only SET NAMES or a login brings it.
TEST(Difference, GivesResultsTheCollationOfSetNames) {
  const StateVector baseline = state({{"character_set_client", "latin1"},
                                      {"character_set_connection", "latin1"},
                                      {"character_set_results", "latin1"},
                                      {"collation_connection", "latin1_bin"},
                                      {"results_collation", "latin1_bin"}});
  EXPECT_EQ(sent({}, {{"character_set_results", "latin1"}, {"results_collation", "latin1_bin"}},
                 LinkRole::primary, baseline),
            "");
  EXPECT_EQ(sent({{"character_set_results", "latin1"}, {"results_collation", ""}}, {},
                 LinkRole::primary, baseline),
            "SET NAMES 'latin1' COLLATE 'latin1_bin', SESSION character_set_client='latin1', "
            "SESSION character_set_connection='latin1', SESSION collation_connection='latin1_bin'");
  EXPECT_EQ(sent({}, {{"character_set_results", "latin1"}, {"results_collation", ""}},
                 LinkRole::primary, baseline),
            "SET SESSION character_set_results='latin1'");
}

TEST(Difference, SetsTheSchemasCollationAgainBehindAnotherSchema) {
  const StateVector image = state({{"collation_database", "latin1_bin"}}, "shop");
  EXPECT_EQ(difference(image, state({{"collation_database", "latin1_bin"}}, "other"),
                       LinkRole::primary),
            "SET SESSION collation_database='latin1_bin'");
  EXPECT_EQ(difference(image, state({}, "other"), LinkRole::primary), "");
  EXPECT_EQ(difference(image, state({}, "shop"), LinkRole::primary),
            "SET SESSION collation_database=DEFAULT");
}

TEST(Consequences, AreUnknownWhereTrackersTellOnlyTheCharacterSet) {
  StateVector told = state({{"character_set_client", "utf8mb4"},
                            {"character_set_connection", "utf8mb4"},
                            {"character_set_results", "utf8mb4"}});
  add_consequences(told);
  EXPECT_EQ(told.unknowns(),
            (std::vector<std::string>{"collation_connection", "results_collation"}));
  StateVector alone = state({{"character_set_results", "utf8mb4"}});
  add_consequences(alone);
  EXPECT_FALSE(alone.has_unknowns());
  EXPECT_EQ(*alone.find("results_collation"), "");
}

TEST(Difference, UndoesBeforeItSets) {
  EXPECT_EQ(sent({{"z", "1"}}, {{"a", "1"}}), "SET SESSION z=DEFAULT, SESSION a=1");
}

TEST(Difference, LeavesTheGuardOfAReplicaAlone) {
  for (const std::string_view guard : {"transaction_read_only", "tx_read_only"}) {
    EXPECT_TRUE(guards_replica(guard));
    EXPECT_EQ(sent({{guard, "ON"}}, {}, LinkRole::replica), "");
    EXPECT_EQ(sent({}, {{guard, "OFF"}}, LinkRole::replica), "");
    EXPECT_EQ(sent({{guard, "ON"}}, {{guard, "OFF"}}, LinkRole::replica), "");
    EXPECT_EQ(sent({}, {{guard, "OFF"}}, LinkRole::primary),
              "SET SESSION " + std::string(guard) + "='OFF'");
  }
  EXPECT_FALSE(guards_replica("read_only"));
  EXPECT_EQ(sent({}, {{"tx_read_only", "OFF"}, {"wait_timeout", "9"}}, LinkRole::replica),
            "SET SESSION wait_timeout=9");
}

TEST(Difference, WritesLiteralsThatMeanTheSameUnderEveryModeAndCharset) {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"", "''"},
      {"0", "0"},
      {"-1", "-1"},
      {"18446744073709551615", "18446744073709551615"},
      {"1.500000", "1.500000"},
      {"1.2.3", "'1.2.3'"},
      {"-", "'-'"},
      {".", "'.'"},
      {"1e5", "'1e5'"},
      {"ON", "'ON'"},
      {"+02:00", "'+02:00'"},
      {R"(a"b`c)", R"('a"b`c')"},
      {"a'b", "_utf8mb4 X'612762'"},
      {R"(a\b)", "_utf8mb4 X'615c62'"},
      {"a\nb", "_utf8mb4 X'610a62'"},
      {"\xc3\xa4", "_utf8mb4 X'c3a4'"},
      {"', SESSION sql_log_bin=0 -- ",
       "_utf8mb4 X'272c2053455353494f4e2073716c5f6c6f675f62696e3d30202d2d20'"},
  };
  for (const auto& [value, literal] : table)
    EXPECT_EQ(sent({}, {{"x", value}}), "SET SESSION x=" + std::string(literal)) << value;
  const std::string_view nul("a\0b", 3);
  EXPECT_EQ(sent({}, {{"x", nul}}), "SET SESSION x=_utf8mb4 X'610062'");
}

TEST(Difference, SaysNullWhereAnEmptyCharsetMeansIt) {
  EXPECT_EQ(sent({}, {{"character_set_results", ""}}), "SET SESSION character_set_results=NULL");
}

// Each of the two names changes the other's value too.
TEST(Difference, SetsCharsetAndCollationOfTheConnectionTogether) {
  const Setting latin1{"character_set_connection", "latin1"};
  const Setting bin{"collation_connection", "latin1_bin"};
  const std::string both =
      "SET SESSION character_set_connection='latin1', SESSION collation_connection='latin1_bin'";
  EXPECT_EQ(sent({}, {latin1, bin}), both);
  EXPECT_EQ(sent({latin1}, {latin1, bin}), both);
  EXPECT_EQ(sent({latin1, bin}, {latin1, bin}), "");
  EXPECT_EQ(sent({latin1, bin}, {latin1}), "SET SESSION character_set_connection='latin1'")
      << "which brings its default collation";
  EXPECT_EQ(sent({latin1, bin}, {bin}), "SET SESSION collation_connection='latin1_bin'");
}

TEST(Difference, GoesBackToTheCharsetsOfTheLogin) {
  const StateVector login = state({{"character_set_client", "utf8mb4"},
                                   {"character_set_connection", "utf8mb4"},
                                   {"character_set_results", "utf8mb4"},
                                   {"collation_connection", "utf8mb4_bin"}});
  const std::string connection =
      "SESSION character_set_connection='utf8mb4', SESSION collation_connection='utf8mb4_bin'";
  EXPECT_EQ(sent({{"character_set_client", "latin1"}, {"character_set_connection", "latin1"}}, {},
                 LinkRole::primary, login),
            "SET SESSION character_set_client='utf8mb4', " + connection);
  EXPECT_EQ(sent({{"collation_connection", "latin1_bin"}}, {}, LinkRole::primary, login),
            "SET " + connection);
  EXPECT_EQ(sent({{"collation_connection", "latin1_bin"}}, {}),
            "SET SESSION character_set_connection=DEFAULT, SESSION collation_connection=DEFAULT");
}

TEST(IsSerializable, TellsTheLevelByEitherName) {
  StateVector state;
  EXPECT_FALSE(is_serializable(state));
  state.set("transaction_isolation", "SERIALIZABLE");
  EXPECT_TRUE(is_serializable(state));
  state.set("transaction_isolation", "READ-COMMITTED");
  EXPECT_FALSE(is_serializable(state));
  state.clear();
  state.set("tx_isolation", "SERIALIZABLE");
  EXPECT_TRUE(is_serializable(state));
}

TEST(KindOfVariable, TellsSettingsFromFactsAndOneShots) {
  for (const std::string_view name :
       {"sql_mode", "time_zone", "autocommit", "character_set_client", "transaction_isolation"})
    EXPECT_EQ(kind_of_variable(name), VariableKind::replayable) << name;
  for (const std::string_view name : {"last_gtid", "in_transaction", "warning_count",
                                      "session_track_schema"})
    EXPECT_EQ(kind_of_variable(name), VariableKind::ignored) << name;
  // What the tracker says after SET timestamp=DEFAULT is a moment, not DEFAULT.
  for (const std::string_view name : {"insert_id", "rand_seed1", "gtid_next", "timestamp"})
    EXPECT_EQ(kind_of_variable(name), VariableKind::one_shot) << name;
}

Pins only(std::initializer_list<Pin> list) {
  Pins pins;
  for (const Pin pin : list) pins.add(pin);
  return pins;
}

Statement with(std::initializer_list<Effect> effects, Cause cause = Cause::unknown,
               Access access = Access::write) {
  Statement statement;
  statement.access = access;
  statement.cause = cause;
  statement.effects = Effects(effects);
  return statement;
}

TEST(Pins, AreASet) {
  Pins pins = only({Pin::xa, Pin::cursor});
  EXPECT_TRUE(pins.has(Pin::xa));
  EXPECT_FALSE(pins.has(Pin::handler));
  pins.merge(only({Pin::handler}));
  pins.subtract(only({Pin::xa, Pin::routine}));
  EXPECT_EQ(pins, only({Pin::handler, Pin::cursor}));
  pins.remove(Pin::handler);
  EXPECT_TRUE(pins.any());
  pins.clear();
  EXPECT_FALSE(pins.any());
  EXPECT_EQ(pins.bits(), 0U);
}

TEST(Pins, HaveAWordEach) {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < pin_count; ++i) words.insert(to_string(static_cast<Pin>(i)));
  EXPECT_EQ(words.size(), pin_count);
  EXPECT_EQ(words.count("?"), 0U);
  EXPECT_EQ(to_string(only({Pin::cursor, Pin::user_variable})), "user_variable,cursor");
  EXPECT_EQ(to_string(Pins{}), "");
}

TEST(PinsOf, NamesWhatAStatementLeavesBehind) {
  const std::pair<Effect, Pin> table[] = {
      {Effect::sets_user_variables, Pin::user_variable},
      {Effect::creates_temporary_table, Pin::temporary_table},
      {Effect::locks_tables, Pin::table_lock},
      {Effect::global_lock, Pin::global_lock},
      {Effect::takes_user_lock, Pin::user_lock},
      {Effect::opens_handler, Pin::handler},
      {Effect::xa, Pin::xa},
      {Effect::prepares, Pin::prepared_text},
      {Effect::executes, Pin::prepared_text},
      {Effect::session_tracking, Pin::session_tracking},
      {Effect::sets_next_transaction, Pin::next_transaction},
      {Effect::sets_role, Pin::role},
      {Effect::takes_backup_lock, Pin::backup_lock},
  };
  Effects pinning;
  for (const auto& [effect, pin] : table) {
    EXPECT_EQ(pins_of(with({effect})), only({pin})) << to_string(effect);
    pinning.set(effect);
  }
  for (int i = 0; i < effect_count; ++i) {
    const auto effect = static_cast<Effect>(std::uint64_t{1} << i);
    if (pinning.has(effect)) continue;
    EXPECT_FALSE(pins_of(with({effect})).any()) << to_string(effect);
  }
}

TEST(PinsOf, SeesThroughRealStatements) {
  const std::pair<std::string_view, Pins> table[] = {
      {"SELECT 1", {}},
      {"SET @a = 1", only({Pin::user_variable})},
      {"SELECT 1 INTO @a", only({Pin::user_variable})},
      {"CREATE TEMPORARY TABLE t (a INT)", only({Pin::temporary_table})},
      {"LOCK TABLES t WRITE", only({Pin::table_lock})},
      {"SELECT GET_LOCK('a', 1)", only({Pin::user_lock})},
      {"PREPARE s FROM 'SELECT 1'", only({Pin::prepared_text})},
      {"SET TRANSACTION READ ONLY", only({Pin::next_transaction})},
      {"SET SESSION sql_mode = ''", {}},
  };
  for (const auto& [sql, pins] : table) EXPECT_EQ(pins_of(classify(sql, {})), pins) << sql;
}

TEST(MayWrite, SaysNoOnlyToWhatCannotHaveCommitted) {
  const std::pair<std::string_view, bool> table[] = {
      {"SELECT 1", false},
      {"SELECT a FROM t FOR UPDATE", false},
      {"SELECT @@read_only", false},
      {"SHOW PROCESSLIST", false},
      {"SELECT LAST_INSERT_ID()", false},
      {"SET sql_mode = ''", false},
      {"SELECT GET_LOCK('a', 1)", false},
      {"PREPARE s FROM 'INSERT INTO t VALUES (1)'", false},
      {"INSERT INTO t VALUES (1)", true},
      {"CREATE TABLE t (a INT)", true},
      {"COMMIT", true},
      {"CALL p()", true},
      {"SELECT f()", true},
      {"EXECUTE s", true},
      {"SELECT 1; INSERT INTO t VALUES (1)", true},
      {"SET autocommit = 1", true},
      {"nonsense", true},
  };
  Dialect dialect;
  dialect.multi_statements = true;
  for (const auto& [sql, expected] : table)
    EXPECT_EQ(may_write(classify(sql, dialect)), expected) << sql;
  EXPECT_TRUE(may_write(with({Effect::calls_routine}, Cause::locks_rows)));
}

}  // namespace
}  // namespace sluice::routing
