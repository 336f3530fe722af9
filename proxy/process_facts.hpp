/// What the kernel knows of this process.
///
/// Errors: a file of /proc that cannot be read leaves its facts 0.
/// Source: proc(5).
#pragma once

#include <cstdint>

namespace sluice::proxy {

struct ProcessFacts {
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  double cpu_seconds = 0;  ///< user and system
  double started_at = 0;   ///< seconds since 1970
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;  ///< 0: no limit
  std::uint64_t threads = 0;
};

[[nodiscard]] ProcessFacts read_process_facts();

}  // namespace sluice::proxy
