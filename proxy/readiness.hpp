/// Whether applications can be sent here now. Pure.
#pragma once

#include <string>

#include "proxy/admin_target.hpp"

namespace sluice::proxy {

struct Readiness {
  bool ready = false;
  std::string why;  ///< in either case
};

/// Ready: it serves, and there is a primary or a replica that serves reads.
[[nodiscard]] Readiness readiness(const AdminTarget& target, routing::TimePoint now);

}  // namespace sluice::proxy
