/// Bugs that a test build has on request, to show that the differential test finds them.
///
/// A build with the CMake option SLUICE_PLANTED_BUGS forgets the kind of state that the
/// environment variable SLUICE_TEST_FORGET names; tests/differential/planted.py goes
/// through all of them. In every other build forgets() is a constant, and no code.
#pragma once

#include <cstdlib>
#include <string_view>

namespace sluice::proxy {

#ifdef SLUICE_PLANTED_BUGS
[[nodiscard]] inline bool forgets(std::string_view kind) noexcept {
  static const char* const asked = std::getenv("SLUICE_TEST_FORGET");
  return asked != nullptr && kind == asked;
}
#else
[[nodiscard]] constexpr bool forgets(std::string_view) noexcept { return false; }
#endif

}  // namespace sluice::proxy
