#include "protocol/response.hpp"

#include <gtest/gtest.h>

#include "protocol/packet.hpp"
#include "tests/protocol/replay.hpp"

namespace sluice::protocol {
namespace {

constexpr Capabilities tracking = capability::protocol_41 | capability::session_track;

Bytes payload_of(const Buffer& packet) { return Bytes(packet).subspan(packet_header_size); }

TEST(Response, OkSurvivesBothWaysUnderAnyCapabilities) {
  const Buffer state = bytes({5, 9, 8, 'T', '_', '_', '_', '_', '_', '_', '_'});
  OkPacket ok;
  ok.affected_rows = 70'000;
  ok.last_insert_id = 5'000'000'000;
  ok.status = status::autocommit | status::in_transaction | status::session_state_changed;
  ok.warnings = 3;
  ok.info = "Rows matched: 1";
  ok.session_state = state;
  for (const Capabilities capabilities : {with_eof, without_eof, tracking}) {
    for (const bool as_eof : {false, true}) {
      ok.as_eof = as_eof;
      Buffer out;
      EXPECT_EQ(append_ok(out, ok, capabilities, 255), 0);
      const Result<OkPacket> read = decode_ok(payload_of(out), capabilities);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->affected_rows, ok.affected_rows);
      EXPECT_EQ(read->last_insert_id, ok.last_insert_id);
      EXPECT_EQ(read->warnings, ok.warnings);
      EXPECT_EQ(read->info, ok.info);
      EXPECT_EQ(read->as_eof, as_eof);
      const bool tracks = capabilities == tracking;
      EXPECT_EQ(as_text(read->session_state), tracks ? as_text(state) : "");
      EXPECT_EQ((read->status & status::session_state_changed) != 0, tracks);
      EXPECT_NE(read->status & status::in_transaction, 0);
    }
  }
}

TEST(Response, OkSaysThatStateChangedOnlyWithTheState) {
  Buffer out;
  append_ok(out, {.status = status::session_state_changed, .info = "text"}, tracking, 1);
  const Result<OkPacket> read = decode_ok(payload_of(out), tracking);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 0);
  EXPECT_EQ(read->info, "text");
}

TEST(Response, OkReadsInfoWithAndWithoutALengthInFront) {
  const Buffer counted = bytes({0, 1, 0, 2, 0, 0, 0, 2, 'h', 'i'});
  const Buffer plain = bytes({0, 1, 0, 2, 0, 0, 0, 'h', 'i'});
  EXPECT_EQ(decode_ok(counted, with_eof)->info, "hi");
  EXPECT_EQ(decode_ok(plain, with_eof)->info, "hi");
}

TEST(Response, OkIsRefusedWhenCutOrOfAnotherKind) {
  const Buffer whole = bytes({0, 1, 0, 2, 0x40, 0, 0, 2, 'h', 'i', 3, 1, 1, 0});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    // Both servers leave out what is empty at the end.
    if (size == 7 || size == 10)
      EXPECT_TRUE(decode_ok(cut, tracking)) << size;
    else
      EXPECT_EQ(decode_ok(cut, tracking).error(), Errc::truncated) << size;
  }
  EXPECT_EQ(decode_ok(bytes({3, 0, 0, 0, 0, 0, 0}), tracking).error(), Errc::unexpected_packet);
}

TEST(Response, ErrSurvivesBothWays) {
  Buffer out;
  append_err(out, {1045, "28000", "Access denied"}, with_eof, 2);
  const Result<ErrPacket> read = decode_err(payload_of(out));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, 1045);
  EXPECT_EQ(read->sql_state, "28000");
  EXPECT_EQ(read->message, "Access denied");
}

TEST(Response, ErrBeforeTheHandshakeHasNoState) {
  Buffer out;
  append_err(out, {1040, "08004", "Too many connections"}, 0, 0);
  const Result<ErrPacket> read = decode_err(payload_of(out));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->sql_state, "");
  EXPECT_EQ(read->message, "Too many connections");
}

TEST(Response, ErrWithoutAStateIsSentAsGeneral) {
  Buffer out;
  append_err(out, {1105, "", "x"}, with_eof, 0);
  EXPECT_EQ(decode_err(payload_of(out))->sql_state, "HY000");
}

TEST(Response, EofSurvivesBothWays) {
  Buffer out;
  append_eof(out, {.warnings = 7, .status = status::cursor_exists}, with_eof, 4);
  EXPECT_EQ(out, bytes({5, 0, 0, 4, 0xfe, 7, 0, 0x40, 0}));
  EXPECT_EQ(decode_eof(payload_of(out))->warnings, 7);
  EXPECT_EQ(decode_eof(payload_of(out))->status, status::cursor_exists);
}

TEST(Response, TheEndOfRowsIsAnOkWhereEofIsDeprecated) {
  Buffer out;
  append_end(out, {.status = status::autocommit}, without_eof, 9);
  EXPECT_EQ(out, bytes({7, 0, 0, 9, 0xfe, 0, 0, 2, 0, 0, 0}));
}

TEST(Response, PrepareOkSurvivesBothWays) {
  const Capabilities optional = with_eof | capability::optional_resultset_metadata;
  const PrepareOk ok{.statement_id = 0xfffffffe,
                     .columns = 3,
                     .parameters = 65535,
                     .warnings = 1,
                     .metadata_follows = 0};
  for (const Capabilities capabilities : {with_eof, optional}) {
    Buffer out;
    append_prepare_ok(out, ok, capabilities, 1);
    const Result<PrepareOk> read = decode_prepare_ok(payload_of(out), capabilities);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->statement_id, ok.statement_id);
    EXPECT_EQ(read->columns, 3);
    EXPECT_EQ(read->parameters, 65535);
    EXPECT_EQ(read->warnings, 1);
    EXPECT_EQ(read->definitions_follow(), capabilities == with_eof);
  }
}

TEST(Response, ShortPacketsAreTruncatedNotRead) {
  const Buffer prepare = bytes({0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0});
  for (std::size_t size = 0; size < prepare.size(); ++size) {
    const Buffer cut(prepare.begin(), prepare.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(decode_prepare_ok(cut, with_eof).error(), Errc::truncated);
  }
  for (std::size_t size = 0; size < 3; ++size) {
    const Buffer cut(size, 0xff);
    EXPECT_EQ(decode_err(cut).error(), Errc::truncated);
  }
  for (std::size_t size = 0; size < 5; ++size) {
    const Buffer cut(size, 0xfe);
    EXPECT_EQ(decode_eof(cut).error(), Errc::truncated);
  }
}

}  // namespace
}  // namespace sluice::protocol
