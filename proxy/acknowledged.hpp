/// What clients were told is committed, since the primary was last probed.
///
/// A failover must not give it up unasked. Each worker notes the GTID of a write
/// before its OK leaves for the client; the control plane gathers them and forgets
/// what a probe of the primary has shown meanwhile, so it stays small.
///
/// Thread: note() by each worker in its own slot; gather() and forget() by anyone.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "routing/gtid.hpp"

namespace sluice::proxy {

class Acknowledged {
 public:
  explicit Acknowledged(std::size_t workers);

  void note(std::size_t worker, const routing::GtidSet& gtid);
  [[nodiscard]] routing::GtidSet gather() const;
  /// What the primary has shown need not be remembered here.
  void forget(const routing::GtidSet& shown);

 private:
  struct Slot {
    mutable std::mutex mutex;
    std::vector<routing::GtidSet> recent;
  };

  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace sluice::proxy
