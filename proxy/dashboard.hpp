/// The dashboard: one page, embedded in the binary, that asks /api for its data.
///
/// proxy/dashboard/index.html is its source; CMake turns it into a .cpp.
#pragma once

#include <string>
#include <string_view>

namespace sluice::proxy {

[[nodiscard]] const std::string& dashboard_page();

/// Its Content-Security-Policy: nothing but its own script and style, by their
/// hashes, and requests to where it came from.
[[nodiscard]] const std::string& dashboard_policy();

/// The policy of a page with one <script> and one <style>.
[[nodiscard]] std::string policy_for(std::string_view page);

}  // namespace sluice::proxy
