#include "routing/digest.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "routing/sql_scanner.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

/// Words that can be no unquoted name in either engine: their case means nothing.
consteval auto make_folded() {
  std::array<bool, 256> folded{};
  const auto fold = [&folded](Word word) { folded[static_cast<std::size_t>(word)] = true; };
  for (auto w = static_cast<int>(Word::all); w <= static_cast<int>(Word::xor_); ++w)
    fold(static_cast<Word>(w));
  for (const Word word :
       {Word::alter,   Word::analyze,   Word::call,    Word::change, Word::check,    Word::collate,
        Word::create,  Word::default_,  Word::delete_, Word::desc,   Word::describe, Word::drop,
        Word::explain, Word::for_,      Word::grant,   Word::if_,    Word::infile,   Word::insert,
        Word::into,    Word::keys,      Word::kill,    Word::load,   Word::lock,     Word::optimize,
        Word::outfile, Word::procedure, Word::read,    Word::rename, Word::replace,  Word::set,
        Word::show,    Word::table,     Word::trigger, Word::unlock, Word::update,   Word::use,
        Word::values,  Word::while_,    Word::write}) {
    fold(word);
  }
  return folded;
}
constexpr auto folded_words = make_folded();

bool is_constant_word(std::string_view text) {
  return (text.size() == 4 && (same_word(text, "null") || same_word(text, "true"))) ||
         (text.size() == 5 && same_word(text, "false"));
}

/// Turns tokens into the parts of the normal form. `Out` takes them: keyword(),
/// name(), mark(char) for punctuation, literal(), more() where a list or the rows
/// go on, unread() where the text cannot be read on.
template <class Out>
class Normaliser {
 public:
  explicit Normaliser(Out& out) : out_(out) {}

  void run(std::string_view sql, const Dialect& dialect) {
    SqlScanner scanner(sql, dialect, SqlScanner::ExecutableComments::enter);
    Token token;
    scanner.next(token);
    // A statement's first word is a keyword whatever it may be elsewhere.
    if (token.kind == TokenKind::word && token.word != Word::none) {
      keyword(token);
      scanner.next(token);
    }
    for (; token.kind != TokenKind::end && !out_.full(); scanner.next(token)) {
      if (token.kind == TokenKind::broken) {
        settle();
        out_.unread();
        return;
      }
      take(token);
    }
    settle();
  }

 private:
  // What the literals met last belong to, and what of it is not given out yet.
  enum class Place : std::uint8_t {
    elsewhere,
    opened,             // (
    literal,            // ?
    literal_comma,      // ? and a comma held back
    row,                // ( ? )
    row_comma,          // … and held back: ,
    row_comma_opened,   // … and held back: , (
    row_literal,        // … and held back: , ( ?
    row_literal_comma,  // … and held back: , ( ? ,
  };

  void take(const Token& token) {
    if (sign_ != 0) {
      const char sign = std::exchange(sign_, '\0');
      if (token.kind != TokenKind::number) other(sign);
    }
    const bool after_string = std::exchange(after_string_, false);
    if (semicolon_) {
      semicolon_ = false;
      other(';');
    }
    switch (token.kind) {
      case TokenKind::number: return literal();
      case TokenKind::string:
        after_string_ = true;
        if (!after_string) literal();  // 'a' 'b' is one string
        return;
      case TokenKind::semicolon: semicolon_ = true; return;
      case TokenKind::word:
        if (folded_words[static_cast<std::size_t>(token.word)]) return keyword(token);
        if (in_list() && is_constant_word(token.text)) return literal();
        return name(token.text);
      case TokenKind::punctuation: return punctuation(token.punctuation);
      case TokenKind::assign:
        name(token.text);
        operand_ = false;
        return;
      default: return name(token.text);
    }
  }

  void punctuation(char c) {
    switch (c) {
      case '?': return literal();
      case '(': return open();
      case ')': return close();
      case ',': return comma();
      case '+':
      case '-':
        if (!operand_) {
          sign_ = c;
          return;
        }
        break;
      default: break;
    }
    other(c);
  }

  void keyword(const Token& token) {
    settle();
    out_.keyword(token.word, token.text);
    operand_ = false;
  }

  void name(std::string_view text) {
    settle();
    out_.name(text);
    operand_ = true;
  }

  void other(char c) {
    settle();
    out_.mark(c);
    operand_ = false;
  }

  void literal() {
    operand_ = true;
    switch (place_) {
      case Place::literal_comma:
        if (!std::exchange(many_, true)) out_.more();
        place_ = Place::literal;
        return;
      case Place::row_comma_opened: place_ = Place::row_literal; return;
      case Place::row_literal_comma:
        place_ = Place::row_literal;
        held_many_ = true;
        return;
      case Place::opened: in_row_ = true; break;
      default:
        settle();
        in_row_ = false;
        break;
    }
    many_ = false;
    out_.literal();
    place_ = Place::literal;
  }

  void open() {
    operand_ = false;
    if (place_ == Place::row_comma) {
      place_ = Place::row_comma_opened;
      held_many_ = false;
      return;
    }
    settle();
    out_.mark('(');
    place_ = Place::opened;
  }

  void close() {
    operand_ = true;
    if (place_ == Place::row_literal) {
      if (!std::exchange(many_rows_, true)) out_.more();
      place_ = Place::row;
      return;
    }
    const bool row = place_ == Place::literal && in_row_;
    settle();
    out_.mark(')');
    if (!row) return;
    place_ = Place::row;
    many_rows_ = false;
  }

  void comma() {
    operand_ = false;
    switch (place_) {
      case Place::literal: place_ = Place::literal_comma; return;
      case Place::row: place_ = Place::row_comma; return;
      case Place::row_literal: place_ = Place::row_literal_comma; return;
      default: break;
    }
    settle();
    out_.mark(',');
  }

  [[nodiscard]] bool in_list() const {
    switch (place_) {
      case Place::opened:
      case Place::literal_comma:
      case Place::row_comma_opened:
      case Place::row_literal_comma: return true;
      default: return false;
    }
  }

  // Gives out what was held back: it was no repetition.
  void settle() {
    const Place place = std::exchange(place_, Place::elsewhere);
    if (place < Place::row_comma) {
      if (place == Place::literal_comma) out_.mark(',');
      return;
    }
    out_.mark(',');
    if (place == Place::row_comma) return;
    out_.mark('(');
    if (place == Place::row_comma_opened) return;
    out_.literal();
    if (held_many_) out_.more();
    if (place == Place::row_literal_comma) out_.mark(',');
  }

  Out& out_;
  Place place_ = Place::elsewhere;
  bool in_row_ = false;     // the list of the last literal began behind a (
  bool many_ = false;       // that list's `...` has been given out
  bool many_rows_ = false;  // the same of the rows
  bool held_many_ = false;  // the row held back has several literals
  bool operand_ = false;    // a sign would be an operator
  bool after_string_ = false;
  bool semicolon_ = false;  // held back: nothing may follow it
  char sign_ = 0;           // held back: it may be a number's
};

class Hash {
 public:
  void keyword(Word word, std::string_view) { add(0x100U + static_cast<std::uint64_t>(word)); }
  void mark(char c) { add(static_cast<unsigned char>(c)); }
  void literal() { add('?'); }
  void more() { add(0x80); }
  void unread() { add(0x81); }
  void name(std::string_view text) {
    const char* p = text.data();
    const std::size_t n = text.size();
    add(0x1000U + n);
    std::size_t at = 0;
    for (; at + 8 <= n; at += 8) add(word_table::load8(p + at));
    const std::size_t left = n - at;
    if (left == 0) return;
    if (n >= 8) return add(word_table::load8(p + n - 8));
    if (n >= 4) return add(word_table::load4(p) | word_table::load4(p + n - 4) << 32);
    add(word_table::byte(p[0]) | word_table::byte(p[n / 2]) << 8 |
        word_table::byte(p[n - 1]) << 16);
  }
  [[nodiscard]] static bool full() { return false; }
  [[nodiscard]] Digest get() const {
    // The finish of SplitMix64: every bit depends on all others.
    std::uint64_t h = state_;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ULL;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBULL;
    return h ^ (h >> 31);
  }

 private:
  void add(std::uint64_t value) {
    state_ = (state_ ^ value) * 0x9E3779B97F4A7C15ULL;
    state_ ^= state_ >> 32;
  }

  std::uint64_t state_ = 0x5D1CE;
};

class Text {
 public:
  explicit Text(std::size_t limit) : limit_(limit) {}

  void keyword(Word, std::string_view text) {
    space();
    for (const char c : text) text_ += c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
    last_ = Last::keyword;
  }
  void name(std::string_view text) {
    space();
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      text_ += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    last_ = text == "@@" ? Last::glue : Last::name;
  }
  void literal() { name("?"); }
  void more() { text_ += ", ..."; }
  void unread() { name("..."); }
  void mark(char c) {
    const bool comparison = is_comparison(c);
    switch (c) {
      case '(':
        if (last_ != Last::name) space();
        break;
      case ')':
      case ',':
      case '.':
      case ';': break;
      default:
        if (!comparison || last_ != Last::comparison) space();
        break;
    }
    text_ += c;
    last_ = c == '(' || c == '.' ? Last::glue : comparison ? Last::comparison : Last::other;
  }
  [[nodiscard]] bool full() const { return text_.size() > limit_; }
  [[nodiscard]] std::string get() {
    if (text_.size() <= limit_) return std::move(text_);
    constexpr std::string_view dots = "...";
    std::size_t end = limit_ - std::min(limit_, dots.size());
    // Not in the middle of a UTF-8 character.
    while (end > 0 && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) --end;
    text_.resize(end);
    text_ += dots.substr(0, limit_);
    return std::move(text_);
  }

 private:
  enum class Last : std::uint8_t { glue, keyword, name, comparison, other };
  static bool is_comparison(char c) {
    return c == '<' || c == '>' || c == '=' || c == '!' || c == '|' || c == '&' || c == ':';
  }
  void space() {
    if (last_ != Last::glue) text_ += ' ';
  }

  std::size_t limit_;
  std::string text_;
  Last last_ = Last::glue;
};

}  // namespace

Digest digest(std::string_view sql, const Dialect& dialect) noexcept {
  Hash hash;
  Normaliser(hash).run(sql, dialect);
  return hash.get();
}

std::string normalised(std::string_view sql, const Dialect& dialect, std::size_t limit) {
  Text text(limit);
  Normaliser(text).run(sql, dialect);
  return text.get();
}

}  // namespace sluice::routing
