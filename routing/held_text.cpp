#include "routing/held_text.hpp"

#include <algorithm>

#include "routing/sql_scanner.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

using Mode = SqlScanner::ExecutableComments;

/// Can the text be cut into tokens in one way only?
bool is_plain(std::string_view sql, const Dialect& dialect) {
  SqlScanner scanner(sql, dialect, Mode::enter);
  Token token;
  for (scanner.next(token); !(token.kind == TokenKind::end); scanner.next(token))
    if (token.kind == TokenKind::broken) return false;
  return !scanner.saw_executable_comment() && !scanner.ambiguous();
}

/// One token after another; every take…() passes over what it says it found.
class Walk {
 public:
  Walk(std::string_view sql, const Dialect& dialect)
      : dialect_(dialect), scanner_(sql, dialect, Mode::enter) {
    scanner_.next(token_);
  }

  [[nodiscard]] const Token& token() const { return token_; }
  void advance() { scanner_.next(token_); }
  [[nodiscard]] bool at_end() {
    while (token_.kind == TokenKind::semicolon) advance();
    return token_.kind == TokenKind::end;
  }
  bool take(Word word) {
    if (!token_.is(word)) return false;
    advance();
    return true;
  }
  bool take(char c) {
    if (!token_.is(c)) return false;
    advance();
    return true;
  }
  bool take_word(std::string_view word) {
    if (token_.kind != TokenKind::word || !same_word(token_.text, word)) return false;
    advance();
    return true;
  }
  /// IF EXISTS, IF NOT EXISTS
  void take_existence() {
    if (!take(Word::if_)) return;
    take(Word::not_);
    take(Word::exists);
  }
  /// A name without quotes around and in it; nullopt if there is none.
  std::optional<std::string> name() {
    if (!token_.is_name()) return std::nullopt;
    std::string made;
    const std::string_view bare = token_.bare();
    const bool quoted = bare.size() != token_.text.size();
    for (std::size_t i = 0; i < bare.size(); ++i) {
      made += bare[i];
      if (quoted && i + 1 < bare.size() && bare[i] == token_.text.front() && bare[i + 1] == bare[i])
        ++i;
    }
    advance();
    return made;
  }
  std::optional<std::string> table(std::string_view schema) {
    auto first = name();
    if (!first) return std::nullopt;
    if (!take('.')) return std::string(schema) + '.' + *first;
    const auto second = name();
    if (!second) return std::nullopt;
    return *first + '.' + *second;
  }
  /// A string's value; nullopt where it is not one lone string.
  std::optional<std::string> string() {
    if (token_.kind != TokenKind::string) return std::nullopt;
    const std::string_view text = token_.text;
    const char quote = text.front();
    if (text.size() < 2 || (quote != '\'' && quote != '"')) return std::nullopt;
    std::string made;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      char c = text[i];
      if (c == quote) ++i;  // doubled
      if (c == '\\' && !dialect_.no_backslash_escapes) {
        c = text[++i];
        if (c == '%' || c == '_') made += '\\';
        c = c == 'n'   ? '\n'
            : c == 't' ? '\t'
            : c == 'r' ? '\r'
            : c == '0' ? '\0'
            : c == 'b' ? '\b'
            : c == 'Z' ? '\x1a'
                       : c;
      }
      made += c;
    }
    advance();
    if (token_.kind == TokenKind::string) return std::nullopt;  // 'a' 'b' is one
    return made;
  }

 private:
  const Dialect& dialect_;
  SqlScanner scanner_;
  Token token_;
};

/// `name(…)` of a function on user locks; false if it is no such call in a plain form.
bool read_call(Walk& walk, std::vector<UserLockCall>& calls) {
  using Kind = UserLockCall::Kind;
  const bool takes = walk.take_word("get_lock");
  const bool releases = !takes && walk.take_word("release_lock");
  const bool asks =
      !takes && !releases && (walk.take_word("is_free_lock") || walk.take_word("is_used_lock"));
  if (!takes && !releases && !asks) {
    if (!walk.take_word("release_all_locks") || !walk.take('(') || !walk.take(')')) return false;
    calls.push_back({Kind::release_all, {}});
    return true;
  }
  if (!walk.take('(')) return false;
  auto name = walk.string();
  if (!name) return false;
  if (takes) {
    if (!walk.take(',')) return false;
    walk.take('-');
    if (walk.token().kind != TokenKind::number) return false;
    walk.advance();
  }
  if (!walk.take(')')) return false;
  if (!asks) calls.push_back({takes ? Kind::take : Kind::release, std::move(*name)});
  return true;
}

}  // namespace

std::optional<std::string> created_temporary_table(std::string_view sql, const Dialect& dialect,
                                                   std::string_view schema) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (!walk.take(Word::create)) return std::nullopt;
  if (walk.take(Word::or_) && !walk.take(Word::replace)) return std::nullopt;
  if (!walk.take(Word::temporary) || !walk.take(Word::table)) return std::nullopt;
  walk.take_existence();
  return walk.table(schema);
}

std::optional<std::vector<std::string>> dropped_tables(std::string_view sql, const Dialect& dialect,
                                                       std::string_view schema) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (!walk.take(Word::drop)) return std::nullopt;
  walk.take(Word::temporary);
  if (!walk.take(Word::table) && !walk.take(Word::tables)) return std::nullopt;
  walk.take_existence();
  std::vector<std::string> tables;
  do {
    auto table = walk.table(schema);
    if (!table) return std::nullopt;
    tables.push_back(std::move(*table));
  } while (walk.take(','));
  return tables;
}

bool renames_tables(std::string_view sql, const Dialect& dialect) {
  SqlScanner scanner(sql, dialect, Mode::enter);
  Token token;
  scanner.next(token);
  const bool first_word = token.is(Word::rename);
  const bool alters = token.is(Word::alter);
  if (first_word || !alters) return first_word;
  for (scanner.next(token); token.kind > TokenKind::broken; scanner.next(token)) {
    if (!token.is(Word::rename)) continue;
    scanner.next(token);
    const bool of_a_part =
        token.is(Word::index) || token.is(Word::key) || same_word(token.text, "column");
    if (!of_a_part) return true;
  }
  return token.kind == TokenKind::broken;
}

std::optional<std::vector<UserLockCall>> user_lock_calls(std::string_view sql,
                                                         const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (!walk.take(Word::select) && !walk.take(Word::do_)) return std::nullopt;
  std::vector<UserLockCall> calls;
  do {
    if (!read_call(walk, calls)) return std::nullopt;
    const bool as = walk.take(Word::as);
    if (walk.token().kind == TokenKind::string) {
      walk.advance();
    } else if (as || (walk.token().is_name() && !walk.token().is(Word::from))) {
      if (!walk.name()) return std::nullopt;
    }
  } while (walk.take(','));
  if (walk.take(Word::from) && !walk.take_word("dual")) return std::nullopt;
  if (!walk.at_end()) return std::nullopt;
  return calls;
}

std::optional<HandlerChange> handler_change(std::string_view sql, const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (!walk.take(Word::handler)) return std::nullopt;
  auto name = walk.name();
  if (walk.take('.')) name = walk.name();
  if (!name) return std::nullopt;
  HandlerChange change{.opens = walk.take(Word::open), .name = std::move(*name)};
  if (!change.opens && !walk.take(Word::close)) return std::nullopt;
  if (change.opens && (walk.take(Word::as) || walk.token().is_name())) {
    auto alias = walk.name();
    if (!alias) return std::nullopt;
    change.name = std::move(*alias);
  }
  if (!walk.at_end()) return std::nullopt;
  return change;
}

std::optional<BackupLock> backup_lock_of(std::string_view sql, const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (walk.take(Word::lock) || walk.take(Word::unlock)) {
    if (walk.take(Word::instance)) return BackupLock::instance;
    return std::nullopt;
  }
  if (!walk.take(Word::backup)) return std::nullopt;
  if (walk.take(Word::stage)) return BackupLock::stage;
  if (walk.take(Word::lock) || walk.take(Word::unlock)) return BackupLock::table;
  return std::nullopt;
}

XaStep xa_step_of(std::string_view sql, const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return XaStep::other;
  Walk walk(sql, dialect);
  if (!walk.take(Word::xa)) return XaStep::other;
  if (walk.take(Word::start) || walk.take(Word::begin)) return XaStep::begin;
  if (walk.take(Word::end)) return XaStep::end;
  if (walk.take(Word::prepare)) return XaStep::prepare;
  if (walk.take(Word::commit) || walk.take(Word::rollback)) return XaStep::finish;
  return XaStep::other;
}

std::optional<std::vector<Assignment>> assignments_of(std::string_view sql,
                                                      const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  Walk walk(sql, dialect);
  if (!walk.take(Word::set)) return std::nullopt;
  std::vector<Assignment> all;
  bool more = true;
  while (more) {
    Assignment one;
    const bool user = walk.token().kind == TokenKind::user_variable;
    bool global = false;
    if (user) {
      walk.advance();
    } else {
      if (walk.token().kind == TokenKind::system_variable) walk.advance();
      global = walk.take(Word::global) || walk.take(Word::persist) || walk.take(Word::persist_only);
      if (global || walk.take(Word::session) || walk.take(Word::local)) walk.take('.');
      auto name = walk.name();
      if (!name) return std::nullopt;
      std::transform(name->begin(), name->end(), name->begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      one.variable = std::move(*name);
    }
    if (walk.token().kind == TokenKind::assign) {
      walk.advance();
    } else {
      walk.take('=');
    }
    std::size_t tokens = 0;
    std::int64_t depth = 0;
    for (; walk.token().kind > TokenKind::semicolon; walk.advance()) {
      if (walk.token().is('(')) ++depth;
      if (walk.token().is(')')) --depth;
      if (depth == 0 && walk.token().is(',')) break;
      if (++tokens == 1) one.value = std::string(walk.token().bare());
    }
    if (tokens != 1) one.value.clear();
    if (!user && !global) all.push_back(std::move(one));
    more = walk.take(',');
  }
  if (!walk.at_end()) return std::nullopt;
  return all;
}

PreparedText prepared_text_of(std::string_view sql, const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return {};
  Walk walk(sql, dialect);
  bool found = false;
  if (walk.take(Word::prepare)) {
    found = walk.name().has_value() && walk.take(Word::from);
  } else if (walk.take(Word::execute)) {
    found = walk.take(Word::immediate);
  }
  if (!found) return {};
  PreparedText text;
  if (walk.token().kind == TokenKind::user_variable) {
    text.variable = std::string(walk.token().text);
    walk.advance();
  } else {
    text.literal = walk.string();
  }
  if (!walk.at_end() && !walk.token().is(Word::using_)) return {};
  return text;
}

std::optional<std::vector<std::string_view>> parts_of(std::string_view sql,
                                                      const Dialect& dialect) {
  if (!is_plain(sql, dialect)) return std::nullopt;
  std::vector<std::string_view> parts;
  SqlScanner scanner(sql, dialect, Mode::enter);
  Token token;
  const char* begin = sql.data();
  for (scanner.next(token); token.kind != TokenKind::end; scanner.next(token)) {
    if (token.kind != TokenKind::semicolon) continue;
    parts.emplace_back(begin, static_cast<std::size_t>(token.text.data() - begin));
    begin = token.text.data() + token.text.size();
  }
  parts.emplace_back(begin, static_cast<std::size_t>(sql.data() + sql.size() - begin));
  return parts;
}

}  // namespace sluice::routing
