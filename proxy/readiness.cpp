#include "proxy/readiness.hpp"

#include <fmt/format.h>

#include "proxy/admin_views.hpp"

namespace sluice::proxy {

Readiness readiness(const AdminTarget& target, routing::TimePoint now) {
  switch (target.phase()) {
    case Phase::starting: return {false, "starting: not every backend has answered or failed yet"};
    case Phase::draining: return {false, "draining: Sluice has been told to stop"};
    case Phase::serving: break;
  }
  const auto topology = target.topology();
  const routing::BackendView* primary = topology->primary_view();
  if (primary != nullptr && primary->admin.state == routing::AdminState::online)
    return {true, fmt::format("primary {} ({})", primary->name,
                              routing::to_string(topology->primary_reason))};
  const std::string primary_lacks =
      primary != nullptr
          ? fmt::format("the primary {} is {}", primary->name,
                        routing::to_string(primary->admin.state))
          : fmt::format("no primary ({})", routing::to_string(topology->primary_reason));
  std::string others;
  for (const routing::BackendView& backend : topology->backends) {
    const std::string_view why_not = excluded(backend, target.settings(), now);
    if (why_not.empty())
      return {true, fmt::format("{}, but {} serves reads", primary_lacks, backend.name)};
    others += fmt::format("; {}: {}", backend.name, why_not);
  }
  return {false, fmt::format("{}, and nobody serves reads{}", primary_lacks, others)};
}

}  // namespace sluice::proxy
