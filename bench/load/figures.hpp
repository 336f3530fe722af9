/// What a run of the load generator has found.
#pragma once

#include <cstdint>
#include <string>

#include "bench/load/histogram.hpp"

namespace sluice::load {

/// User and system time and context switches of this process.
struct Usage {
  double user_seconds = 0;
  double system_seconds = 0;
  long voluntary_switches = 0;
  long involuntary_switches = 0;

  friend Usage operator-(const Usage& later, const Usage& earlier) {
    return {later.user_seconds - earlier.user_seconds,
            later.system_seconds - earlier.system_seconds,
            later.voluntary_switches - earlier.voluntary_switches,
            later.involuntary_switches - earlier.involuntary_switches};
  }
};
[[nodiscard]] Usage usage_now();

struct Figures {
  std::uint64_t statements = 0;  ///< answered without an error; of a storm, whole visits
  std::uint64_t replies = 0;     ///< that came in the measured time, whatever they answer
  std::uint64_t errors = 0;      ///< ERR packets and lost connections
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of replies
  std::uint64_t unfinished = 0;
  unsigned lost_connections = 0;
  double login_seconds = 0;  ///< for all connections, one after the other
  double seconds = 0;
  Histogram latency;
  Histogram slow_latency;  ///< of the other statement, if there is one
  Usage usage;             ///< over the measured time
  std::string first_error;
};

}  // namespace sluice::load
