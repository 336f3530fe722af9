#include "routing/user_variables.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

using protocol::ColumnType;
using Names = std::vector<std::string>;

std::optional<Names> mentioned(std::string_view sql) {
  return mentioned_user_variables(sql, Dialect{});
}

TEST(UserVariables, AreFoundInEverySpelling) {
  EXPECT_EQ(mentioned("SET @a = 1, @`B c` = @'d' + @\"e\", @A = 2"), (Names{"a", "b c", "d", "e"}));
  EXPECT_EQ(mentioned("SELECT id INTO @x FROM t WHERE y = '@no' -- @no\n AND z = @@global.w"),
            (Names{"x"}));
  EXPECT_EQ(mentioned("SET @`a``b` = 1"), (Names{"a`b"}));
}

TEST(UserVariables, OfATextThatCannotBeReadAreUnknown) {
  EXPECT_EQ(mentioned("SET @a = 'never closed"), std::nullopt);
  EXPECT_EQ(mentioned("SET @é = 1"), std::nullopt);
  std::string many = "SELECT 1";
  for (int i = 0; i < 100; ++i) many += ", @v" + std::to_string(i);
  EXPECT_EQ(mentioned(many), std::nullopt);
}

TEST(UserVariables, AreAskedForWithTheirBytesAndCollation) {
  EXPECT_EQ(question({"a", "b`c"}),
            "SELECT @`a`, HEX(@`a`), COLLATION(@`a`), @`b``c`, HEX(@`b``c`), COLLATION(@`b``c`)");
}

struct LiteralCase {
  UserVariableAnswer answer;
  std::optional<std::string> literal;
};

TEST(UserVariables, BecomeLiteralsOfTheirOwnType) {
  const std::vector<LiteralCase> cases{
      {{ColumnType::longlong, false, "-5", "FFFB", "binary"}, "-5"},
      {{ColumnType::longlong, true, "7", "37", "binary"}, "CAST(7 AS UNSIGNED)"},
      {{ColumnType::newdecimal, false, "1.50", "1", "binary"}, "1.50"},
      {{ColumnType::newdecimal, false, "5", "5", "binary"}, "5."},
      {{ColumnType::double_number, false, "1500", "5DC", "binary"}, "1500e0"},
      {{ColumnType::double_number, false, "1e20", "0", "binary"}, "1e20"},
      {{ColumnType::medium_blob, false, "it's", "69742773", "utf8mb4_bin"},
       "_utf8mb4 X'69742773' COLLATE `utf8mb4_bin`"},
      {{ColumnType::long_blob, false, "\x01", "01", "binary"}, "_binary X'01' COLLATE `binary`"},
      {{ColumnType::medium_blob, false, std::nullopt, std::nullopt, "binary"}, "NULL"},
      {{ColumnType::medium_blob, false, "x", "78", "odd name; DROP"}, std::nullopt},
      {{ColumnType::medium_blob, false, "x", std::nullopt, "binary"}, std::nullopt},
      {{ColumnType::datetime, false, "2026-01-01", "0", "binary"}, std::nullopt},
  };
  for (const LiteralCase& one : cases)
    EXPECT_EQ(literal_of(one.answer), one.literal) << one.answer.value.value_or("NULL");
  const std::string long_text(20'000, 'x');
  EXPECT_EQ(literal_of({ColumnType::medium_blob, false, long_text, "78", "binary"}), std::nullopt);
}

TEST(UserVariables, OfALinkBecomeThoseOfTheSession) {
  UserVariables image;
  image.set("left", "1");
  image.set("same", "2");
  image.set("gone", "NULL");
  UserVariables wanted;
  wanted.set("same", "2");
  wanted.set("other", "'x'");
  wanted.set("nothing", "NULL");
  EXPECT_EQ(difference(image, wanted), "SET @`left`=x'', @`left`=NULL, @`other`='x'");
  EXPECT_EQ(difference(wanted, wanted), "");
}

TEST(UserVariables, HaveABudget) {
  UserVariables variables;
  variables.set("a", std::string(UserVariables::budget / 2, 'x'));
  EXPECT_TRUE(variables.fits());
  variables.set("b", std::string(UserVariables::budget, 'x'));
  EXPECT_FALSE(variables.fits());
  variables.set("b", "1");
  EXPECT_TRUE(variables.fits());
}

}  // namespace
}  // namespace sluice::routing
