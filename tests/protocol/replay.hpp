/// Replies as bytes, and a caller for ResponseTracker that does what a link
/// does: for tests of whole streams and of streams cut anywhere.
///
/// Every call of the tracker sees its bytes in an allocation of their own
/// size, so that AddressSanitizer reports a read past their end.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "protocol/response.hpp"
#include "protocol/response_tracker.hpp"
#include "protocol/resultset.hpp"

namespace sluice::protocol {

using What = ResponseTracker::Step::What;

inline constexpr Capabilities with_eof = capability::protocol_41;
inline constexpr Capabilities without_eof = capability::protocol_41 | capability::deprecate_eof;

inline Buffer bytes(std::initializer_list<int> list) {
  Buffer made;
  for (const int value : list) made.push_back(static_cast<std::uint8_t>(value));
  return made;
}

inline Buffer bytes(std::string_view text) { return {text.begin(), text.end()}; }

/// Writes a reply packet by packet.
class Reply {
 public:
  explicit Reply(Capabilities capabilities, std::uint8_t sequence = 1)
      : capabilities_(capabilities), sequence_(sequence) {}

  Reply& packet(Bytes payload) {
    sequence_ = append_packet(out_, payload, sequence_);
    return *this;
  }
  Reply& ok(std::uint16_t status = status::autocommit) {
    sequence_ = append_ok(out_, {.status = status}, capabilities_, sequence_);
    return *this;
  }
  Reply& err(std::uint16_t code = 1064) {
    sequence_ = append_err(out_, {code, "42000", "no"}, capabilities_, sequence_);
    return *this;
  }
  Reply& eof(std::uint16_t status = status::autocommit) {
    sequence_ = append_eof(out_, {.status = status}, capabilities_, sequence_);
    return *this;
  }
  /// EOF or OK, as agreed.
  Reply& end(std::uint16_t status = status::autocommit) {
    sequence_ = append_end(out_, {.status = status}, capabilities_, sequence_);
    return *this;
  }
  Reply& column() {
    Buffer payload;
    encode_column(payload, {.name = "c"}, capabilities_);
    return packet(payload);
  }
  /// Column count, definitions, and their EOF where it is agreed.
  Reply& columns(std::uint8_t count, std::uint16_t status = status::autocommit) {
    packet(Buffer{count});
    for (int i = 0; i < count; ++i) column();
    return definitions_end(status);
  }
  Reply& definitions_end(std::uint16_t status = status::autocommit) {
    return (capabilities_ & capability::deprecate_eof) != 0 ? *this : eof(status);
  }
  Reply& row(std::string_view text = "x") {
    Buffer payload;
    Writer(payload).lenenc_text(text);
    return packet(payload);
  }
  Reply& progress() { return packet(bytes({0xff, 0xff, 0xff, 1, 1, 2, 9, 9, 0, 1, 'x'})); }
  Reply& sequence(std::uint8_t next) {
    sequence_ = next;
    return *this;
  }

  [[nodiscard]] const Buffer& out() const { return out_; }
  [[nodiscard]] std::uint8_t next() const { return sequence_; }

 private:
  Capabilities capabilities_;
  Buffer out_;
  std::uint8_t sequence_;
};

/// What came of a replay. Two replays of one stream must be equal however the
/// stream was cut.
struct Outcome {
  bool done = false;
  boost::system::error_code error;
  Buffer passed;  ///< all bytes that were forwarded, held or asked for a file
  std::vector<ResponseTracker::Packet> held;
  int infiles = 0;
  std::uint16_t status = 0;
  std::uint64_t rows = 0;
  std::uint64_t result_sets = 0;
  bool in_error = false;
  bool cursor_open = false;

  bool operator==(const Outcome&) const = default;
};

struct Stream {
  ReplyKind kind = ReplyKind::query;
  Capabilities capabilities = 0;
  Buffer bytes;
  std::uint8_t after_infile = 0;  ///< sequence number behind the client's file
};

/// Gives the tracker the first `cut` bytes, then `step` more whenever it has
/// used up what it can.
inline Outcome replay(const Stream& stream, std::size_t cut, std::size_t step) {
  Outcome outcome;
  ResponseTracker tracker(stream.kind, stream.capabilities);
  std::size_t begin = 0;
  std::size_t end = std::min(cut, stream.bytes.size());
  while (!tracker.done()) {
    const auto at = [&](std::size_t i) {
      return stream.bytes.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const Buffer unread(at(begin), at(end));
    const Result<ResponseTracker::Step> next = tracker.next(unread);
    if (!next) {
      outcome.error = next.error();
      EXPECT_EQ(tracker.next(unread).error(), outcome.error) << "an error stays";
      break;
    }
    if (next->what == What::need_more) {
      EXPECT_GT(next->size, unread.size());
      if (end == stream.bytes.size()) break;
      end = std::min(end + step, stream.bytes.size());
      continue;
    }
    EXPECT_GT(next->size, 0U);
    EXPECT_LE(next->size, unread.size());
    EXPECT_EQ(next->done, tracker.done());
    if (next->size == 0 || next->size > unread.size()) break;
    outcome.passed.insert(outcome.passed.end(), at(begin), at(begin + next->size));
    begin += next->size;
    if (next->what == What::held) {
      const PacketHeader header = decode_header(unread.data());
      EXPECT_EQ(next->size, header.payload_size + packet_header_size);
      outcome.held.push_back(next->packet);
    }
    if (next->what == What::local_infile) {
      ++outcome.infiles;
      tracker.infile_sent(stream.after_infile);
    }
  }
  outcome.done = tracker.done();
  outcome.status = tracker.status();
  outcome.rows = tracker.rows();
  outcome.result_sets = tracker.result_sets();
  outcome.in_error = tracker.in_error();
  outcome.cursor_open = tracker.cursor_open();
  EXPECT_EQ(tracker.bytes(), outcome.passed.size());
  return outcome;
}

inline Outcome replay(const Stream& stream) { return replay(stream, stream.bytes.size(), 1); }

inline Outcome replay(ReplyKind kind, Capabilities capabilities, const Reply& reply) {
  return replay(Stream{kind, capabilities, reply.out()});
}

}  // namespace sluice::protocol
