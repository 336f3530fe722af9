#include "routing/sql_scanner.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::routing {
namespace {

using enum TokenKind;

struct Piece {
  TokenKind kind;
  std::string text;
  friend bool operator==(const Piece&, const Piece&) = default;
  friend void PrintTo(const Piece& piece, std::ostream* out) {
    *out << static_cast<int>(piece.kind) << ":" << piece.text;
  }
};

Token next(SqlScanner& scanner) {
  Token token;
  scanner.next(token);
  return token;
}

std::vector<Piece> scan(
    std::string_view sql, const Dialect& dialect = {},
    SqlScanner::ExecutableComments mode = SqlScanner::ExecutableComments::enter) {
  SqlScanner scanner(sql, dialect, mode);
  std::vector<Piece> pieces;
  for (;;) {
    const Token token = next(scanner);
    if (token.kind == end) return pieces;
    pieces.push_back({token.kind, std::string(token.text)});
    if (token.kind == broken) return pieces;
  }
}

using Pieces = std::vector<Piece>;

TEST(SqlScanner, CutsWordsNumbersAndPunctuation) {
  EXPECT_EQ(scan("SELECT a+1"),
            (Pieces{{word, "SELECT"}, {word, "a"}, {punctuation, "+"}, {number, "1"}}));
}

TEST(SqlScanner, KnowsKeywordsInAnyCase) {
  SqlScanner scanner("sElEcT selects", {}, SqlScanner::ExecutableComments::enter);
  EXPECT_EQ(next(scanner).word, Word::select);
  EXPECT_EQ(next(scanner).word, Word::none);
}

TEST(SqlScanner, TakesAnyWordBehindADotForAName) {
  EXPECT_EQ(scan("t.for"), (Pieces{{word, "t"}, {punctuation, "."}, {name, "for"}}));
  EXPECT_EQ(scan("t.1e5"), (Pieces{{word, "t"}, {punctuation, "."}, {name, "1e5"}}));
  EXPECT_EQ(scan("t. for"), (Pieces{{word, "t"}, {punctuation, "."}, {word, "for"}}));
}

TEST(SqlScanner, EndsNumbersWhereTheServersDo) {
  EXPECT_EQ(scan("1e5FOR"), (Pieces{{number, "1e5"}, {word, "FOR"}}));
  EXPECT_EQ(scan("1.FOR"), (Pieces{{number, "1."}, {word, "FOR"}}));
  EXPECT_EQ(scan("1FOR"), (Pieces{{word, "1FOR"}}));
  EXPECT_EQ(scan("1e5.5"), (Pieces{{number, "1e5"}, {number, ".5"}}));
  EXPECT_EQ(scan("1.5e-3x"), (Pieces{{number, "1.5e-3"}, {word, "x"}}));
  EXPECT_EQ(scan("0xAFg"), (Pieces{{word, "0xAFg"}}));
  EXPECT_EQ(scan("0xAF"), (Pieces{{number, "0xAF"}}));
  EXPECT_EQ(scan("1.e"), (Pieces{{broken, ""}}));
}

TEST(SqlScanner, ReadsQuotesDoubledAndEscaped) {
  EXPECT_EQ(scan("'a''b'c"), (Pieces{{string, "'a''b'"}, {word, "c"}}));
  EXPECT_EQ(scan(R"('a\'b'c)"), (Pieces{{string, R"('a\'b')"}, {word, "c"}}));
  EXPECT_EQ(scan("`a``b`"), (Pieces{{name, "`a``b`"}}));
  EXPECT_EQ(scan(R"(`a\`)"), (Pieces{{name, R"(`a\`)"}}));
}

TEST(SqlScanner, FollowsTheSqlModeInQuotesAndBackslashes) {
  Dialect ansi;
  ansi.ansi_quotes = true;
  EXPECT_EQ(scan(R"("a\"b)", ansi), (Pieces{{name, R"("a\")"}, {word, "b"}}));
  Dialect bytes;
  bytes.no_backslash_escapes = true;
  EXPECT_EQ(scan(R"('a\'b)", bytes), (Pieces{{string, R"('a\')"}, {word, "b"}}));
}

TEST(SqlScanner, TakesDashesForACommentOnlyBeforeABlank) {
  EXPECT_EQ(scan("1 -- 2\n3"), (Pieces{{number, "1"}, {number, "3"}}));
  EXPECT_EQ(scan("1--2"),
            (Pieces{{number, "1"}, {punctuation, "-"}, {punctuation, "-"}, {number, "2"}}));
  EXPECT_EQ(scan("1 --"), (Pieces{{number, "1"}}));
  EXPECT_EQ(scan("1#2\n3"), (Pieces{{number, "1"}, {number, "3"}}));
}

TEST(SqlScanner, EntersOrSkipsExecutableComments) {
  const std::string_view sql = "1 /*!50000 2 */ 3";
  EXPECT_EQ(scan(sql), (Pieces{{number, "1"}, {number, "2"}, {number, "3"}}));
  EXPECT_EQ(scan(sql, {}, SqlScanner::ExecutableComments::skip),
            (Pieces{{number, "1"}, {number, "3"}}));
}

TEST(SqlScanner, SeparatesVariablesFromTheirSurroundings) {
  EXPECT_EQ(scan("@a:=@`b c`"),
            (Pieces{{user_variable, "@a"}, {assign, ":="}, {user_variable, "@`b c`"}}));
  EXPECT_EQ(scan("@@x"), (Pieces{{system_variable, "@@"}, {word, "x"}}));
  EXPECT_EQ(scan("u@h.example"), (Pieces{{word, "u"}, {user_variable, "@h.example"}}));
}

TEST(SqlScanner, TellsWhatTouchesFromWhatStandsApart) {
  SqlScanner scanner("f( g (/**/)", {}, SqlScanner::ExecutableComments::enter);
  EXPECT_FALSE(next(scanner).glued);  // f
  EXPECT_TRUE(next(scanner).glued);   // (
  EXPECT_FALSE(next(scanner).glued);  // g
  EXPECT_FALSE(next(scanner).glued);  // (
  EXPECT_FALSE(next(scanner).glued);  // ) behind a comment
}

TEST(SqlScanner, StaysBrokenOnceBroken) {
  SqlScanner scanner("'a", {}, SqlScanner::ExecutableComments::enter);
  EXPECT_EQ(next(scanner).kind, broken);
  EXPECT_EQ(next(scanner).kind, broken);
  EXPECT_FALSE(scanner.ambiguous());
}

TEST(SqlScanner, OwnsUpToTextThatCutsDifferentlyElsewhere) {
  Dialect sjis;
  sjis.unsafe_multibyte = true;
  for (std::string_view sql : {"'\x95\\'", "`\x81`` `", "\x81|"}) {
    SqlScanner scanner(sql, sjis, SqlScanner::ExecutableComments::enter);
    EXPECT_EQ(next(scanner).kind, broken) << sql;
    EXPECT_TRUE(scanner.ambiguous()) << sql;
  }
}

}  // namespace
}  // namespace sluice::routing
