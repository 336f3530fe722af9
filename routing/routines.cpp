#include "routing/routines.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "routing/builtin_functions.hpp"
#include "routing/sql_scanner.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

constexpr std::size_t longest_body = 64 * 1024;

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return made;
}

std::string key_of(std::string_view schema, std::string_view name) {
  std::string key(schema);
  key += '\0';
  key += lower(name);
  return key;
}

consteval auto make_words(std::string_view list) {
  WordTable<bool, 256> table;
  for_each_word(list, [&](std::string_view word) { table.add(word, true); });
  return table;
}

// What a statement of the body may begin with.
constexpr auto beginnings = make_words(
    "SELECT WITH RETURN DECLARE IF CASE WHILE LOOP REPEAT SET BEGIN END ELSE ELSEIF WHEN UNTIL "
    "LEAVE ITERATE OPEN FETCH CLOSE SIGNAL");

// What may stand nowhere in it, but behind a dot: writes, locks, and what speaks of
// the session or of one server. Handlers' statements have no beginning of their own.
constexpr auto forbidden = make_words(
    "UPDATE DELETE TRUNCATE CALL CREATE ALTER DROP RENAME LOCK UNLOCK LOAD PREPARE EXECUTE "
    "DEALLOCATE IMMEDIATE OUTFILE DUMPFILE FLUSH RESET KILL GRANT REVOKE START COMMIT ROLLBACK "
    "SAVEPOINT XA USE SHARE NEXTVAL SETVAL LASTVAL PREVIOUS SQL_CALC_FOUND_ROWS GET PROCEDURE "
    "ANALYZE OPTIMIZE REPAIR CHECKSUM PURGE INSTALL UNINSTALL SHUTDOWN BACKUP RETURNING STATEMENT");

// Behind these a parenthesis begins an expression or a list.
constexpr auto openers = make_words(
    "RETURN IF ELSEIF WHILE UNTIL WHEN THEN ELSE CASE SELECT IN AND OR NOT XOR ON USING VALUES "
    "FROM JOIN WHERE BY HAVING UNION ALL EXISTS OVER LIMIT DEFAULT BETWEEN LIKE DIV MOD IS "
    "DISTINCT AS");

bool is_in(const auto& table, const Token& token) {
  return token.kind == TokenKind::word && table.find(token.text) != nullptr;
}

/// A body cut into tokens. Everything asked of it is a property of the text.
class Body {
 public:
  explicit Body(std::span<const Token> tokens) : tokens_(tokens) {}

  [[nodiscard]] bool only_reads(const Dialect& dialect) {
    collect_own_names();
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (!is_harmless(i, dialect)) return false;
    return !tokens_.empty();
  }

 private:
  [[nodiscard]] const Token& at(std::size_t i) const {
    static const Token none;
    return i < tokens_.size() ? tokens_[i] : none;
  }
  [[nodiscard]] const Token& before(std::size_t i) const { return at(i - 1); }  // wraps to none

  void collect_own_names() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!is_word(i, "declare")) continue;
      do ++i, own_.push_back(lower(at(i).bare()));
      while (at(++i).is(','));
    }
  }
  [[nodiscard]] bool is_word(std::size_t i, std::string_view word) const {
    return at(i).kind == TokenKind::word && same_word(at(i).text, word);
  }
  [[nodiscard]] bool is_own(std::size_t i) const {
    return at(i).is_name() &&
           std::find(own_.begin(), own_.end(), lower(at(i).bare())) != own_.end();
  }

  [[nodiscard]] bool begins_statement(std::size_t i) const {
    const Token& previous = before(i);
    return previous.kind == TokenKind::end || previous.kind == TokenKind::semicolon ||
           previous.is(':') || previous.is(Word::begin) || previous.is(Word::do_) ||
           previous.is(Word::then) || previous.is(Word::else_) || previous.is(Word::loop) ||
           previous.is(Word::repeat);
  }

  [[nodiscard]] bool is_harmless(std::size_t i, const Dialect& dialect) const {
    const Token& token = at(i);
    switch (token.kind) {
      case TokenKind::user_variable:
      case TokenKind::system_variable: return false;
      case TokenKind::assign: return is_own(i - 1) && !at(i - 2).is('.');
      case TokenKind::word: return is_harmless_word(i);
      case TokenKind::punctuation:
        if (token.is('(')) return is_harmless_parenthesis(i, dialect);
        return !token.is('.') || !names_a_server(before(i));
      default: return true;
    }
  }

  [[nodiscard]] static bool names_a_server(const Token& schema) {
    return is_system_schema(schema.bare()) || same_word(schema.bare(), "information_schema");
  }

  [[nodiscard]] bool is_harmless_word(std::size_t i) const {
    const Token& token = at(i);
    if (before(i).is('.')) return true;
    if (is_in(forbidden, token)) return false;
    // INSERT() and REPLACE() are functions, too.
    if ((token.is(Word::insert) || token.is(Word::replace)) && !at(i + 1).is('(')) return false;
    if (token.is(Word::handler) && !at(i + 1).is(Word::for_)) return false;
    if (token.is(Word::next) && at(i + 1).is(Word::value)) return false;
    if (token.is(Word::do_) && begins_statement(i)) return false;
    if (token.is(Word::set) && !before(i).is(Word::character)) return sets_its_own(i + 1);
    // `1 THEN a ELSE b` within an expression is no beginning of a statement.
    const bool in_expression = before(i).is(Word::then) || before(i).is(Word::else_);
    const bool label = at(i + 1).is(':');
    return !begins_statement(i) || in_expression || label || is_in(beginnings, token) ||
           token.is(Word::do_);
  }

  /// SET a = 1, b = 2: all of them the function's own; another may be the session's.
  [[nodiscard]] bool sets_its_own(std::size_t i) const {
    if (!is_own(i)) return false;
    int depth = 0;
    for (; i < tokens_.size() && at(i).kind != TokenKind::semicolon; ++i) {
      if (at(i).is('(')) ++depth;
      if (at(i).is(')')) --depth;
      if (depth == 0 && at(i).is(',') && !is_own(i + 1)) return false;
    }
    return true;
  }

  [[nodiscard]] bool is_harmless_parenthesis(std::size_t i, const Dialect& dialect) const {
    const Token& name = before(i);
    if (!name.is_name()) return true;
    if (in_declaration(i) || at(i - 2).is(Word::as)) return true;  // a type
    if (name.kind != TokenKind::word || at(i - 2).is('.')) return false;
    if (is_in(openers, name)) return true;
    const FunctionKind kind = find_function(name.text, dialect);
    return kind == FunctionKind::pure ||
           (kind == FunctionKind::pure_if_adjacent && (at(i).glued || dialect.ignore_space));
  }

  /// Between DECLARE and its DEFAULT or CURSOR.
  [[nodiscard]] bool in_declaration(std::size_t i) const {
    while (i-- > 0 && at(i).kind != TokenKind::semicolon && !at(i).is(Word::default_) &&
           !at(i).is(Word::for_))
      if (is_word(i, "declare")) return true;
    return false;
  }

  std::span<const Token> tokens_;
  std::vector<std::string> own_;
};

}  // namespace

bool body_only_reads(std::string_view body, const Dialect& dialect) {
  if (body.size() > longest_body) return false;
  SqlScanner scanner(body, dialect, SqlScanner::ExecutableComments::enter);
  std::vector<Token> tokens;
  Token token;
  for (scanner.next(token); token.kind > TokenKind::broken; scanner.next(token))
    tokens.push_back(token);
  if (token.kind == TokenKind::broken || scanner.saw_executable_comment() || scanner.ambiguous())
    return false;
  return Body(tokens).only_reads(dialect);
}

void RoutineCatalogue::add_function(std::string_view schema, std::string_view name,
                                    std::string_view body, const Dialect& dialect) {
  if (reading_.size() < most_functions && body_only_reads(body, dialect))
    reading_.insert(key_of(schema, name));
}

void RoutineCatalogue::add_package(std::string_view name) { packages_.insert(lower(name)); }

bool RoutineCatalogue::reads_only(std::string_view qualifier, std::string_view schema,
                                  std::string_view name) const {
  if (!qualifier.empty() && packages_.contains(lower(qualifier))) return false;
  return reading_.contains(key_of(qualifier.empty() ? schema : qualifier, name));
}

bool may_change_routines(const Statement& statement, std::string_view sql) {
  if (statement.effects.has(Effect::executes) || statement.cause == Cause::oversized) return true;
  if (statement.cause != Cause::defines_schema && !statement.effects.has(Effect::several))
    return false;
  static constexpr std::string_view words[] = {"function", "package", "schema", "database"};
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) {
    return std::search(sql.begin(), sql.end(), word.begin(), word.end(), same) != sql.end();
  });
}

}  // namespace sluice::routing
