/// Do clients still get answers from a primary that is in doubt? One of three votes.
///
/// Ask it often, also while all is well: what it compares with is the last time that the
/// backend was up. Silence alone is no evidence, for there may be nobody who asks: only
/// with links lost or commands unanswered. Thread: its owner's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "routing/topology.hpp"

namespace sluice::proxy {

class TrafficWatch {
 public:
  /// `answered` and `errors` only grow; `in_flight` is of now.
  [[nodiscard]] bool lost(const routing::BackendView& primary, std::uint64_t answered,
                          std::uint64_t errors, std::uint64_t in_flight) {
    if (primary.health.state == routing::Health::up || name_ != primary.name) {
      name_ = primary.name;
      answered_ = answered;
      errors_ = errors;
      return false;
    }
    // What was on its way when the doubt began may still have come in.
    const bool silent = std::exchange(answered_, answered) == answered;
    return silent && (errors > errors_ || in_flight > 0);
  }

 private:
  std::string name_;
  std::uint64_t answered_ = 0;
  std::uint64_t errors_ = 0;
};

}  // namespace sluice::proxy
