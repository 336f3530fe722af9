/// Is a link's state what its image says? For the paranoid mode: the pure half.
///
/// The server's own list of session variables is compared with what is expected:
/// the image's value where it has one, else that of a snapshot which was taken when the
/// link was new. What follows the clock, other statements or the schema is left out.
///
/// A list also shows global variables, which anybody may change meanwhile. A name
/// that differs is a mismatch only if it says the same twice, and between the two
/// something else than the global value: `confirmed`.
///
/// Shapes: rows are (name, value) as SHOW SESSION VARIABLES gives them.
/// Memory: a snapshot keeps 16 bytes a variable, no text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "routing/session_state.hpp"
#include "routing/user_variables.hpp"

namespace sluice::routing {

using VariableRows = std::vector<std::pair<std::string, std::string>>;

class VariableSnapshot {
 public:
  VariableSnapshot() = default;
  /// What `image` names is not known to be as the login left it, and is left out.
  VariableSnapshot(const VariableRows& rows, const StateVector& image);

  [[nodiscard]] bool empty() const noexcept { return hashes_.empty(); }
  /// nullopt: not known.
  [[nodiscard]] std::optional<bool> agrees(std::string_view name, std::string_view value) const;

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> hashes_;  // of names, of values
};

/// Names whose value is not the expected one, in the order of the rows.
[[nodiscard]] std::vector<std::string> differing_variables(const VariableRows& actual,
                                                           const StateVector& image,
                                                           const VariableSnapshot& snapshot,
                                                           LinkRole role);

/// Those of `names` that have one value in both lists of the session, and another in
/// the global list that was read in between.
[[nodiscard]] std::vector<std::string> confirmed(const std::vector<std::string>& names,
                                                 const VariableRows& first,
                                                 const VariableRows& global,
                                                 const VariableRows& second,
                                                 const StateVector& image);

/// Names of user variables, with an @, that the server has and `known` has not, or
/// not so. Values may be NULL, as of variables that are not set.
[[nodiscard]] std::vector<std::string> differing_user_variables(const UserVariables& actual,
                                                                const UserVariables& known);

}  // namespace sluice::routing
