#include "proxy/last_look.hpp"

namespace sluice::proxy {
namespace {

routing::Flavour flavour_of(const LastLook& look) {
  return look.flavour == "mariadb" ? routing::Flavour::mariadb : routing::Flavour::mysql;
}

routing::Observation recall(const LastLook& look) {
  routing::Observation seen;
  seen.flavour = flavour_of(look);
  seen.server_uuid = look.server_uuid;
  seen.server_id = look.server_id;
  if (auto gtid = routing::GtidSet::parse(look.gtid, seen.flavour)) seen.gtid = std::move(*gtid);
  if (auto written = routing::parse_positions(look.written)) seen.written = std::move(*written);
  return seen;
}

}  // namespace

std::optional<LastLook> look_at(const routing::BackendView& primary) {
  if (!primary.seen || !primary.seen->gtid) return std::nullopt;
  LastLook look{.name = primary.name,
                .flavour = std::string(to_string(primary.seen->flavour)),
                .server_uuid = primary.seen->server_uuid,
                .server_id = primary.seen->server_id,
                .gtid = primary.seen->gtid->to_string(),
                .written = {}};
  for (const auto& at : primary.seen->written)
    look.written += std::to_string(at.domain) + '-' + std::to_string(at.server_id) + '-' +
                    std::to_string(at.sequence) + ',';
  return look;
}

void add_to_look(LastLook& look, const routing::GtidSet& acknowledged) {
  if (acknowledged.empty()) return;
  if (const auto gtid = routing::GtidSet::parse(look.gtid, flavour_of(look)))
    look.gtid = gtid->merge(acknowledged).to_string();
}

void amend(routing::Topology& topology, const FailoverState& state) {
  if (!state.appointed.empty()) topology.last_primary = state.appointed;
  if (!state.last_look || state.last_look->name != topology.last_primary) return;
  const routing::Observation before = recall(*state.last_look);
  for (auto& view : topology.backends)
    if (view.name == state.last_look->name && !view.seen) view.seen = before;
  if (!topology.primary_gtid && before.gtid)
    topology.primary_gtid = routing::PrimaryGtid{routing::TimePoint{}, *before.gtid};
}

}  // namespace sluice::proxy
