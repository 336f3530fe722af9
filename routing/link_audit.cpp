#include "routing/link_audit.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace sluice::routing {
namespace {

// They follow the clock or other statements, or cannot be read back.
constexpr std::array<std::string_view, 4> unsteady_names{"timestamp", "insert_id", "rand_seed1",
                                                         "rand_seed2"};

bool is_unsteady(std::string_view name) {
  return kind_of_variable(name) == VariableKind::ignored ||
         std::find(unsteady_names.begin(), unsteady_names.end(), name) != unsteady_names.end();
}

std::uint64_t hash(std::string_view text) { return std::hash<std::string_view>{}(text); }

const std::string* find(const VariableRows& rows, std::string_view name) {
  const auto at =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.first == name; });
  return at == rows.end() ? nullptr : &at->second;
}

/// Numbers are told with and without decimals.
bool same_value(std::string_view told, std::string_view shown) {
  if (told == shown) return true;
  const auto whole = [](std::string_view text) {
    const std::size_t point = text.find('.');
    const bool zeros = point != std::string_view::npos && point > 0 &&
                       text.find_first_not_of('0', point + 1) == std::string_view::npos;
    return zeros ? text.substr(0, point) : text;
  };
  const auto is_switch = [](std::string_view text, std::string_view word, std::string_view digit) {
    return text == word || text == digit;
  };
  return whole(told) == whole(shown) ||
         (is_switch(told, "ON", "1") && is_switch(shown, "ON", "1")) ||
         (is_switch(told, "OFF", "0") && is_switch(shown, "OFF", "0"));
}

}  // namespace

VariableSnapshot::VariableSnapshot(const VariableRows& rows, const StateVector& image) {
  for (const auto& [name, value] : rows)
    if (!is_unsteady(name) && image.find(name) == nullptr) hashes_[hash(name)] = hash(value);
}

std::optional<bool> VariableSnapshot::agrees(std::string_view name, std::string_view value) const {
  const auto at = hashes_.find(hash(name));
  if (at == hashes_.end()) return std::nullopt;
  return at->second == hash(value);
}

std::vector<std::string> differing_variables(const VariableRows& actual, const StateVector& image,
                                             const VariableSnapshot& snapshot, LinkRole role) {
  std::vector<std::string> names;
  for (const auto& [name, value] : actual) {
    const std::string* told = image.find(name);
    if (role == LinkRole::replica && guards_replica(name)) {
      if (!same_value("ON", value)) names.push_back(name);  // writes must stay out (P2)
    } else if (told != nullptr
                   ? !same_value(*told, value)
                   : !is_unsteady(name) && !snapshot.agrees(name, value).value_or(true)) {
      names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> confirmed(const std::vector<std::string>& names, const VariableRows& first,
                                   const VariableRows& global, const VariableRows& second,
                                   const StateVector& image) {
  std::vector<std::string> kept;
  for (const std::string& name : names) {
    const std::string* before = find(first, name);
    const std::string* after = find(second, name);
    if (before == nullptr || after == nullptr || *before != *after) continue;
    const std::string* everywhere = find(global, name);
    // What the image names is of the session, whatever the global value is; so is the guard.
    const bool of_session = image.find(name) != nullptr || guards_replica(name);
    if (of_session || everywhere == nullptr || *everywhere != *before) kept.push_back(name);
  }
  return kept;
}

std::vector<std::string> differing_user_variables(const UserVariables& actual,
                                                  const UserVariables& known) {
  std::vector<std::string> names;
  const auto literal = [](const UserVariables& of, std::string_view name) -> std::string_view {
    const std::string* found = of.find(name);
    return found == nullptr ? std::string_view("NULL") : std::string_view(*found);
  };
  const auto compare = [&](const UserVariables& one, const UserVariables& other) {
    for (const std::string& name : one.names())
      if (literal(one, name) != literal(other, name) &&
          std::find(names.begin(), names.end(), "@" + name) == names.end())
        names.push_back("@" + name);
  };
  compare(actual, known);
  compare(known, actual);
  return names;
}

}  // namespace sluice::routing
