/// What differs between two configurations, knob by knob.
///
/// Backends and users are matched by name, so their order does not matter.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"

namespace sluice::config {

struct Change {
  std::string key;     ///< "routing.max_lag", "backend.db1.weight"; "backend.db3" as a whole
  std::string before;  ///< as TOML spells it; "***" for secrets; empty: was not there
  std::string after;   ///< the same; empty: is gone
  bool needs_restart = false;

  friend bool operator==(const Change&, const Change&) = default;
};

/// In the order of example.toml.
[[nodiscard]] std::vector<Change> diff(const Settings& running, const Settings& file);

}  // namespace sluice::config
