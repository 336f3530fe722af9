/// Finds where the reply to a command ends, without copying or gathering it.
///
/// Give `next` the unconsumed bytes that came from the backend; it covers some
/// of them with a step and the caller drops those and calls again:
///
///     while (!tracker.done()) {
///       Result<Step> step = tracker.next(unread);
///       forward     pass `size` bytes on; many packets, cut anywhere
///       held        one whole packet that carries state: look, rewrite, pass on
///       local_infile  pass the packet on, stream the client's file to the
///                   backend, call infile_sent(), go on
///       need_more   read until `size` bytes are there in all, call again
///     }
///
/// Bytes behind the end of the reply are never covered: they belong to the
/// next exchange. Value type, cheap to make and to reset; allocates nothing.
///
/// Units: bytes on the wire, headers included.
/// An ERR that is the first packet may have any sequence number: a server that
/// gives up (timeout, KILL, a packet too large) counts from its own place.
///
/// Errors: out_of_sequence, malformed, too_large, unexpected_packet; once
/// reported, reported again by every call until reset.
/// Source: MySQL client/server protocol, "Command Phase"; MariaDB knowledge
/// base, "Result Set Packets"; sql/protocol_classic.cc for what a cursor and
/// suppressed metadata leave out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/bytes.hpp"
#include "protocol/constants.hpp"
#include "protocol/error.hpp"
#include "protocol/packet.hpp"

namespace sluice::protocol {

/// What the reply to a command looks like; see `reply_kind_of`.
enum class ReplyKind : std::uint8_t {
  none,        ///< no reply at all: QUIT, STMT_CLOSE, STMT_SEND_LONG_DATA
  query,       ///< OK, ERR, LOCAL INFILE or result sets, any number of them
  prepare,     ///< PREPARE_OK with definitions, or ERR
  execute,     ///< as query, in binary rows; a cursor leaves the rows out
  fetch,       ///< rows up to their end, without a head
  field_list,  ///< column definitions up to their end
  simple,      ///< one OK, EOF or ERR
  statistics,  ///< one packet of plain text, or ERR
};

class ResponseTracker {
 public:
  /// What a held packet is.
  enum class Packet : std::uint8_t { none, ok, err, eof, prepare_ok };

  struct Step {
    enum class What : std::uint8_t { forward, held, local_infile, need_more };
    What what = What::need_more;
    std::size_t size = 0;          ///< bytes at the front of what was given; for need_more the
                                   ///< total that must be there before a call can progress
    bool done = false;             ///< with this step the reply is complete
    Packet packet = Packet::none;  ///< held only; an `ok` may have the header 0xfe
  };

  /// A held packet's payload has to fit in memory; anything real does.
  static constexpr std::size_t max_held_payload = 1U << 20;
  static constexpr std::uint64_t max_columns = 65'535;

  ResponseTracker() noexcept = default;
  ResponseTracker(ReplyKind kind, Capabilities capabilities,
                  std::uint8_t first_sequence = 1) noexcept {
    reset(kind, capabilities, first_sequence);
  }
  /// Begins another reply. `capabilities` are those agreed with the backend;
  /// `first_sequence` follows the number of the command's last packet.
  void reset(ReplyKind kind, Capabilities capabilities, std::uint8_t first_sequence = 1) noexcept;

  /// Never called once done().
  [[nodiscard]] Result<Step> next(Bytes available) noexcept;

  /// After a local_infile step: the client's file, with its empty last
  /// packet, is on its way; `next_sequence` follows the number of that packet.
  void infile_sent(std::uint8_t next_sequence) noexcept;

  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
  [[nodiscard]] bool awaits_infile() const noexcept { return state_ == State::infile; }
  /// Nothing of the reply has been covered yet, not even a progress report.
  [[nodiscard]] bool untouched() const noexcept { return bytes_ == 0; }

  /// Status bits of the last OK or EOF seen, intermediate ones included.
  [[nodiscard]] std::uint16_t status() const noexcept { return status_; }
  /// Sequence number that the next packet must have.
  [[nodiscard]] std::uint8_t next_sequence() const noexcept { return sequence_; }
  [[nodiscard]] bool rows_begun() const noexcept { return rows_ != 0; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t result_sets() const noexcept { return result_sets_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// An ERR packet ended the reply.
  [[nodiscard]] bool in_error() const noexcept { return in_error_; }
  /// A cursor was opened: rows come by STMT_FETCH.
  [[nodiscard]] bool cursor_open() const noexcept { return cursor_open_; }

 private:
  enum class State : std::uint8_t {
    head,             ///< the first packet of a reply or of one of its result sets
    definitions,      ///< column definitions, `left_` of them
    definitions_end,  ///< the EOF behind them, where there is one
    rows,             ///< rows or, for field_list, definitions, up to their end
    last_body,        ///< the packet now passing is the last
    infile,           ///< the client's file is on its way
    done,
    failed,
  };
  struct Walk;  ///< where one call of next() stands

  void walk_rows(Walk& walk) noexcept;
  void packet(Walk& walk) noexcept;
  void head(Walk& walk, PacketHeader header) noexcept;
  void column_count(Walk& walk, PacketHeader header) noexcept;
  void prepare_ok(Walk& walk, PacketHeader header) noexcept;
  void definitions_end(Walk& walk, PacketHeader header) noexcept;
  void ok(Walk& walk, PacketHeader header) noexcept;
  void eof(Walk& walk, PacketHeader header) noexcept;
  void err(Walk& walk, PacketHeader header) noexcept;

  void begin_body(PacketHeader header) noexcept;
  void pass_body(Walk& walk) noexcept;
  void hold(Walk& walk, PacketHeader header, Packet packet) noexcept;
  void begin_definitions(std::uint32_t count, bool sent) noexcept;
  void end_definitions() noexcept;
  void end_result(std::uint16_t bits) noexcept;

  [[nodiscard]] bool has(Capabilities bit) const noexcept { return (capabilities_ & bit) != 0; }

  State state_ = State::done;
  ReplyKind kind_ = ReplyKind::none;
  std::uint8_t sequence_ = 1;
  std::uint16_t status_ = 0;
  std::uint16_t columns_then_ = 0;  ///< prepare: columns to come behind the parameters
  std::uint32_t left_ = 0;          ///< definitions still to begin
  std::uint32_t body_left_ = 0;     ///< bytes of the current packet still to pass
  bool continues_ = false;          ///< the next packet continues the payload
  bool definitions_sent_ = true;    ///< prepare: PREPARE_OK says that definitions follow
  bool more_after_out_params_ = false;
  bool in_error_ = false;
  bool cursor_open_ = false;
  Errc error_ = Errc::malformed;  ///< valid in State::failed
  Capabilities capabilities_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t result_sets_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::protocol
