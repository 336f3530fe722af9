#include "routing/errant.hpp"

#include <algorithm>
#include <string>

namespace sluice::routing {
namespace {

bool comparable(const Observation& a, const Observation& b) {
  return a.flavour == b.flavour && a.gtid && b.gtid;
}

/// In the binary log of `log`, under the same domain and server.
bool has_written(const Observation& log, const GtidPosition& wanted) {
  return std::any_of(log.written.begin(), log.written.end(), [&](const GtidPosition& entry) {
    return entry.domain == wanted.domain && entry.server_id == wanted.server_id &&
           entry.sequence >= wanted.sequence;
  });
}

/// The last of each domain, and the last that it wrote itself.
std::vector<GtidPosition> marks_of(const Observation& backend) {
  std::vector<GtidPosition> marks = backend.gtid->mariadb();
  for (const GtidPosition& entry : backend.written)
    if (entry.server_id == backend.server_id) marks.push_back(entry);
  return marks;
}

GtidSet set_of(const std::vector<GtidPosition>& positions) {
  std::string text;
  for (const GtidPosition& at : positions)
    text += std::to_string(at.domain) + '-' + std::to_string(at.server_id) + '-' +
            std::to_string(at.sequence) + ',';
  return *GtidSet::parse(text, Flavour::mariadb);
}

/// Every transaction that a MySQL server could write, for the tags found in `among`.
GtidSet all_written_by(const std::string& uuid, const GtidSet& among) {
  constexpr auto everything = ":1-9223372036854775806,";
  std::string text = uuid + everything;
  for (const auto& entry : among.mysql())
    if (!entry.source.tag.empty()) text += uuid + ':' + entry.source.tag + everything;
  const auto parsed = GtidSet::parse(text, Flavour::mysql);
  return parsed ? *parsed : GtidSet();
}

}  // namespace

std::optional<GtidSet> missing_from(const Observation& primary, const Observation& backend) {
  if (!comparable(primary, backend)) return std::nullopt;
  GtidSet missing = backend.gtid->subtract(*primary.gtid);
  if (backend.flavour == Flavour::mysql) return missing;
  std::vector<GtidPosition> marks;
  for (const GtidPosition& mark : marks_of(backend))
    if (!has_written(primary, mark)) marks.push_back(mark);
  return missing.merge(set_of(marks));
}

std::optional<GtidSet> errant_beside(const Observation& primary, const Observation& backend) {
  if (!comparable(primary, backend)) return std::nullopt;
  if (backend.flavour == Flavour::mysql) {
    const GtidSet more = backend.gtid->subtract(*primary.gtid);
    return more.subtract(all_written_by(primary.server_uuid, more));
  }
  std::vector<GtidPosition> marks;
  for (const GtidPosition& mark : marks_of(backend))
    if (mark.server_id != primary.server_id && !has_written(primary, mark)) marks.push_back(mark);
  return set_of(marks);
}

}  // namespace sluice::routing
