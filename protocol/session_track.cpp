#include "protocol/session_track.hpp"

namespace sluice::protocol {
namespace {

/// Takes one name/value pair.
TrackEntry take_pair(Reader& pairs) noexcept {
  TrackEntry entry;
  const Bytes before = pairs.rest();
  entry.name = pairs.lenenc_text();
  entry.value = pairs.lenenc_text();
  entry.raw = before.first(before.size() - pairs.rest().size());
  return entry;
}

}  // namespace

std::optional<TrackEntry> SessionTrack::next() noexcept {
  while (ok()) {
    if (!pairs_.empty()) {
      const TrackEntry entry = take_pair(pairs_);
      if (!pairs_.ok()) return std::nullopt;
      return entry;
    }
    if (block_.empty()) return std::nullopt;

    TrackEntry entry;
    entry.type = static_cast<TrackType>(block_.int1());
    entry.raw = block_.lenenc_bytes();
    if (!block_.ok()) return std::nullopt;

    Reader data(entry.raw);
    switch (entry.type) {
      case TrackType::system_variables: pairs_ = data; continue;
      case TrackType::gtids:
        entry.gtid_encoding = data.int1();
        entry.value = data.lenenc_text();
        break;
      // One byte, '0' or '1', with no length of its own in front of it.
      case TrackType::state_change: entry.value = as_text(data.take_rest()); break;
      case TrackType::schema:
      case TrackType::transaction_characteristics:
      case TrackType::transaction_state: entry.value = data.lenenc_text(); break;
      default: return entry;
    }
    if (!data.ok()) {
      block_.fail();
      return std::nullopt;
    }
    return entry;
  }
  return std::nullopt;
}

void append_track_entry(Buffer& out, const TrackEntry& entry) {
  Buffer made;
  Bytes data = entry.raw;
  if (data.empty()) {
    Writer writer(made);
    if (entry.type == TrackType::system_variables) writer.lenenc_text(entry.name);
    if (entry.type == TrackType::gtids) writer.int1(entry.gtid_encoding);
    if (entry.type == TrackType::state_change) {
      writer.text(entry.value);
    } else if (entry.type <= TrackType::transaction_state) {
      writer.lenenc_text(entry.value);
    }
    data = made;
  }
  Writer(out).int1(static_cast<std::uint8_t>(entry.type)).lenenc_bytes(data);
}

}  // namespace sluice::protocol
