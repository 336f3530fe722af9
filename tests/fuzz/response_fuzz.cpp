/// What a backend sends in one packet: every decoder, and OK both ways.
#include <cstdlib>

#include "protocol/packet.hpp"
#include "protocol/response.hpp"
#include "protocol/resultset.hpp"
#include "protocol/session_track.hpp"

using namespace sluice::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Capabilities capabilities = capability::protocol_41;
  if ((data[0] & 1) != 0) capabilities |= capability::session_track;
  if ((data[0] & 2) != 0) capabilities |= capability::deprecate_eof;
  if ((data[0] & 4) != 0) capabilities |= capability::optional_resultset_metadata;
  if ((data[0] & 8) != 0) capabilities |= capability::mariadb_extended_metadata;
  const Bytes payload{data + 2, size - 2};

  (void)decode_err(payload);
  (void)decode_eof(payload);
  (void)decode_prepare_ok(payload, capabilities);
  (void)decode_column(payload, capabilities);
  (void)decode_column_count(payload, capabilities);
  (void)decode_text_row(payload, data[1]);

  Buffer filtered;
  (void)filter_session_track(
      payload, [](const TrackEntry& entry) { return entry.name.size() % 2 == 0; }, filtered);

  const Result<OkPacket> ok = decode_ok(payload, capabilities);
  if (!ok) return 0;
  Buffer out;
  append_ok(out, *ok, capabilities, 1);
  // A payload that fills packets is framed as several; nothing here is as long.
  const Result<OkPacket> again = decode_ok(Bytes(out).subspan(packet_header_size), capabilities);
  if (!again || again->info != ok->info || again->affected_rows != ok->affected_rows ||
      as_text(again->session_state) != as_text(ok->session_state))
    std::abort();
  return 0;
}
