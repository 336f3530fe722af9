/// Cuts SQL text into tokens the way the servers do, without copying.
///
/// Drive it: call next() until it returns `end` or `broken`; both repeat for
/// ever. Semicolons are tokens: the caller knows what is a statement's end.
///
/// `broken` means that from here on the text cannot be read with certainty: an
/// unfinished string, name or comment, or a byte that begins no token.
/// ambiguous() tells the second kind of trouble, where servers might read on
/// but cut the text elsewhere.
///
/// Cost: each byte is looked at a bounded number of times; no allocation.
/// Lifetime: tokens point into the text.
/// Sources: MySQL 9 Reference Manual 11.1 "Literal Values", 11.2 "Schema Object
/// Names", 11.7 "Comments"; MariaDB KB "Comment Syntax"; checked against both.
#pragma once

#include <cstdint>
#include <string_view>

#include "routing/keywords.hpp"
#include "routing/statement.hpp"

namespace sluice::routing {

enum class TokenKind : std::uint8_t {
  end,
  broken,
  semicolon,
  word,    // an unquoted name or keyword
  name,    // a quoted name, or any name right behind a dot: never a keyword
  string,  // with its quotes, without its introducer
  number,
  user_variable,    // @a, @'a', @`a`, and the host in user@host
  system_variable,  // the @@ only; its name follows as words, names and dots
  assign,           // :=
  punctuation,      // one character, in Token::punctuation
};

struct Token {
  TokenKind kind = TokenKind::end;
  Word word = Word::none;
  char punctuation = 0;
  /// Nothing, not even a comment, lies between the previous token and this.
  bool glued = false;
  std::string_view text;

  [[nodiscard]] bool is(Word w) const { return kind == TokenKind::word && word == w; }
  [[nodiscard]] bool is(char c) const { return punctuation == c; }
  [[nodiscard]] bool ends_statement() const { return kind <= TokenKind::semicolon; }
  [[nodiscard]] bool is_name() const { return kind == TokenKind::word || kind == TokenKind::name; }
  /// The text without the quotes around it; doubled quotes inside stay double.
  [[nodiscard]] std::string_view bare() const;
};

class SqlScanner {
 public:
  /// What to do with the inside of `/*! … */` and `/*M! … */`. No reading is
  /// right for every backend: which of them execute it depends on their version.
  enum class ExecutableComments : std::uint8_t { enter, skip };

  SqlScanner(std::string_view sql, const Dialect& dialect, ExecutableComments mode) noexcept;

  /// Writes all of `token`: copying one is what costs, so keep it where it is.
  void next(Token& token) noexcept;

  [[nodiscard]] bool saw_executable_comment() const { return saw_executable_; }
  /// Executable comments of different versions: a backend may execute some only.
  [[nodiscard]] bool executable_comments_differ() const { return executables_differ_; }
  [[nodiscard]] bool ambiguous() const { return ambiguous_; }

 private:
  bool skip_blanks();
  bool skip_block_comment();
  bool enter_executable_comment(const char* mark_end);
  void skip_line();
  void make(Token& token, TokenKind kind, const char* begin, const char* end);
  void break_off(Token& token);
  void scan_word(Token& token);
  void scan_number(Token& token);
  void scan_string(Token& token, char quote);
  void scan_name(Token& token, char quote);
  void scan_at(Token& token);
  const char* quoted_end(const char* p, char quote, bool backslashes);
  [[nodiscard]] bool reads_strangely(const char* begin, const char* end) const;
  [[nodiscard]] char peek(std::ptrdiff_t ahead) const {
    return end_ - p_ > ahead ? p_[ahead] : '\0';
  }

  const char* p_;
  const char* end_;
  const char* begin_;
  bool ansi_quotes_;
  bool backslashes_;
  bool unsafe_multibyte_;
  ExecutableComments mode_;
  bool glued_ = false;
  bool after_word_ = false;  // the last token was an unquoted word: a dot behind it separates
  bool after_dot_ = false;   // a name follows at once, whatever it looks like
  bool inside_executable_ = false;
  bool saw_executable_ = false;
  bool executables_differ_ = false;
  bool ambiguous_ = false;
  bool broken_ = false;
  std::string_view executable_mark_;
};

}  // namespace sluice::routing
