/// OK, ERR, EOF and PREPARE_OK packets: what they say, and how to say it.
///
/// Decoders take a payload without its 4-byte header; `append_*` write whole
/// packets with the given sequence number and return the number after it.
/// Both need the capabilities of the connection that the bytes belong to,
/// which always include protocol_41.
///
/// Errors: truncated, malformed, unexpected_packet (another header byte).
/// Lifetime: decoded views point into the payload and die with it.
/// Source: MySQL client/server protocol, "Generic Response Packets" and
/// "COM_STMT_PREPARE Response".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/constants.hpp"
#include "protocol/error.hpp"

namespace sluice::protocol {

struct OkPacket {
  std::uint64_t affected_rows = 0;
  std::uint64_t last_insert_id = 0;
  std::uint16_t status = 0;  ///< bits of namespace status
  std::uint16_t warnings = 0;
  std::string_view info;  ///< text for people, e.g. "Rows matched: 1  Changed: 1  Warnings: 0"
  Bytes session_state;    ///< tracker block for session_track.hpp; empty if there is none
  bool as_eof = false;    ///< header 0xfe: ends rows under deprecate_eof
};

struct ErrPacket {
  std::uint16_t code = 0;
  std::string_view sql_state;  ///< five characters; empty where the peer sent none
  std::string_view message;
};

struct EofPacket {
  std::uint16_t warnings = 0;
  std::uint16_t status = 0;
};

struct PrepareOk {
  std::uint32_t statement_id = 0;
  std::uint16_t columns = 0;
  std::uint16_t parameters = 0;
  std::uint16_t warnings = 0;
  /// Under optional_resultset_metadata: 0 none, 1 full; absent otherwise.
  std::optional<std::uint8_t> metadata_follows;

  [[nodiscard]] bool definitions_follow() const noexcept {
    return metadata_follows.value_or(1) != 0;
  }
};

/// Accepts the headers 0x00 and 0xfe.
[[nodiscard]] Result<OkPacket> decode_ok(Bytes payload, Capabilities capabilities);
/// Accepts ERR packets with and without an SQL state.
[[nodiscard]] Result<ErrPacket> decode_err(Bytes payload);
[[nodiscard]] Result<EofPacket> decode_eof(Bytes payload);
[[nodiscard]] Result<PrepareOk> decode_prepare_ok(Bytes payload, Capabilities capabilities);

/// The tracker block is written only under session_track; the
/// session_state_changed bit is made to agree with whether it was.
std::uint8_t append_ok(Buffer& out, const OkPacket& ok, Capabilities capabilities,
                       std::uint8_t sequence);
/// An empty or ill-sized `sql_state` is sent as "HY000".
std::uint8_t append_err(Buffer& out, const ErrPacket& err, Capabilities capabilities,
                        std::uint8_t sequence);
std::uint8_t append_eof(Buffer& out, const EofPacket& eof, Capabilities capabilities,
                        std::uint8_t sequence);
/// What ends a list of packets: an EOF, or an OK that stands for it under
/// deprecate_eof.
std::uint8_t append_end(Buffer& out, const EofPacket& end, Capabilities capabilities,
                        std::uint8_t sequence);
std::uint8_t append_prepare_ok(Buffer& out, const PrepareOk& ok, Capabilities capabilities,
                               std::uint8_t sequence);

}  // namespace sluice::protocol
