/// Cuts a line of admin SQL into tokens, more forgiving than SQL: a bare name may
/// have dots, dashes and colons in it (db-1, 10.0.0.1:3306).
///
/// Comments are blanks; the inside of executable ones is code. `\G` and `\g` are
/// read as semicolons. Linear in the text.
/// Errors: an unfinished string or comment ends the list with a `broken` token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::proxy {

struct AdminToken {
  enum class Kind : std::uint8_t {
    end,
    broken,     ///< `text` says what is unfinished
    semicolon,  ///< ; \G \g
    word,       ///< a bare name, keyword or number
    name,       ///< `quoted`
    string,     ///< 'quoted' or "quoted"
    symbol,     ///< one of , ( ) = ? and whatever else begins no word
  };
  Kind kind = Kind::end;
  std::string text;       ///< without quotes and escapes; `\%` and `\_` stay, for LIKE
  std::size_t begin = 0;  ///< in the line, quotes included
  std::size_t end = 0;

  /// A bare word, whatever its case; `upper` is in capitals.
  [[nodiscard]] bool is(std::string_view upper) const;
  [[nodiscard]] bool is(char symbol) const {
    return kind == Kind::symbol && text.size() == 1 && text[0] == symbol;
  }
  [[nodiscard]] bool is_end() const { return kind == Kind::end || kind == Kind::broken; }
  /// A name or a value, quoted or not.
  [[nodiscard]] bool is_text() const {
    return kind == Kind::word || kind == Kind::name || kind == Kind::string;
  }
};

/// The last token is `end` or `broken`.
[[nodiscard]] std::vector<AdminToken> scan_admin(std::string_view line);

/// ASCII only, as keywords are.
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);

}  // namespace sluice::proxy
