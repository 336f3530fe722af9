#include "protocol/response.hpp"

#include "protocol/packet.hpp"

namespace sluice::protocol {
namespace {

constexpr std::size_t sql_state_size = 5;

}  // namespace

Result<OkPacket> decode_ok(Bytes payload, Capabilities capabilities) {
  Reader reader(payload);
  const std::uint8_t header = reader.int1();
  if (!reader.ok()) return Errc::truncated;
  if (header != header_ok && header != header_eof) return Errc::unexpected_packet;

  OkPacket ok;
  ok.as_eof = header == header_eof;
  ok.affected_rows = reader.lenenc();
  ok.last_insert_id = reader.lenenc();
  ok.status = reader.int2();
  ok.warnings = reader.int2();
  if (!reader.ok()) return Errc::truncated;
  if (reader.empty()) return ok;

  if ((capabilities & capability::session_track) == 0) {
    // The manual says "up to the end of the packet", yet both servers put a
    // length in front and libmysqlclient skips it: take either.
    Reader counted(reader.rest());
    const std::string_view info = counted.lenenc_text();
    ok.info = counted.ok() && counted.empty() ? info : as_text(reader.rest());
    return ok;
  }
  ok.info = reader.lenenc_text();
  if ((ok.status & status::session_state_changed) != 0 && !reader.empty())
    ok.session_state = reader.lenenc_bytes();
  if (!reader.ok()) return Errc::truncated;
  return ok;
}

Result<ErrPacket> decode_err(Bytes payload) {
  Reader reader(payload);
  if (reader.int1() != header_err) return reader.ok() ? Errc::unexpected_packet : Errc::truncated;
  ErrPacket err;
  err.code = reader.int2();
  if (!reader.ok()) return Errc::truncated;
  const std::string_view rest = as_text(reader.rest());
  if (rest.size() > sql_state_size && rest.front() == '#') {
    err.sql_state = rest.substr(1, sql_state_size);
    err.message = rest.substr(1 + sql_state_size);
  } else {
    err.message = rest;
  }
  return err;
}

Result<EofPacket> decode_eof(Bytes payload) {
  Reader reader(payload);
  if (reader.int1() != header_eof) return reader.ok() ? Errc::unexpected_packet : Errc::truncated;
  EofPacket eof;
  eof.warnings = reader.int2();
  eof.status = reader.int2();
  if (!reader.ok()) return Errc::truncated;
  if (!reader.empty()) return Errc::malformed;
  return eof;
}

Result<PrepareOk> decode_prepare_ok(Bytes payload, Capabilities capabilities) {
  Reader reader(payload);
  if (reader.int1() != header_ok) return reader.ok() ? Errc::unexpected_packet : Errc::truncated;
  PrepareOk ok;
  ok.statement_id = reader.int4();
  ok.columns = reader.int2();
  ok.parameters = reader.int2();
  reader.int1();
  ok.warnings = reader.int2();
  if (!reader.ok()) return Errc::truncated;
  if ((capabilities & capability::optional_resultset_metadata) != 0 && !reader.empty())
    ok.metadata_follows = reader.int1();
  return ok;
}

std::uint8_t append_ok(Buffer& out, const OkPacket& ok, Capabilities capabilities,
                       std::uint8_t sequence) {
  const bool tracks = (capabilities & capability::session_track) != 0 && !ok.session_state.empty();
  const auto bits = static_cast<std::uint16_t>(
      tracks ? ok.status | status::session_state_changed
             : ok.status & static_cast<std::uint16_t>(~status::session_state_changed));

  Buffer payload;
  payload.reserve(32 + ok.info.size() + ok.session_state.size());
  Writer writer(payload);
  writer.int1(ok.as_eof ? header_eof : header_ok);
  writer.lenenc(ok.affected_rows).lenenc(ok.last_insert_id).int2(bits).int2(ok.warnings);
  // The length stands in front of the text under any capabilities: see decode_ok.
  if (!ok.info.empty() || tracks) writer.lenenc_text(ok.info);
  if (tracks) writer.lenenc_bytes(ok.session_state);
  return append_packet(out, payload, sequence);
}

std::uint8_t append_err(Buffer& out, const ErrPacket& err, Capabilities capabilities,
                        std::uint8_t sequence) {
  Buffer payload;
  payload.reserve(16 + err.message.size());
  Writer writer(payload);
  writer.int1(header_err).int2(err.code);
  if ((capabilities & capability::protocol_41) != 0)
    writer.int1('#').text(err.sql_state.size() == sql_state_size ? err.sql_state : "HY000");
  writer.text(err.message);
  return append_packet(out, payload, sequence);
}

std::uint8_t append_eof(Buffer& out, const EofPacket& eof, Capabilities /*capabilities*/,
                        std::uint8_t sequence) {
  Buffer payload;
  Writer(payload).int1(header_eof).int2(eof.warnings).int2(eof.status);
  return append_packet(out, payload, sequence);
}

std::uint8_t append_end(Buffer& out, const EofPacket& end, Capabilities capabilities,
                        std::uint8_t sequence) {
  if ((capabilities & capability::deprecate_eof) == 0)
    return append_eof(out, end, capabilities, sequence);
  OkPacket ok;
  ok.status = end.status;
  ok.warnings = end.warnings;
  ok.as_eof = true;
  return append_ok(out, ok, capabilities, sequence);
}

std::uint8_t append_prepare_ok(Buffer& out, const PrepareOk& ok, Capabilities capabilities,
                               std::uint8_t sequence) {
  Buffer payload;
  Writer writer(payload);
  writer.int1(header_ok).int4(ok.statement_id).int2(ok.columns).int2(ok.parameters);
  writer.int1(0).int2(ok.warnings);
  if ((capabilities & capability::optional_resultset_metadata) != 0)
    writer.int1(ok.metadata_follows.value_or(1));
  return append_packet(out, payload, sequence);
}

}  // namespace sluice::protocol
