#include "routing/user_variables.hpp"

#include <algorithm>

#include "routing/sql_scanner.hpp"

namespace sluice::routing {
namespace {

constexpr std::size_t most_names = 64;
constexpr std::size_t longest_value = 16 * 1024;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string quoted(std::string_view name) {
  std::string out = "@`";
  for (const char c : name) {
    out += c;
    if (c == '`') out += c;
  }
  return out + '`';
}

/// The name in `@a`, `@'a'`, `@"a"` or @`a`, lower case; empty for a bare `@`.
std::string name_in(std::string_view token) {
  token.remove_prefix(std::min<std::size_t>(1, token.size()));
  std::string name;
  const char quote = token.empty() ? '\0' : token.front();
  if (quote != '\'' && quote != '"' && quote != '`') {
    std::transform(token.begin(), token.end(), std::back_inserter(name), lower);
    return name;
  }
  token = token.substr(1, token.size() < 2 ? 0 : token.size() - 2);
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == quote && i + 1 < token.size() && token[i + 1] == quote) ++i;
    name += lower(token[i]);
  }
  return name;
}

bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c != '\\'; });
}

bool is_collation_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// `utf8mb4_bin` is a collation of utf8mb4; `binary` of itself.
std::string_view charset_of(std::string_view collation) {
  return collation.substr(0, collation.find('_'));
}

}  // namespace

std::optional<std::vector<std::string>> mentioned_user_variables(std::string_view sql,
                                                                 const Dialect& dialect) {
  SqlScanner scanner(sql, dialect, SqlScanner::ExecutableComments::enter);
  std::vector<std::string> names;
  Token token;
  for (scanner.next(token); token.kind != TokenKind::end; scanner.next(token)) {
    if (token.kind == TokenKind::broken) return std::nullopt;
    if (token.kind != TokenKind::user_variable) continue;
    std::string name = name_in(token.text);
    // Names beyond ASCII fold by rules of the server's own.
    if (name.empty() || !is_plain(name)) return std::nullopt;
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
    if (names.size() > most_names) return std::nullopt;
  }
  if (scanner.ambiguous()) return std::nullopt;
  return names;
}

std::string question(const std::vector<std::string>& names) {
  std::string statement;
  for (const std::string& name : names) {
    const std::string variable = quoted(name);
    statement += statement.empty() ? "SELECT " : ", ";
    statement += variable + ", HEX(" + variable + "), COLLATION(" + variable + ")";
  }
  return statement;
}

namespace {

/// A NULL keeps the type and collation of what the variable was before.
std::string typed_null(const UserVariableAnswer& answer) {
  using protocol::ColumnType;
  switch (answer.type) {
    case ColumnType::longlong:
      return answer.is_unsigned ? "CAST(NULL AS UNSIGNED)" : "CAST(NULL AS SIGNED)";
    case ColumnType::newdecimal: return "CAST(NULL AS DECIMAL(65,30))";
    case ColumnType::double_number: return "CAST(NULL AS DOUBLE)";
    default: break;
  }
  if (!answer.collation || !is_collation_name(*answer.collation) || *answer.collation == "binary")
    return "NULL";
  std::string literal = "CONVERT(NULL USING ";
  literal += charset_of(*answer.collation);
  literal += ") COLLATE ";
  literal += *answer.collation;
  return literal;
}

}  // namespace

std::optional<std::string> literal_of(const UserVariableAnswer& answer) {
  using protocol::ColumnType;
  if (!answer.value) return typed_null(answer);
  const std::string_view text = *answer.value;
  if (text.size() > longest_value) return std::nullopt;
  std::string literal(text);
  switch (answer.type) {
    case ColumnType::tiny:
    case ColumnType::short_int:
    case ColumnType::int24:
    case ColumnType::long_int:
    case ColumnType::longlong:
      return answer.is_unsigned ? "CAST(" + literal + " AS UNSIGNED)" : literal;
    case ColumnType::decimal:
    case ColumnType::newdecimal:
      // `5.` is a decimal, `5` an integer.
      return literal.find('.') == std::string::npos ? literal + '.' : literal;
    case ColumnType::float_number:
    case ColumnType::double_number:
      return literal.find('e') == std::string::npos ? literal + "e0" : literal;
    default: break;
  }
  if (!protocol::is_string_type(answer.type) || !answer.hex || !answer.collation ||
      !is_collation_name(*answer.collation)) {
    return std::nullopt;
  }
  literal = '_';
  literal += charset_of(*answer.collation);
  literal += " X'";
  literal += *answer.hex;
  literal += "' COLLATE `";  // `binary` is a reserved word
  literal += *answer.collation;
  literal += '`';
  return literal;
}

void UserVariables::set(std::string_view name, std::string literal) {
  const auto at =
      std::lower_bound(literals_.begin(), literals_.end(), name,
                       [](const auto& pair, std::string_view key) { return pair.first < key; });
  if (at != literals_.end() && at->first == name) {
    size_ = size_ - at->second.size() + literal.size();
    at->second = std::move(literal);
    return;
  }
  size_ += name.size() + literal.size();
  literals_.emplace(at, name, std::move(literal));
}

const std::string* UserVariables::find(std::string_view name) const noexcept {
  for (const auto& [key, literal] : literals_)
    if (key == name) return &literal;
  return nullptr;
}

std::vector<std::string> UserVariables::names() const {
  std::vector<std::string> all;
  for (const auto& [name, literal] : literals_) all.push_back(name);
  return all;
}

std::string difference(const UserVariables& image, const UserVariables& wanted) {
  std::string statement;
  const auto assign = [&](const std::string& name, std::string_view literal) {
    statement += statement.empty() ? "SET " : ", ";
    statement += quoted(name);
    statement += '=';
    statement += literal;
  };
  for (const auto& [name, literal] : image.literals_)
    if (wanted.find(name) == nullptr && literal != "NULL") {
      // A NULL keeps the type of what was there; a variable never set is a binary string.
      assign(name, "x''");
      assign(name, "NULL");
    }
  for (const auto& [name, literal] : wanted.literals_) {
    const std::string* present = image.find(name);
    if (present == nullptr ? literal != "NULL" : *present != literal) assign(name, literal);
  }
  return statement;
}

bool looks_at_user_variables(const Statement& statement) noexcept {
  return statement.effects.any({Effect::reads_user_variables, Effect::sets_user_variables,
                                Effect::calls_routine, Effect::executes, Effect::prepares,
                                Effect::several});
}

}  // namespace sluice::routing
