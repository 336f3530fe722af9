/// The version of this build.
#pragma once

#include <string_view>

namespace sluice::proxy {

inline constexpr std::string_view version = SLUICE_VERSION;

}  // namespace sluice::proxy
