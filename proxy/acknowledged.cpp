#include "proxy/acknowledged.hpp"

#include <algorithm>

namespace sluice::proxy {
namespace {

// So many single GTIDs become one set; probes that fail must not make them pile up.
constexpr std::size_t many = 4096;

}  // namespace

Acknowledged::Acknowledged(std::size_t workers) {
  for (std::size_t i = 0; i < workers; ++i) slots_.push_back(std::make_unique<Slot>());
}

void Acknowledged::note(std::size_t worker, const routing::GtidSet& gtid) {
  Slot& slot = *slots_[worker];
  const std::scoped_lock lock(slot.mutex);
  slot.recent.push_back(gtid);
  if (slot.recent.size() < many) return;
  routing::GtidSet all = routing::GtidSet::merge_all(slot.recent);
  slot.recent.clear();
  slot.recent.push_back(std::move(all));
}

routing::GtidSet Acknowledged::gather() const {
  std::vector<routing::GtidSet> all;
  for (const auto& slot : slots_) {
    const std::scoped_lock lock(slot->mutex);
    all.insert(all.end(), slot->recent.begin(), slot->recent.end());
  }
  return routing::GtidSet::merge_all(all);
}

void Acknowledged::forget(const routing::GtidSet& shown) {
  for (const auto& slot : slots_) {
    const std::scoped_lock lock(slot->mutex);
    std::erase_if(slot->recent, [&](const routing::GtidSet& gtid) { return shown.covers(gtid); });
  }
}

}  // namespace sluice::proxy
