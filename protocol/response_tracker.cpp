#include "protocol/response_tracker.hpp"

#include <algorithm>
#include <cassert>

#include "protocol/response.hpp"

namespace sluice::protocol {
namespace {

using Step = ResponseTracker::Step;

/// An EOF's payload is shorter than this; a row that begins with 0xfe is not.
constexpr std::uint32_t eof_payload_bound = 9;
constexpr std::uint32_t eof_payload = 5;
/// MariaDB: an ERR with this code reports progress and ends nothing.
constexpr std::uint16_t progress_report = 0xffff;

}  // namespace

/// Each function that is given a walk either moves `pos` on or ends the walk.
/// A packet that is held or refused comes first in a step: what was passed
/// before it is handed out on its own, and the packet is met again.
struct ResponseTracker::Walk {
  Bytes available;
  std::size_t pos = 0;
  bool over = false;
  Step step;
  bool failed = false;
  Errc error = Errc::malformed;

  [[nodiscard]] std::size_t left() const noexcept { return available.size() - pos; }
  [[nodiscard]] Bytes payload(PacketHeader header) const noexcept {
    return available.subspan(pos + packet_header_size, header.payload_size);
  }
  void forward() noexcept {
    over = true;
    step.what = Step::What::forward;
    step.size = pos;
  }
  /// True if `size` bytes of the packet at `pos` are there; else ends the walk.
  [[nodiscard]] bool need(std::size_t size) noexcept {
    if (left() >= size) return true;
    if (pos > 0) {
      forward();
    } else {
      over = true;
      step.what = Step::What::need_more;
      step.size = size;
    }
    return false;
  }
  /// True if nothing was passed yet; else ends the walk with what was.
  [[nodiscard]] bool first() noexcept {
    if (pos > 0) forward();
    return pos == 0;
  }
  void fail(Errc code) noexcept {
    if (!first()) return;
    over = failed = true;
    error = code;
  }
};

void ResponseTracker::reset(ReplyKind kind, Capabilities capabilities,
                            std::uint8_t first_sequence) noexcept {
  *this = ResponseTracker();
  kind_ = kind;
  capabilities_ = capabilities;
  sequence_ = first_sequence;
  switch (kind) {
    case ReplyKind::none: state_ = State::done; break;
    case ReplyKind::fetch:
    case ReplyKind::field_list: state_ = State::rows; break;
    default: state_ = State::head; break;
  }
}

void ResponseTracker::infile_sent(std::uint8_t next_sequence) noexcept {
  assert(state_ == State::infile && "infile_sent() without a local_infile step");
  sequence_ = next_sequence;
  state_ = State::head;
}

Result<Step> ResponseTracker::next(Bytes available) noexcept {
  assert(state_ != State::done && "next() behind the end of a reply");
  if (state_ == State::failed) return error_;

  Walk walk{.available = available};
  while (!walk.over) {
    if (body_left_ > 0)
      pass_body(walk);
    else if (state_ == State::rows && !continues_)
      walk_rows(walk);
    else
      packet(walk);
  }
  if (walk.failed) {
    state_ = State::failed;
    error_ = walk.error;
    return error_;
  }
  walk.step.done = done();
  if (walk.step.what != Step::What::need_more) bytes_ += walk.step.size;
  return walk.step;
}

/// The tight loop: whole rows, one after another. What is no plain row in its
/// one packet is left to packet().
void ResponseTracker::walk_rows(Walk& walk) noexcept {
  const std::uint8_t* const end = walk.available.data() + walk.available.size();
  const std::uint8_t* at = walk.available.data() + walk.pos;
  std::uint8_t sequence = sequence_;
  std::uint64_t rows = 0;
  while (static_cast<std::size_t>(end - at) > packet_header_size) {
    const PacketHeader header = decode_header(at);
    const std::uint8_t first = at[packet_header_size];
    if (header.sequence != sequence || first >= header_eof || header.continues() ||
        header.payload_size == 0)
      break;
    const std::size_t size = packet_header_size + header.payload_size;
    ++sequence;
    ++rows;
    if (static_cast<std::size_t>(end - at) < size) {
      body_left_ = static_cast<std::uint32_t>(size - static_cast<std::size_t>(end - at));
      at = end;
      break;
    }
    at += size;
  }
  walk.pos = static_cast<std::size_t>(at - walk.available.data());
  sequence_ = sequence;
  rows_ += rows;
  if (body_left_ > 0)
    walk.forward();
  else
    packet(walk);
}

void ResponseTracker::packet(Walk& walk) noexcept {
  if (state_ == State::infile) {
    if (walk.need(1)) walk.fail(Errc::unexpected_packet);
    return;
  }
  if (!walk.need(packet_header_size)) return;
  const PacketHeader header = decode_header(walk.available.data() + walk.pos);
  if (continues_) {
    if (header.sequence != sequence_) return walk.fail(Errc::out_of_sequence);
    return begin_body(header);
  }
  if (header.payload_size == 0)
    return walk.fail(header.sequence == sequence_ ? Errc::malformed : Errc::out_of_sequence);
  if (!walk.need(packet_header_size + 1)) return;

  const std::uint8_t first = walk.available[walk.pos + packet_header_size];
  const bool error = first == header_err;
  const bool opens = state_ == State::head || (bytes_ == 0 && walk.pos == 0);
  if (header.sequence != sequence_ && !(error && opens)) return walk.fail(Errc::out_of_sequence);
  if (error) return err(walk, header);

  switch (state_) {
    case State::head: return head(walk, header);
    case State::definitions: --left_; return begin_body(header);
    case State::definitions_end: return definitions_end(walk, header);
    case State::rows: {
      // A text value of 2^24 bytes or more begins with 0xfe, too.
      const std::uint32_t bound =
          has(capability::deprecate_eof) ? max_packet_payload : eof_payload_bound;
      if (first == header_eof && header.payload_size < bound)
        return header.payload_size == eof_payload || !has(capability::deprecate_eof)
                   ? eof(walk, header)
                   : ok(walk, header);
      ++rows_;
      return begin_body(header);
    }
    default: return walk.fail(Errc::unexpected_packet);
  }
}

void ResponseTracker::head(Walk& walk, PacketHeader header) noexcept {
  const std::uint8_t first = walk.available[walk.pos + packet_header_size];
  switch (kind_) {
    case ReplyKind::statistics: state_ = State::last_body; return begin_body(header);
    case ReplyKind::prepare:
      return first == header_ok ? prepare_ok(walk, header) : walk.fail(Errc::unexpected_packet);
    case ReplyKind::simple:
      if (first == header_ok) return ok(walk, header);
      if (first != header_eof) return walk.fail(Errc::unexpected_packet);
      return header.payload_size == eof_payload ? eof(walk, header) : ok(walk, header);
    default: break;
  }
  if (first == header_ok) return ok(walk, header);
  if (first != header_local_infile) return column_count(walk, header);

  if (header.payload_size > max_held_payload) return walk.fail(Errc::too_large);
  if (!walk.first() || !walk.need(packet_header_size + header.payload_size)) return;
  hold(walk, header, Packet::none);
  walk.step.what = Step::What::local_infile;
  state_ = State::infile;
}

void ResponseTracker::column_count(Walk& walk, PacketHeader header) noexcept {
  // A length-encoded integer and at most one byte on metadata.
  if (header.payload_size > 10) return walk.fail(Errc::malformed);
  if (!walk.need(packet_header_size + header.payload_size)) return;
  Reader reader(walk.payload(header));
  const std::uint64_t count = reader.lenenc();
  bool sent = true;
  if (has(capability::optional_resultset_metadata | capability::mariadb_cache_metadata))
    sent = reader.int1() != 0;
  if (!reader.ok() || count == 0 || count > max_columns) return walk.fail(Errc::malformed);
  ++result_sets_;
  more_after_out_params_ = false;
  begin_body(header);
  pass_body(walk);
  begin_definitions(static_cast<std::uint32_t>(count), sent);
}

void ResponseTracker::prepare_ok(Walk& walk, PacketHeader header) noexcept {
  if (header.payload_size > max_held_payload) return walk.fail(Errc::too_large);
  if (!walk.first() || !walk.need(packet_header_size + header.payload_size)) return;
  const Result<PrepareOk> ok = decode_prepare_ok(walk.payload(header), capabilities_);
  if (!ok) return walk.fail(Errc::malformed);
  hold(walk, header, Packet::prepare_ok);
  definitions_sent_ = ok->definitions_follow();
  columns_then_ = ok->columns;
  if (ok->parameters > 0)
    begin_definitions(ok->parameters, definitions_sent_);
  else
    end_definitions();
}

/// `sent` is false where the peers agreed to leave definitions out; the EOF
/// behind them stays (sql/protocol_classic.cc, end_result_metadata).
void ResponseTracker::begin_definitions(std::uint32_t count, bool sent) noexcept {
  left_ = sent ? count : 0;
  state_ = State::definitions;
  if (left_ > 0) return;
  if (has(capability::deprecate_eof))
    end_definitions();
  else
    state_ = State::definitions_end;
}

void ResponseTracker::end_definitions() noexcept {
  if (kind_ != ReplyKind::prepare) {
    state_ = State::rows;
  } else if (columns_then_ > 0) {
    const std::uint16_t columns = columns_then_;
    columns_then_ = 0;
    begin_definitions(columns, definitions_sent_);
  } else {
    state_ = State::done;
  }
}

void ResponseTracker::definitions_end(Walk& walk, PacketHeader header) noexcept {
  if (header.payload_size != eof_payload) return walk.fail(Errc::unexpected_packet);
  if (!walk.need(packet_header_size + eof_payload)) return;
  const Result<EofPacket> end = decode_eof(walk.payload(header));
  if (!end) return walk.fail(Errc::unexpected_packet);

  const bool cursor = kind_ == ReplyKind::execute && (end->status & status::cursor_exists) != 0;
  const bool last = kind_ == ReplyKind::prepare && columns_then_ == 0;
  // A status bit speaks of trackers, which the client may not have asked for.
  const bool tells = (end->status & status::session_state_changed) != 0;
  if ((cursor || last || tells) && !walk.first()) return;
  status_ = end->status;
  if (cursor) {
    // The rows wait in the cursor: this EOF stands for the one behind them.
    cursor_open_ = true;
    hold(walk, header, Packet::eof);
    return end_result(end->status);
  }
  if (last) {
    hold(walk, header, Packet::eof);
    return end_definitions();
  }
  // Of a result set with OUT parameters only this EOF says that more comes;
  // libmysqlclient keeps the bit likewise (sql-common/client.cc, read_binary_rows).
  more_after_out_params_ =
      (end->status & status::ps_out_params) != 0 && (end->status & status::more_results_exist) != 0;
  if (tells) {
    hold(walk, header, Packet::eof);
    return end_definitions();
  }
  begin_body(header);
  pass_body(walk);
  end_definitions();
}

void ResponseTracker::ok(Walk& walk, PacketHeader header) noexcept {
  if (header.payload_size > max_held_payload) return walk.fail(Errc::too_large);
  if (!walk.first() || !walk.need(packet_header_size + header.payload_size)) return;
  Reader reader(walk.payload(header));
  reader.int1();
  reader.lenenc();
  reader.lenenc();
  const std::uint16_t bits = reader.int2();
  if (!reader.ok()) return walk.fail(Errc::malformed);
  status_ = bits;
  if (kind_ == ReplyKind::execute && (bits & status::cursor_exists) != 0) cursor_open_ = true;
  hold(walk, header, Packet::ok);
  end_result(bits);
}

void ResponseTracker::eof(Walk& walk, PacketHeader header) noexcept {
  if (!walk.first() || !walk.need(packet_header_size + header.payload_size)) return;
  const Result<EofPacket> end = decode_eof(walk.payload(header));
  if (!end) return walk.fail(Errc::malformed);
  status_ = end->status;
  hold(walk, header, Packet::eof);
  end_result(static_cast<std::uint16_t>(end->status |
                                        (more_after_out_params_ ? status::more_results_exist : 0)));
}

void ResponseTracker::err(Walk& walk, PacketHeader header) noexcept {
  if (header.payload_size > max_held_payload) return walk.fail(Errc::too_large);
  if (header.payload_size < 3) return walk.fail(Errc::malformed);
  if (!walk.need(packet_header_size + 3)) return;
  Reader reader(walk.available.subspan(walk.pos + packet_header_size + 1, 2));
  if (reader.int2() == progress_report) {
    if (header.sequence != sequence_) return walk.fail(Errc::out_of_sequence);
    return begin_body(header);
  }
  if (!walk.first() || !walk.need(packet_header_size + header.payload_size)) return;
  sequence_ = header.sequence;
  in_error_ = true;
  hold(walk, header, Packet::err);
  state_ = State::done;
}

void ResponseTracker::begin_body(PacketHeader header) noexcept {
  body_left_ = static_cast<std::uint32_t>(packet_header_size) + header.payload_size;
  continues_ = header.continues();
  ++sequence_;
}

void ResponseTracker::pass_body(Walk& walk) noexcept {
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(body_left_, walk.left()));
  walk.pos += size;
  body_left_ -= size;
  if (body_left_ > 0) {
    if (walk.pos > 0) return walk.forward();
    (void)walk.need(1);
    return;
  }
  if (continues_) return;
  if (state_ == State::last_body) {
    state_ = State::done;
  } else if (state_ == State::definitions && left_ == 0) {
    if (has(capability::deprecate_eof))
      end_definitions();
    else
      state_ = State::definitions_end;
  }
  if (done()) walk.forward();
}

void ResponseTracker::hold(Walk& walk, PacketHeader header, Packet packet) noexcept {
  ++sequence_;
  walk.over = true;
  walk.step.what = Step::What::held;
  walk.step.size = packet_header_size + header.payload_size;
  walk.step.packet = packet;
}

void ResponseTracker::end_result(std::uint16_t bits) noexcept {
  const bool several = kind_ == ReplyKind::query || kind_ == ReplyKind::execute;
  state_ = several && (bits & status::more_results_exist) != 0 ? State::head : State::done;
}

}  // namespace sluice::protocol
