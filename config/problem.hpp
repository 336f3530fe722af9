/// What is wrong with a configuration, told so that the operator can mend it.
///
/// Everything wrong is told at once. An `error` keeps the configuration from
/// being used; a `warning` does not.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice::config {

struct Problem {
  enum class Severity { error, warning };

  Severity severity = Severity::error;
  std::string file;
  unsigned line = 0;    ///< from 1; 0: about the file as a whole
  unsigned column = 0;  ///< from 1; 0: unknown
  std::string key;      ///< "routing.max_lagg", "backend.db1.weight"; empty: syntax
  std::string what;     ///< "unknown key"
  std::string mend;     ///< "did you mean \"max_lag\"?"; may be empty
};

/// `sluice.toml:12: routing.max_lagg: unknown key; did you mean "max_lag"?`
[[nodiscard]] std::string to_string(const Problem& problem);
std::ostream& operator<<(std::ostream& out, const Problem& problem);

/// Does one of them keep the configuration from being used?
[[nodiscard]] bool any_error(const std::vector<Problem>& problems);

/// Where in the file each key stands, for problems found after reading it.
class Places {
 public:
  struct Place {
    unsigned line = 0;
    unsigned column = 0;
  };

  Places() = default;
  explicit Places(std::string file) : file_(std::move(file)) {}

  /// `entry` counts the tables of a repeated section from 0; an empty `key`
  /// stands for the section's head. An empty section is the file itself.
  void put(std::string_view section, std::size_t entry, std::string_view key, Place place);

  /// The key's place, else its section's, else the file.
  [[nodiscard]] Place find(std::string_view section, std::size_t entry, std::string_view key) const;
  [[nodiscard]] bool has(std::string_view section, std::size_t entry, std::string_view key) const;
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::map<std::tuple<std::string, std::size_t, std::string>, Place> places_;
};

}  // namespace sluice::config
