#include "proxy/admin_scanner.hpp"

#include <algorithm>

namespace sluice::proxy {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view blanks = " \t\r\n\f\v";
// What ends a bare word besides blanks and comments.
constexpr std::string_view word_ends = "'\"`;,()=?\\#";

char upper_of(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower_of(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_blank(char c) { return blanks.find(c) != npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '0': return '\0';
    default: return c;
  }
}

class Scanner {
 public:
  explicit Scanner(std::string_view line) : line_(line) {}

  AdminToken next() {
    using Kind = AdminToken::Kind;
    if (!skip_blanks()) return {Kind::broken, "comment", at_, line_.size()};
    if (at_ == line_.size()) return {Kind::end, {}, at_, at_};
    const std::size_t begin = at_;
    const char c = line_[at_];
    if (c == '\'' || c == '"' || c == '`') return quoted(c);
    if (c == '\\' && at_ + 1 < line_.size() && upper_of(line_[at_ + 1]) == 'G') {
      at_ += 2;
      return {Kind::semicolon, "\\G", begin, at_};
    }
    if (word_ends.find(c) != npos) {
      ++at_;
      return {c == ';' ? Kind::semicolon : Kind::symbol, std::string(1, c), begin, at_};
    }
    while (at_ < line_.size() && !is_blank(line_[at_]) && word_ends.find(line_[at_]) == npos &&
           !starts("/*") && !(executable_ && starts("*/")))
      ++at_;
    return {Kind::word, std::string(line_.substr(begin, at_ - begin)), begin, at_};
  }

 private:
  [[nodiscard]] bool starts(std::string_view text) const {
    return line_.substr(at_).starts_with(text);
  }

  // False at a comment that does not end.
  bool skip_blanks() {
    for (;;) {
      while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
      if (executable_ && starts("*/")) {
        executable_ = false;
        at_ += 2;
      } else if (starts("/*!") || starts("/*M!")) {
        executable_ = true;
        at_ = line_.find('!', at_) + 1;
        while (at_ < line_.size() && is_digit(line_[at_])) ++at_;
      } else if (starts("/*")) {
        const std::size_t end = line_.find("*/", at_ + 2);
        if (end == npos) return false;
        at_ = end + 2;
      } else if (starts("#") || dashes()) {
        at_ = std::min(line_.find('\n', at_), line_.size());
      } else {
        return !executable_ || at_ < line_.size();
      }
    }
  }

  [[nodiscard]] bool dashes() const {
    return starts("--") && (at_ + 2 == line_.size() || is_blank(line_[at_ + 2]));
  }

  AdminToken quoted(char quote) {
    using Kind = AdminToken::Kind;
    AdminToken token{quote == '`' ? Kind::name : Kind::string, {}, at_, 0};
    for (++at_; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      const char following = at_ + 1 < line_.size() ? line_[at_ + 1] : '\0';
      if (c == quote && following != quote) {
        token.end = ++at_;
        return token;
      }
      if (c == quote) {
        ++at_;
      } else if (c == '\\' && quote != '`' && at_ + 1 < line_.size()) {
        ++at_;
        if (following == '%' || following == '_') token.text += '\\';
        token.text += unescaped(following);
        continue;
      }
      token.text += c;
    }
    return {Kind::broken, quote == '`' ? "name" : "string", token.begin, line_.size()};
  }

  std::string_view line_;
  std::size_t at_ = 0;
  bool executable_ = false;
};

std::string mapped(std::string_view text, char (*map)(char)) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), map);
  return out;
}

}  // namespace

bool AdminToken::is(std::string_view upper) const {
  return kind == Kind::word && text.size() == upper.size() &&
         std::equal(text.begin(), text.end(), upper.begin(),
                    [](char a, char b) { return upper_of(a) == b; });
}

std::vector<AdminToken> scan_admin(std::string_view line) {
  std::vector<AdminToken> tokens;
  Scanner scanner(line);
  do {
    tokens.push_back(scanner.next());
  } while (!tokens.back().is_end());
  return tokens;
}

std::string to_upper(std::string_view text) { return mapped(text, upper_of); }
std::string to_lower(std::string_view text) { return mapped(text, lower_of); }

}  // namespace sluice::proxy
