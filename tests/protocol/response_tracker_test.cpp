#include "protocol/response_tracker.hpp"

#include <gtest/gtest.h>

#include "tests/protocol/replay.hpp"

namespace sluice::protocol {
namespace {

using Packet = ResponseTracker::Packet;
using Held = std::vector<Packet>;

/// Every stream is met with and without EOF packets.
class Tracker : public testing::TestWithParam<Capabilities> {
 protected:
  [[nodiscard]] Packet end() const {
    return (GetParam() & capability::deprecate_eof) != 0 ? Packet::ok : Packet::eof;
  }
};

INSTANTIATE_TEST_SUITE_P(Eof, Tracker, testing::Values(with_eof, without_eof));

/// Replays whole, by single bytes and cut at every byte, with bytes of the
/// next exchange behind: one outcome, and those bytes are not touched.
Outcome sweep(ReplyKind kind, Capabilities capabilities, const Buffer& reply,
              std::uint8_t after_infile = 0) {
  Stream stream{kind, capabilities, reply, after_infile};
  const Outcome whole = replay(stream);
  EXPECT_FALSE(whole.error) << whole.error.message();
  EXPECT_TRUE(whole.done);
  EXPECT_EQ(whole.passed, reply);
  const Buffer next_exchange = bytes({7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0});
  stream.bytes.insert(stream.bytes.end(), next_exchange.begin(), next_exchange.end());
  EXPECT_EQ(replay(stream), whole);
  EXPECT_EQ(replay(stream, 0, 1), whole);
  for (std::size_t cut = 1; cut < reply.size(); ++cut)
    EXPECT_EQ(replay(stream, cut, stream.bytes.size()), whole) << "cut at " << cut;
  // A reply that ends early is waited for, not finished.
  for (std::size_t size = 0; size < reply.size(); ++size) {
    stream.bytes.assign(reply.begin(), reply.begin() + static_cast<std::ptrdiff_t>(size));
    const Outcome cut = replay(stream);
    EXPECT_FALSE(cut.done || cut.error) << "ends at " << size;
  }
  return whole;
}

TEST(ResponseTracker, CommandsWithoutAReplyAreDoneAtOnce) {
  EXPECT_TRUE(ResponseTracker(ReplyKind::none, with_eof).done());
}

TEST_P(Tracker, HoldsOkAndErr) {
  const Outcome ok =
      sweep(ReplyKind::query, GetParam(), Reply(GetParam()).ok(status::in_transaction).out());
  EXPECT_EQ(ok.held, Held{Packet::ok});
  EXPECT_EQ(ok.status, status::in_transaction);
  const Outcome err = sweep(ReplyKind::query, GetParam(), Reply(GetParam()).err().out());
  EXPECT_EQ(err.held, Held{Packet::err});
  EXPECT_TRUE(err.in_error);
}

TEST_P(Tracker, PassesRowsAndHoldsTheirEnd) {
  const Reply reply =
      Reply(GetParam()).columns(2).row().row("yy").row("").end(status::no_index_used);
  for (const ReplyKind kind : {ReplyKind::query, ReplyKind::execute}) {
    const Outcome outcome = sweep(kind, GetParam(), reply.out());
    EXPECT_EQ(outcome.held, Held{end()});
    EXPECT_EQ(outcome.rows, 3U);
    EXPECT_EQ(outcome.result_sets, 1U);
    EXPECT_EQ(outcome.status, status::no_index_used);
  }
}

TEST_P(Tracker, TakesNoRowsAtAll) {
  const Outcome outcome =
      sweep(ReplyKind::query, GetParam(), Reply(GetParam()).columns(1).end().out());
  EXPECT_EQ(outcome.rows, 0U);
  EXPECT_EQ(outcome.held, Held{end()});
}

TEST_P(Tracker, AnErrAmongRowsEndsTheReply) {
  const Outcome outcome =
      sweep(ReplyKind::query, GetParam(), Reply(GetParam()).columns(1).row().err().out());
  EXPECT_EQ(outcome.held, Held{Packet::err});
  EXPECT_EQ(outcome.rows, 1U);
  EXPECT_TRUE(outcome.in_error);
}

TEST_P(Tracker, WalksSeveralResults) {
  const Reply reply = Reply(GetParam())
                          .columns(1)
                          .row()
                          .end(status::more_results_exist)
                          .ok(status::more_results_exist)
                          .columns(2)
                          .end(status::more_results_exist)
                          .ok();
  const Outcome outcome = sweep(ReplyKind::query, GetParam(), reply.out());
  EXPECT_EQ(outcome.held, (Held{end(), Packet::ok, end(), Packet::ok}));
  EXPECT_EQ(outcome.result_sets, 2U);
}

TEST_P(Tracker, AnErrEndsSeveralResults) {
  const Reply reply = Reply(GetParam()).ok(status::more_results_exist).err();
  EXPECT_TRUE(sweep(ReplyKind::query, GetParam(), reply.out()).in_error);
}

TEST_P(Tracker, OneByteRowsAreRows) {
  // NULL alone; an empty string alone; both could be heads.
  const Reply reply = Reply(GetParam()).columns(1).packet(bytes({0xfb})).packet(bytes({0})).end();
  EXPECT_EQ(sweep(ReplyKind::query, GetParam(), reply.out()).rows, 2U);
}

TEST_P(Tracker, PrepareListsParametersAndColumns) {
  const auto reply = [&](std::uint16_t columns, std::uint16_t parameters) {
    const PrepareOk ok{.statement_id = 1, .columns = columns, .parameters = parameters};
    Buffer head;
    append_prepare_ok(head, ok, GetParam(), 0);
    Reply made(GetParam());
    made.packet(Bytes(head).subspan(packet_header_size));
    for (const std::uint16_t count : {parameters, columns}) {
      for (int i = 0; i < count; ++i) made.column();
      if (count > 0) made.definitions_end();
    }
    return made;
  };
  const bool eof = end() == Packet::eof;
  const Held ended = eof ? Held{Packet::prepare_ok, Packet::eof} : Held{Packet::prepare_ok};
  EXPECT_EQ(sweep(ReplyKind::prepare, GetParam(), reply(0, 0).out()).held,
            Held{Packet::prepare_ok});
  EXPECT_EQ(sweep(ReplyKind::prepare, GetParam(), reply(2, 0).out()).held, ended);
  EXPECT_EQ(sweep(ReplyKind::prepare, GetParam(), reply(0, 3).out()).held, ended);
  EXPECT_EQ(sweep(ReplyKind::prepare, GetParam(), reply(2, 3).out()).held, ended);
  EXPECT_TRUE(sweep(ReplyKind::prepare, GetParam(), Reply(GetParam()).err().out()).in_error);
}

TEST_P(Tracker, PrepareWithoutDefinitionsKeepsTheirEofs) {
  const Capabilities capabilities = GetParam() | capability::optional_resultset_metadata;
  Reply reply(capabilities);
  reply.packet(bytes({0, 1, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0}));
  reply.definitions_end().definitions_end();
  const Held held =
      end() == Packet::eof ? Held{Packet::prepare_ok, Packet::eof} : Held{Packet::prepare_ok};
  EXPECT_EQ(sweep(ReplyKind::prepare, capabilities, reply.out()).held, held);
}

TEST_P(Tracker, DefinitionsMayBeLeftOut) {
  for (const Capabilities agreed :
       {capability::optional_resultset_metadata, capability::mariadb_cache_metadata}) {
    const Capabilities capabilities = GetParam() | agreed;
    Reply bare(capabilities);
    bare.packet(bytes({2, 0})).definitions_end().row().end();
    EXPECT_EQ(sweep(ReplyKind::execute, capabilities, bare.out()).rows, 1U);
    Reply full(capabilities);
    full.packet(bytes({2, 1})).column().column().definitions_end().row().end();
    EXPECT_EQ(sweep(ReplyKind::execute, capabilities, full.out()).rows, 1U);
  }
}

TEST_P(Tracker, ACursorLeavesTheRowsOut) {
  Reply reply(GetParam());
  reply.packet(bytes({1})).column().end(status::cursor_exists);
  const Outcome outcome = sweep(ReplyKind::execute, GetParam(), reply.out());
  EXPECT_TRUE(outcome.cursor_open);
  EXPECT_EQ(outcome.held, Held{end()});
  EXPECT_EQ(outcome.status, status::cursor_exists);
}

TEST_P(Tracker, FetchIsRowsWithoutAHead) {
  const Outcome outcome =
      sweep(ReplyKind::fetch, GetParam(), Reply(GetParam()).row().row().end().out());
  EXPECT_EQ(outcome.rows, 2U);
  EXPECT_EQ(sweep(ReplyKind::fetch, GetParam(), Reply(GetParam()).end(status::last_row_sent).out())
                .status,
            status::last_row_sent);
  EXPECT_TRUE(sweep(ReplyKind::fetch, GetParam(), Reply(GetParam()).err().out()).in_error);
}

TEST_P(Tracker, FieldListIsDefinitionsUpToTheirEnd) {
  const Reply reply = Reply(GetParam()).column().column().end();
  EXPECT_EQ(sweep(ReplyKind::field_list, GetParam(), reply.out()).held, Held{end()});
}

TEST_P(Tracker, SimpleRepliesAreOkEofOrErr) {
  EXPECT_EQ(sweep(ReplyKind::simple, GetParam(), Reply(GetParam()).ok().out()).held,
            Held{Packet::ok});
  EXPECT_EQ(sweep(ReplyKind::simple, GetParam(), Reply(GetParam()).end().out()).held, Held{end()});
  EXPECT_EQ(sweep(ReplyKind::simple, GetParam(), Reply(GetParam()).err().out()).held,
            Held{Packet::err});
}

TEST_P(Tracker, StatisticsAreOnePacketOfText) {
  const Outcome outcome = sweep(ReplyKind::statistics, GetParam(),
                                Reply(GetParam()).packet(as_bytes("Uptime: 1  Threads: 2")).out());
  EXPECT_TRUE(outcome.held.empty());
  EXPECT_TRUE(sweep(ReplyKind::statistics, GetParam(), Reply(GetParam()).err().out()).in_error);
}

TEST_P(Tracker, LocalInfileGoesOnBehindTheClientsFile) {
  const Reply reply =
      Reply(GetParam()).ok(status::more_results_exist).packet(bytes("\xfb/tmp/x")).sequence(9).ok();
  const Outcome outcome = sweep(ReplyKind::query, GetParam(), reply.out(), 9);
  EXPECT_EQ(outcome.infiles, 1);
  EXPECT_EQ(outcome.held, (Held{Packet::ok, Packet::ok}));
}

TEST_P(Tracker, ABackendMayNotTalkWhileItAwaitsAFile) {
  const Reply reply = Reply(GetParam()).packet(bytes("\xfb/tmp/x")).ok();
  ResponseTracker tracker(ReplyKind::query, GetParam());
  const Result<ResponseTracker::Step> asked = tracker.next(reply.out());
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->what, What::local_infile);
  EXPECT_TRUE(tracker.awaits_infile());
  EXPECT_EQ(tracker.next({})->what, What::need_more);
  EXPECT_EQ(tracker.next(Bytes(reply.out()).subspan(asked->size)).error(), Errc::unexpected_packet);
}

TEST_P(Tracker, ProgressReportsAreNoErrors) {
  const Reply reply = Reply(GetParam()).progress().columns(1).row().progress().row().end();
  const Outcome outcome = sweep(ReplyKind::query, GetParam(), reply.out());
  EXPECT_FALSE(outcome.in_error);
  EXPECT_EQ(outcome.rows, 2U);
  EXPECT_EQ(outcome.held, Held{end()});
  EXPECT_EQ(sweep(ReplyKind::query, GetParam(), Reply(GetParam()).progress().ok().out()).held,
            Held{Packet::ok});
}

TEST(ResponseTracker, OutParametersAnnounceMoreResultsOnlyAheadOfTheirRow) {
  // MySQL clears both bits before the row's own EOF: sql/protocol_classic.cc,
  // Protocol_binary::send_parameters.
  const Reply reply = Reply(with_eof)
                          .columns(1, status::ps_out_params | status::more_results_exist)
                          .row()
                          .eof(status::autocommit)
                          .ok();
  EXPECT_EQ(sweep(ReplyKind::execute, with_eof, reply.out()).held, (Held{Packet::eof, Packet::ok}));
}

TEST(ResponseTracker, AnEofAmongDeprecatedOnesStillEndsRows) {
  // MySQL ends a partial result inside a procedure so: end_partial_result_set.
  const Reply reply = Reply(without_eof).columns(1).row().eof(status::more_results_exist).ok();
  EXPECT_EQ(sweep(ReplyKind::query, without_eof, reply.out()).held,
            (Held{Packet::eof, Packet::ok}));
}

/// A row whose one text value makes a payload of `size` bytes.
Buffer row_of(std::size_t size) {
  Buffer payload;
  Writer writer(payload);
  // Eight bytes of length even where fewer would do: the row begins with 0xfe.
  writer.int1(0xfe).int8(size - 9).zeros(size - 9);
  return payload;
}

TEST_P(Tracker, PayloadsOfMaximumSizeContinue) {
  for (const std::size_t size :
       {std::size_t{max_packet_payload} - 1, std::size_t{max_packet_payload},
        std::size_t{max_packet_payload} + 1, std::size_t{max_packet_payload} * 2}) {
    Buffer payload = row_of(size);
    // What a continuation begins with means nothing: here it looks like ERR.
    if (payload.size() > max_packet_payload) payload[max_packet_payload] = 0xff;
    // Where EOF is deprecated a shorter packet with 0xfe in front is an OK.
    if (size < max_packet_payload) payload[0] = 0xfd;
    Reply reply(GetParam());
    reply.columns(1).row("a").packet(payload).row("z").end();
    Stream stream{ReplyKind::query, GetParam(), reply.out()};
    const Outcome whole = replay(stream);
    EXPECT_TRUE(whole.done) << size << " " << whole.error.message();
    EXPECT_EQ(whole.rows, 3U);
    EXPECT_EQ(whole.held, Held{end()});
    EXPECT_EQ(whole.passed.size(), stream.bytes.size());
    EXPECT_EQ(replay(stream, 100, 5'000'001), whole);
  }
}

TEST(ResponseTracker, ARowMayBeginWithAnEofByte) {
  const Reply reply = Reply(with_eof).columns(1).packet(row_of(9)).packet(row_of(300)).eof();
  EXPECT_EQ(sweep(ReplyKind::query, with_eof, reply.out()).rows, 2U);
}

TEST(ResponseTracker, SequenceNumbersWrap) {
  Reply reply(without_eof);
  reply.columns(1);
  for (int i = 0; i < 600; ++i) reply.row();
  reply.end();
  EXPECT_EQ(replay(ReplyKind::query, without_eof, reply).rows, 600U);
}

TEST(ResponseTracker, AReplyToALongCommandStartsBehindItsLastPacket) {
  const Reply reply = Reply(with_eof, 4).ok();
  ResponseTracker tracker(ReplyKind::query, with_eof, 4);
  EXPECT_EQ(tracker.next(reply.out())->what, What::held);
  tracker.reset(ReplyKind::query, with_eof);
  EXPECT_EQ(tracker.next(reply.out()).error(), Errc::out_of_sequence);
}

TEST_P(Tracker, AJumpInTheSequenceIsAnErrorThatStays) {
  const auto broken = {
      Reply(GetParam()).sequence(2).ok(),
      Reply(GetParam()).columns(1).row().sequence(99).row().end(),
      Reply(GetParam()).columns(1).row().sequence(99).end(),
      Reply(GetParam()).columns(1).row().sequence(99).err(),
      Reply(GetParam()).packet(bytes({1})).sequence(7).column(),
  };
  for (const Reply& reply : broken)
    EXPECT_EQ(replay(ReplyKind::query, GetParam(), reply).error, Errc::out_of_sequence);
}

TEST_P(Tracker, AnErrInFrontMayHaveAnyNumber) {
  const Reply reply = Reply(GetParam(), 0).err(4031);
  for (const ReplyKind kind : {ReplyKind::query, ReplyKind::fetch, ReplyKind::simple}) {
    const Outcome outcome = replay(kind, GetParam(), reply);
    EXPECT_TRUE(outcome.done && outcome.in_error);
  }
}

TEST_P(Tracker, LiesAreRefused) {
  const auto error = [&](ReplyKind kind, const Buffer& payload) {
    return replay(kind, GetParam(), Reply(GetParam()).packet(payload)).error;
  };
  EXPECT_EQ(error(ReplyKind::query, {}), Errc::malformed);
  EXPECT_EQ(error(ReplyKind::query, bytes({0})), Errc::malformed) << "an OK without status";
  EXPECT_EQ(error(ReplyKind::query, bytes({0xfd, 0, 0, 1})), Errc::malformed) << "65,536 columns";
  EXPECT_EQ(error(ReplyKind::query, bytes({0xff, 1})), Errc::malformed) << "half a code";
  EXPECT_EQ(error(ReplyKind::query, Buffer(20, 7)), Errc::malformed) << "no column count";
  EXPECT_EQ(error(ReplyKind::prepare, bytes({0, 1, 0})), Errc::malformed);
  EXPECT_EQ(error(ReplyKind::prepare, bytes({1})), Errc::unexpected_packet);
  EXPECT_EQ(error(ReplyKind::simple, bytes({1})), Errc::unexpected_packet);
}

TEST_P(Tracker, HeldPacketsHaveALimit) {
  for (const int header : {0x00, 0xff, 0xfb}) {
    Buffer huge(ResponseTracker::max_held_payload + 1, 1);
    huge[0] = static_cast<std::uint8_t>(header);
    EXPECT_EQ(replay(ReplyKind::query, GetParam(), Reply(GetParam()).packet(huge)).error,
              Errc::too_large);
  }
}

TEST_P(Tracker, WhatCameBeforeALieIsPassedOn) {
  const Reply good = Reply(GetParam()).columns(1).row();
  Reply reply = good;
  reply.packet({});
  const Outcome outcome = replay(ReplyKind::query, GetParam(), reply);
  EXPECT_EQ(outcome.error, Errc::malformed);
  EXPECT_EQ(outcome.passed, good.out());
}

}  // namespace
}  // namespace sluice::protocol
