#include "routing/sql_scanner.hpp"

#include <array>
#include <cstring>

namespace sluice::routing {
namespace {

enum class Class : std::uint8_t {
  bad,  // begins no token
  blank,
  letter,  // and _ and $ and all bytes from 0x80: what a name may hold
  digit,
  punctuation,
  string_quote,
  double_quote,
  backtick,
  at,
  dot,
  colon,
  semicolon,
  backslash,
  // From here on: may begin or end a comment.
  slash,
  dash,
  hash,
  star,
};

consteval std::array<Class, 256> make_classes() {
  std::array<Class, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    if (upper || lower || c >= 0x80) classes[c] = Class::letter;
    if (c >= '0' && c <= '9') classes[c] = Class::digit;
  }
  for (char c : {'_', '$'}) classes[static_cast<unsigned char>(c)] = Class::letter;
  for (char c : {' ', '\t', '\n', '\v', '\f', '\r'}) {
    classes[static_cast<unsigned char>(c)] = Class::blank;
  }
  for (char c :
       {'!', '%', '&', '(', ')', '+', ',', '<', '=', '>', '?', '[', ']', '^', '{', '|', '}', '~'}) {
    classes[static_cast<unsigned char>(c)] = Class::punctuation;
  }
  classes['\''] = Class::string_quote;
  classes['"'] = Class::double_quote;
  classes['`'] = Class::backtick;
  classes['@'] = Class::at;
  classes['/'] = Class::slash;
  classes['-'] = Class::dash;
  classes['#'] = Class::hash;
  classes['.'] = Class::dot;
  classes[':'] = Class::colon;
  classes[';'] = Class::semicolon;
  classes['*'] = Class::star;
  classes['\\'] = Class::backslash;
  return classes;
}

constexpr auto classes = make_classes();

Class class_of(char c) { return classes[static_cast<unsigned char>(c)]; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) { return class_of(c) == Class::letter || class_of(c) == Class::digit; }
bool is_high(char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; }
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A no-break space in one of the single-byte charsets that the servers know
// (latin1, cp1251, koi8r, cp850, macroman, …): white space to their lexers.
bool may_be_blank(char c) { return c == '\xA0' || c == '\x9A' || c == '\xCA' || c == '\xFF'; }

}  // namespace

std::string_view Token::bare() const {
  std::string_view t = text;
  if (!t.empty() && t.front() == '@') t.remove_prefix(1);
  if (t.size() >= 2 && (t.front() == '`' || t.front() == '"' || t.front() == '\'')) {
    return t.substr(1, t.size() - 2);
  }
  return t;
}

SqlScanner::SqlScanner(std::string_view sql, const Dialect& dialect,
                       ExecutableComments mode) noexcept
    : p_(sql.data()),
      end_(sql.data() + sql.size()),
      begin_(sql.data()),
      ansi_quotes_(dialect.ansi_quotes),
      backslashes_(!dialect.no_backslash_escapes),
      unsafe_multibyte_(dialect.unsafe_multibyte),
      mode_(mode) {}

void SqlScanner::make(Token& token, TokenKind kind, const char* begin, const char* end) {
  token.kind = kind;
  token.word = Word::none;
  token.punctuation = 0;
  token.glued = glued_;
  token.text = {begin, static_cast<std::size_t>(end - begin)};
  p_ = end;
  after_word_ = false;
  after_dot_ = false;
}

void SqlScanner::break_off(Token& token) {
  broken_ = true;
  return make(token, TokenKind::broken, end_, end_);
}

void SqlScanner::next(Token& token) noexcept {
  if (broken_ || !skip_blanks()) return break_off(token);
  if (p_ == end_)
    return inside_executable_ ? break_off(token) : make(token, TokenKind::end, end_, end_);
  const bool after_word = after_word_ && glued_;
  switch (class_of(*p_)) {
    case Class::letter: return scan_word(token);
    case Class::digit: return after_dot_ ? scan_word(token) : scan_number(token);
    case Class::string_quote: return scan_string(token, '\'');
    case Class::double_quote: return ansi_quotes_ ? scan_name(token, '"') : scan_string(token, '"');
    case Class::backtick: return scan_name(token, '`');
    case Class::at: return scan_at(token);
    case Class::semicolon: return make(token, TokenKind::semicolon, p_, p_ + 1);
    case Class::dot: {
      if (!after_word && is_digit(peek(1))) return scan_number(token);
      make(token, TokenKind::punctuation, p_, p_ + 1);
      token.punctuation = '.';
      after_dot_ = p_ != end_ && is_name_byte(*p_);
      return;
    }
    case Class::colon:
      if (peek(1) == '=') return make(token, TokenKind::assign, p_, p_ + 2);
      break;
    case Class::backslash:
      if (peek(1) == 'N') return make(token, TokenKind::number, p_, p_ + 2);  // NULL
      return break_off(token);
    case Class::bad: return break_off(token);
    default: break;
  }
  make(token, TokenKind::punctuation, p_, p_ + 1);
  token.punctuation = token.text.front();
}

// Stands on a token or at the end, or returns false if a comment never ends.
bool SqlScanner::skip_blanks() {
  const char* const from = p_;
  while (p_ != end_ && class_of(*p_) == Class::blank) ++p_;
  glued_ = p_ == from && p_ != begin_;
  if (p_ == end_ || class_of(*p_) < Class::slash) return true;
  while (p_ != end_) {
    switch (class_of(*p_)) {
      case Class::blank: ++p_; break;
      case Class::hash: skip_line(); break;
      case Class::dash: {
        if (peek(1) != '-') return true;
        const char behind = peek(2);  // NUL at the end, which counts as control
        if (class_of(behind) != Class::blank && static_cast<unsigned char>(behind) > 0x1F &&
            behind != 0x7F) {
          return true;
        }
        skip_line();
        break;
      }
      case Class::slash:
        if (peek(1) != '*') return true;
        if (!skip_block_comment()) return false;
        break;
      case Class::star:
        if (!inside_executable_ || peek(1) != '/') return true;
        inside_executable_ = false;
        p_ += 2;
        break;
      default: return true;
    }
    glued_ = false;
  }
  return true;
}

void SqlScanner::skip_line() {
  const void* newline = std::memchr(p_, '\n', static_cast<std::size_t>(end_ - p_));
  p_ = newline != nullptr ? static_cast<const char*>(newline) + 1 : end_;
}

bool SqlScanner::skip_block_comment() {
  const bool executable = peek(2) == '!' || (peek(2) == 'M' && peek(3) == '!');
  const bool hint = peek(2) == '+';
  if (inside_executable_) {
    // Whether comments nest depends on the server's version.
    ambiguous_ = true;
    return false;
  }
  if (executable) {
    const char* mark_end = p_ + (peek(2) == '!' ? 3 : 4);
    if (!enter_executable_comment(mark_end)) return false;
    if (mode_ == ExecutableComments::enter) return true;
  }
  char open_quote = 0;
  for (const char* q = p_ + 2; q + 1 < end_; ++q) {
    if (q[0] == '*' && q[1] == '/') {
      // MySQL reads quoted names in optimizer hints, and the end might be in one.
      if (open_quote != 0) ambiguous_ = true;
      p_ = q + 2;
      return !ambiguous_;
    }
    if (hint && (q[0] == '`' || q[0] == '"' || q[0] == '\'')) {
      if (open_quote == 0) {
        open_quote = q[0];
      } else if (open_quote == q[0]) {
        open_quote = 0;
      }
    }
    if (executable && q[0] == '/' && q[1] == '*') ambiguous_ = true;
  }
  return false;
}

// Notes the version in `/*!50700`; in entering mode, stands behind it.
bool SqlScanner::enter_executable_comment(const char* mark_end) {
  const char* q = mark_end;
  while (q != end_ && is_digit(*q) && q - mark_end < 7) ++q;
  const std::ptrdiff_t digits = q - mark_end;
  if (digits != 0 && digits != 5 && digits != 6) {
    ambiguous_ = true;
    return false;
  }
  const std::string_view mark(p_, static_cast<std::size_t>(q - p_));
  if (saw_executable_ && mark != executable_mark_) executables_differ_ = true;
  saw_executable_ = true;
  executable_mark_ = mark;
  if (mode_ == ExecutableComments::enter) {
    inside_executable_ = true;
    p_ = q;
  }
  return true;
}

// A byte from 0x80 that is part of the name for us may be something else in the
// charset of the client.
bool SqlScanner::reads_strangely(const char* begin, const char* end) const {
  for (const char* q = begin; q != end; ++q) {
    if (!may_be_blank(*q)) continue;
    const bool alone = (q == begin || !is_high(q[-1])) && (q + 1 == end || !is_high(q[1]));
    if (alone) return true;
  }
  return unsafe_multibyte_ && is_high(end[-1]) && end != end_ &&
         std::strchr("@[\\]^`{|}~", *end) != nullptr;
}

void SqlScanner::scan_word(Token& token) {
  const bool is_keyword_possible = !after_dot_;
  const char* q = p_;
  unsigned char all_bits = 0;
  while (q != end_ && is_name_byte(*q)) all_bits |= static_cast<unsigned char>(*q++);
  // MySQL 9 quotes routine bodies as $tag$ … $tag$; MariaDB takes $ for a letter.
  const bool dollar_quote =
      *p_ == '$' && std::memchr(p_ + 1, '$', static_cast<std::size_t>(q - p_ - 1)) != nullptr;
  if (dollar_quote || ((all_bits & 0x80) != 0 && reads_strangely(p_, q))) {
    ambiguous_ = true;
    return break_off(token);
  }
  make(token, is_keyword_possible ? TokenKind::word : TokenKind::name, p_, q);
  if (is_keyword_possible) token.word = find_keyword(token.text);
  after_word_ = true;
}

void SqlScanner::scan_number(Token& token) {
  const char* q = p_;
  const auto digits = [&] {
    while (q != end_ && is_digit(*q)) ++q;
  };
  const auto at = [&](std::ptrdiff_t ahead) { return end_ - q > ahead ? q[ahead] : '\0'; };
  if (*q == '0' && at(1) == 'x' && is_hex_digit(at(2))) {
    q += 2;
    while (q != end_ && is_hex_digit(*q)) ++q;
    return q != end_ && is_name_byte(*q) ? scan_word(token) : make(token, TokenKind::number, p_, q);
  }
  digits();
  const bool begins_with_digits = q != p_;
  if (begins_with_digits && q != end_ && is_name_byte(*q)) {
    const bool exponent = *q == 'e' || *q == 'E';
    if (exponent && is_digit(at(1))) {
      q += 1;
    } else if (exponent && (at(1) == '+' || at(1) == '-') && is_digit(at(2))) {
      q += 2;
    } else {
      return scan_word(token);  // names may begin with digits
    }
    digits();
    return make(token, TokenKind::number, p_, q);  // a word may follow at once: 1e5FOR UPDATE
  }
  if (q != end_ && *q == '.') {
    ++q;
    digits();
    if (at(0) == 'e' || at(0) == 'E') {
      q += at(1) == '+' || at(1) == '-' ? 2 : 1;
      if (!is_digit(at(0))) return break_off(token);
      digits();
    }
  }
  return make(token, TokenKind::number, p_, q);
}

// `p` is behind the opening quote; the result behind the closing one, or null.
const char* SqlScanner::quoted_end(const char* p, char quote, bool backslashes) {
  for (; p != end_; ++p) {
    const char c = *p;
    if (c == quote) {
      // 0x60 may be the second half of a character, and no quote at all.
      if (unsafe_multibyte_ && quote == '`' && is_high(p[-1])) {
        ambiguous_ = true;
        return nullptr;
      }
      if (p + 1 == end_ || p[1] != quote) return p + 1;
      ++p;
    } else if (c == '\\') {
      if (unsafe_multibyte_ && is_high(p[-1])) {
        ambiguous_ = true;
        return nullptr;
      }
      if (backslashes && ++p == end_) return nullptr;
    }
  }
  return nullptr;
}

void SqlScanner::scan_string(Token& token, char quote) {
  const char* close = quoted_end(p_ + 1, quote, backslashes_);
  return close == nullptr ? break_off(token) : make(token, TokenKind::string, p_, close);
}

void SqlScanner::scan_name(Token& token, char quote) {
  const char* close = quoted_end(p_ + 1, quote, false);
  return close == nullptr ? break_off(token) : make(token, TokenKind::name, p_, close);
}

void SqlScanner::scan_at(Token& token) {
  const char second = peek(1);
  if (second == '@') {
    const char third = peek(2);
    // The name of a system variable stands right behind the @@.
    if (end_ - p_ < 3 || !(is_name_byte(third) || third == '`')) return break_off(token);
    return make(token, TokenKind::system_variable, p_, p_ + 2);
  }
  if (second == '\'' || second == '"' || second == '`') {
    const bool string = second == '\'' || (second == '"' && !ansi_quotes_);
    const char* close = quoted_end(p_ + 2, second, string && backslashes_);
    return close == nullptr ? break_off(token) : make(token, TokenKind::user_variable, p_, close);
  }
  const char* q = p_ + 1;
  while (q != end_ && (is_name_byte(*q) || *q == '.')) ++q;
  if (q != p_ + 1 && reads_strangely(p_ + 1, q)) {
    ambiguous_ = true;
    return break_off(token);
  }
  return make(token, TokenKind::user_variable, p_, q);
}

}  // namespace sluice::routing
