/// The clock that pure code reckons in; nobody here reads it.
///
/// Every function that depends on time takes the present as a parameter. Tests
/// make up time points; only proxy calls `Clock::now()`.
#pragma once

#include <chrono>

namespace sluice::routing {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::milliseconds;

}  // namespace sluice::routing
