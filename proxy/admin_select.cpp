#include "proxy/admin_select.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace sluice::proxy {
namespace {

using Item = SelectCommand::Item;
using ItemKind = SelectCommand::Kind;
using TokenKind = AdminToken::Kind;
using Tokens = std::span<const AdminToken>;

constexpr auto functions = std::to_array<std::string_view>(
    {"database", "schema", "user", "current_user", "session_user", "system_user", "connection_id",
     "version", "last_insert_id", "row_count", "found_rows"});

bool ends_list(const AdminToken& token) {
  return token.is_end() || token.kind == TokenKind::semicolon || token.is("FROM") ||
         token.is("LIMIT") || token.is("WHERE") || token.is("ORDER");
}

// The name of a variable: without @@, scope and quotes.
std::string variable_name(std::string_view text) {
  std::string name = to_lower(text.substr(2));
  for (const std::string_view scope : {"session.", "global.", "local."})
    if (name.starts_with(scope)) name.erase(0, scope.size());
  return name;
}

bool is_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
         digits.size() <= 18;
}

bool understand(Item& item, Tokens tokens) {
  const AdminToken& first = tokens.front();
  const std::string word = to_lower(first.text);
  if (tokens.size() == 1 && first.kind == TokenKind::word && word.starts_with("@@")) {
    item.kind = ItemKind::variable;
    item.value = variable_name(word);
    return true;
  }
  if (tokens.size() == 1 && (first.kind == TokenKind::string || is_number(word))) {
    item.kind = ItemKind::literal;
    item.value = first.text;
    return true;
  }
  // A user variable that nobody has set.
  if (tokens.size() == 1 && (word == "null" || word.starts_with('@'))) {
    item.kind = ItemKind::null;
    return true;
  }
  const bool called = tokens.size() == 3 && tokens[1].is('(') && tokens[2].is(')');
  if ((called || (tokens.size() == 1 && word == "current_user")) &&
      std::find(functions.begin(), functions.end(), word) != functions.end()) {
    item.kind = ItemKind::function;
    item.value = word;
    return true;
  }
  return false;
}

}  // namespace

std::variant<AdminCommand, AdminProblem> select_list(std::string_view line,
                                                     const std::vector<AdminToken>& tokens,
                                                     std::size_t at) {
  SelectCommand select;
  bool all_understood = true;
  do {
    const std::size_t begin = ++at;
    for (int depth = 0; !ends_list(tokens[at]); ++at) {
      if (depth == 0 && (tokens[at].is(',') || tokens[at].is(')'))) break;
      depth += tokens[at].is('(') ? 1 : tokens[at].is(')') ? -1 : 0;
    }
    Tokens expression(tokens.data() + begin, at - begin);
    if (expression.empty()) break;
    Item item;
    const auto& last = expression.back();
    if (expression.size() >= 3 && expression[expression.size() - 2].is("AS")) {
      item.column = last.text;
      expression = expression.first(expression.size() - 2);
    } else if (expression.size() >= 2 && last.is_text()) {
      item.column = last.text;
      expression = expression.first(expression.size() - 1);
    } else {
      item.column =
          std::string(line.substr(expression.front().begin, last.end - expression.front().begin));
      if (expression.size() == 1 && last.kind != TokenKind::word) item.column = last.text;
    }
    if (!understand(item, expression)) {
      item.kind = ItemKind::column;
      all_understood = false;
    }
    select.items.push_back(std::move(item));
  } while (tokens[at].is(','));

  select.from_table = tokens[at].is("FROM") && !tokens[at + 1].is("DUAL");
  const std::string table = to_lower(tokens[at].is("FROM") ? tokens[at + 1].text : "");
  const bool system_table = table.starts_with("information_schema") || table.starts_with("mysql") ||
                            table.starts_with("performance_schema") || table.starts_with("sys");
  if (select.items.empty() || (select.from_table && !system_table) ||
      (!select.from_table && !all_understood))
    return AdminProblem{
        "The admin port has no tables and answers only such SELECTs as clients begin with. SHOW "
        "looks at Sluice; applications connect to another port; HELP lists all commands",
        false};
  return select;
}

}  // namespace sluice::proxy
