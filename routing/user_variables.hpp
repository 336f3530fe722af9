/// A session's user variables as values that another link can be given.
///
/// Which variables a statement may have assigned is read off its text (every
/// `@name` in it); what they are afterwards is asked of the link that ran it, with
/// `question`; `literal_of` turns each answer into an SQL literal of the same type
/// and collation; `difference` gives another link what it lacks.
///
/// Shapes: names are lower case, without @ and quotes.
/// Source: MySQL manual, "User-Defined Variables"; MariaDB knowledge base, same title.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/resultset.hpp"
#include "routing/statement.hpp"

namespace sluice::routing {

/// Every user variable that the text names; nullopt if the text cannot be read with
/// certainty, or names more than can be carried.
[[nodiscard]] std::optional<std::vector<std::string>> mentioned_user_variables(
    std::string_view sql, const Dialect& dialect);

/// Asks for value, bytes and collation of each: three columns a name.
[[nodiscard]] std::string question(const std::vector<std::string>& names);

/// What one name's three columns said.
struct UserVariableAnswer {
  protocol::ColumnType type = protocol::ColumnType::null;  ///< of the value
  bool is_unsigned = false;
  std::optional<std::string_view> value;
  std::optional<std::string_view> hex;
  std::optional<std::string_view> collation;
};

/// The literal that assigns the same; nullopt if there is none (too long, or of a
/// type that no literal has).
[[nodiscard]] std::optional<std::string> literal_of(const UserVariableAnswer& answer);

class UserVariables {
 public:
  /// More than this, names and literals together, is not carried from link to link.
  static constexpr std::size_t budget = 64 * 1024;

  void set(std::string_view name, std::string literal);
  void clear() {
    literals_.clear();
    size_ = 0;
  }
  [[nodiscard]] bool empty() const noexcept { return literals_.empty(); }
  [[nodiscard]] bool fits() const noexcept { return size_ <= budget; }
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
  [[nodiscard]] std::vector<std::string> names() const;

  friend bool operator==(const UserVariables&, const UserVariables&) = default;
  /// The SET that turns a link with `image` into one with `wanted`; empty if nothing
  /// differs. What `wanted` lacks becomes NULL, as a variable never set is.
  friend std::string difference(const UserVariables& image, const UserVariables& wanted);

 private:
  std::vector<std::pair<std::string, std::string>> literals_;  // sorted by name
  std::size_t size_ = 0;
};

/// Could running the statement show the values of user variables, or keep them?
[[nodiscard]] bool looks_at_user_variables(const Statement& statement) noexcept;

}  // namespace sluice::routing
