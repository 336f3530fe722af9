/// Checks what a single value cannot show: ranges, what is required, what must be
/// unique, what must not go together.
///
/// Pure: whether files exist is asked by load.hpp, which calls this after
/// reading. Finds everything at once.
#pragma once

#include <vector>

#include "config/problem.hpp"
#include "config/settings.hpp"

namespace sluice::config {

/// `places` lends the problems their lines; without it they have none. A key that
/// stands in the file is never called missing: its value has been faulted already.
[[nodiscard]] std::vector<Problem> validate(const Settings& settings, const Places& places = {});

}  // namespace sluice::config
