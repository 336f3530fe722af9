#include "routing/session_scope.hpp"

#include <cstddef>
#include <vector>

#include "routing/sql_scanner.hpp"
#include "routing/word_table.hpp"

namespace sluice::routing {
namespace {

bool is_scope(const Token& token) {
  return token.is(Word::session) || token.is(Word::local) || token.is(Word::global);
}

bool means_next_transaction(std::string_view name) {
  return same_word(name, "tx_isolation") || same_word(name, "tx_read_only") ||
         same_word(name, "transaction_isolation") || same_word(name, "transaction_read_only");
}

}  // namespace

std::optional<std::string> with_session_scope(std::string_view sql, const Dialect& dialect) {
  SqlScanner scanner(sql, dialect, SqlScanner::ExecutableComments::enter);
  std::vector<std::size_t> places;  // where a scope is missing
  enum class At { start, target, expression, elsewhere } at = At::start;
  std::size_t depth = 0;
  Token token;
  scanner.next(token);
  while (token.kind != TokenKind::end && token.kind != TokenKind::broken) {
    if (token.kind == TokenKind::semicolon) {
      at = At::start;
    } else if (at == At::start) {
      at = token.is(Word::set) ? At::target : At::elsewhere;
      depth = 0;
    } else if (at == At::target && token.kind == TokenKind::system_variable) {
      const auto behind = static_cast<std::size_t>(token.text.data() - sql.data()) + 2;
      scanner.next(token);
      const bool unscoped =
          token.is_name() && !is_scope(token) && !means_next_transaction(token.bare());
      if (!token.ends_statement()) scanner.next(token);
      // A dot behind the name: it is that of a key cache or the like.
      if (unscoped && !token.is('.')) places.push_back(behind);
      at = At::expression;
      continue;
    } else if (at == At::target) {
      // SET STATEMENT … FOR takes its settings back by itself.
      at = token.is(Word::statement) ? At::elsewhere : At::expression;
    }
    if (at == At::expression) {
      if (token.is('(')) ++depth;
      if (token.is(')') && depth > 0) --depth;
      if (token.is(',') && depth == 0) at = At::target;
    }
    scanner.next(token);
  }
  if (places.empty() || token.kind == TokenKind::broken || scanner.ambiguous()) return {};
  std::string text;
  std::size_t copied = 0;
  for (const std::size_t place : places) {
    text += sql.substr(copied, place - copied);
    text += "session.";
    copied = place;
  }
  text += sql.substr(copied);
  return text;
}

}  // namespace sluice::routing
