#include "proxy/relay.hpp"

#include <gmock/gmock.h>

#include "tests/proxy/recording_sink.hpp"
#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Buffer;
using protocol::Bytes;
using protocol::Reply;
using protocol::ReplyKind;

constexpr std::size_t buffer_limit = 16 * 1024;

class RelayTest : public Stage {
 protected:
  void TearDown() override {
    client_.stream->close();
    Stage::TearDown();
  }
  /// Queues `syncs` state exchanges and the statement behind them, and sets the
  /// waiting for the reply going.
  void ask(std::string_view sql, unsigned syncs = 0, protocol::Capabilities client = modern,
           ReplyKind kind = ReplyKind::query) {
    relay_.begin(client, routing::Flavour::mariadb);
    for (unsigned i = 0; i < syncs; ++i)
      link_->send(query_packet("SET x=1"), ReplyKind::query, &relay_, Relay::sync_tag);
    relay_.expect_syncs(syncs);
    link_->send(query_packet(sql), kind, &relay_, Relay::main_tag);
    link_->flush();
    wait();
  }
  void wait() {
    end_.reset();
    start(relay_.wait(link_), [this](RelayEnd end) { end_ = end; });
  }
  [[nodiscard]] RelayEnd end() {
    EXPECT_TRUE(until([&] { return end_.has_value(); })) << "the wait for the reply hangs";
    return end_.value();
  }
  [[nodiscard]] Buffer finished() {
    EXPECT_FALSE(run(relay_.finish()));
    return client_.peer.take();
  }

  Connection client_ = connect_pair();
  LinkAndPeer backend_ = open_pair();
  std::shared_ptr<Link>& link_ = backend_.link;
  Relay relay_{*client_.stream, buffer_limit};
  std::optional<RelayEnd> end_;
  const Buffer ok_ = Reply(modern).ok().out();
  const Buffer rows_ = Reply(modern).columns(1).row().row().end().out();
};

// A client that reads slowly must not stop the neighbours of its statement.
TEST_F(RelayTest, LeavesASharedLinkToItselfOnceItsReplyIsBig) {
  RecordingSink neighbour;
  link_->shared = true;
  relay_.begin(modern, routing::Flavour::mariadb);
  relay_.share(*link_);
  link_->send(query_packet("SELECT big"), ReplyKind::query, &relay_, Relay::main_tag);
  link_->send(query_packet("SELECT 1"), ReplyKind::query, &neighbour, 7);
  link_->flush();
  wait();
  const std::string value(buffer_limit / 2, 'x');
  const Buffer begun = Reply(modern).columns(1).row(value).out();
  backend_.peer.send(begun);
  ASSERT_TRUE(until([&] { return link_->depth() == 2; }));
  settle();
  EXPECT_TRUE(link_->shared);
  EXPECT_TRUE(client_.peer.take().empty());  // it may yet have to be asked again elsewhere

  const Buffer whole = Reply(modern).columns(1).row(value).row(value).row(value).end().out();
  backend_.peer.send(Bytes(whole).subspan(begun.size()));
  backend_.peer.send(rows_);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_FALSE(link_->shared);
  EXPECT_EQ(neighbour.last_error, moved_elsewhere);
  Buffer got = client_.peer.take();
  EXPECT_EQ(joined(got, finished()), whole);
}

TEST_F(RelayTest, SaysThatItWasMovedFromASharedLink) {
  RecordingSink slow;
  link_->shared = true;
  link_->send(query_packet("SELECT SLEEP(1)"), ReplyKind::query, &slow, 7);
  relay_.begin(modern, routing::Flavour::mariadb);
  relay_.share(*link_);
  link_->send(query_packet("SELECT 1"), ReplyKind::query, &relay_, Relay::main_tag);
  link_->flush();
  wait();
  link_->evacuate();
  EXPECT_EQ(end(), RelayEnd::moved);
  link_->abandon(&slow);
}

TEST_F(RelayTest, HoldsBackTheFinalPacketUntilFinished) {
  ask("DO 1");
  backend_.peer.send(ok_);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(client_.peer.take().empty());
  EXPECT_FALSE(relay_.reached_client());
  EXPECT_EQ(finished(), ok_);
}

TEST_F(RelayTest, PassesRowsOnAsTheyCame) {
  ask("SELECT");
  backend_.peer.send(rows_);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_EQ(finished(), rows_);
}

TEST_F(RelayTest, HoldsTheFinalPacketBackBehindManyRows) {
  Reply reply(modern);
  reply.columns(1);
  for (int i = 0; i < 100; ++i) reply.row(std::string(1000, 'x'));
  const std::size_t body = reply.out().size();
  reply.end();
  ask("SELECT");
  backend_.peer.send(reply.out());
  EXPECT_EQ(end(), RelayEnd::complete);
  Buffer arrived = client_.peer.take();
  EXPECT_LE(arrived.size(), body);
  arrived = joined(std::move(arrived), finished());
  EXPECT_EQ(arrived, reply.out());
}

TEST_F(RelayTest, DiscardsAReplyThatTheClientMustNotSee) {
  ask("SELECT");
  backend_.peer.send(rows_);
  EXPECT_EQ(end(), RelayEnd::complete);
  relay_.discard();
  EXPECT_TRUE(finished().empty());
}

TEST_F(RelayTest, HidesTrackersThatTheClientDoesNotExpect) {
  ask("SET …");
  backend_.peer.send(ok_with_trackers(
      {{"autocommit", "ON"}, {"last_gtid", "0-1-7"}, {"sql_mode", "ANSI"}}, "shop"));
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_EQ(finished(), ok_with_trackers({{"autocommit", "ON"}}, "shop"));
}

TEST_F(RelayTest, TakesTheTrackersFromAClientWithoutSessionTrack) {
  constexpr auto plain = modern & ~protocol::capability::session_track;
  ask("SET …", 0, plain);
  backend_.peer.send(ok_with_trackers({{"autocommit", "ON"}}, "shop"));
  EXPECT_EQ(end(), RelayEnd::complete);
  Buffer expected;
  protocol::append_ok(expected, {.status = protocol::status::autocommit}, plain, 1);
  EXPECT_EQ(finished(), expected);
}

TEST_F(RelayTest, RewritesEveryOkForAClientWithoutSessionTrack) {
  constexpr auto plain = modern & ~protocol::capability::session_track;
  ask("DO 1; DO 2", 0, plain);
  constexpr auto more = protocol::status::autocommit | protocol::status::more_results_exist;
  Buffer sent;
  Buffer expected;
  protocol::append_ok(sent, {.status = more, .info = "first"}, modern, 1);
  protocol::append_ok(expected, {.status = more, .info = "first"}, plain, 1);
  protocol::append_ok(sent, {.affected_rows = 3, .info = "second"}, modern, 2);
  protocol::append_ok(expected, {.affected_rows = 3, .info = "second"}, plain, 2);
  backend_.peer.send(sent);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_EQ(finished(), expected);
}

TEST_F(RelayTest, TellsWhatTheReplySaidOfTheSession) {
  ask("INSERT");
  Buffer reply = ok_with_trackers({{"last_gtid", "0-1-7"}, {"sql_mode", "ANSI"}});
  backend_.peer.send(reply);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(relay_.summary().trackers_heard);
  EXPECT_TRUE(relay_.summary().state_learned);
  EXPECT_FALSE(relay_.summary().one_shot_set);
  EXPECT_FALSE(relay_.summary().failed);
  EXPECT_TRUE(relay_.summary().gtid.covers(
      routing::GtidSet::parse("0-1-7", routing::Flavour::mariadb).value()));
}

TEST_F(RelayTest, TellsOfVariablesThatCannotBeReplayed) {
  ask("SET insert_id=5");
  backend_.peer.send(ok_with_trackers({{"insert_id", "5"}}));
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(relay_.summary().one_shot_set);
  EXPECT_FALSE(relay_.summary().state_learned);
}

TEST_F(RelayTest, ForgetsTheLastReply) {
  ask("INSERT");
  backend_.peer.send(ok_with_trackers({{"last_gtid", "0-1-7"}, {"sql_mode", "ANSI"}}, "shop"));
  EXPECT_EQ(end(), RelayEnd::complete);
  (void)finished();
  ask("SELECT");
  backend_.peer.send(rows_);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(relay_.summary().gtid.empty());
  EXPECT_FALSE(relay_.summary().state_learned);
  EXPECT_EQ(finished(), rows_);
}

// What decides that a statement was misrouted (P2).
TEST_F(RelayTest, ShowsALoneErrorBeforeTheClientDoes) {
  ask("SELECT f()");
  const Buffer refusal = Reply(modern).err(1792).out();
  backend_.peer.send(refusal);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(relay_.lone_error());
  EXPECT_TRUE(relay_.summary().failed);
  EXPECT_EQ(relay_.summary().error_code, 1792);
  EXPECT_TRUE(client_.peer.take().empty());
  EXPECT_EQ(finished(), refusal);
}

TEST_F(RelayTest, DoesNotTakeAnErrorBehindRowsForALoneOne) {
  ask("SELECT");
  backend_.peer.send(Reply(modern).columns(1).row().err(1792).out());
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_TRUE(relay_.summary().failed);
  EXPECT_FALSE(relay_.lone_error());
}

TEST_F(RelayTest, DoesNotTakeAnErrorBehindAResultForALoneOne) {
  ask("DO 1; INSERT");
  backend_.peer.send(Reply(modern).ok(protocol::status::more_results_exist).err(1792).out());
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_FALSE(relay_.lone_error());
}

TEST_F(RelayTest, SaysThatNothingReachedTheClientWhenTheLinkIsLost) {
  ask("SELECT");
  backend_.peer.send(Reply(modern).columns(1).row().out());
  backend_.peer.hang_up();
  EXPECT_EQ(end(), RelayEnd::lost);
  EXPECT_TRUE(client_.peer.take().empty());
}

TEST_F(RelayTest, SaysThatAPartReachedTheClientWhenTheLinkIsLost) {
  ask("SELECT");
  Reply reply(modern);
  reply.columns(1);
  for (int i = 0; i < 40; ++i) reply.row(std::string(1000, 'x'));
  backend_.peer.send(reply.out());
  backend_.peer.hang_up();
  EXPECT_EQ(end(), RelayEnd::cut);
  EXPECT_FALSE(client_.peer.take().empty());
}

TEST_F(RelayTest, CompletesAlthoughTheLinkIsLostRightBehindTheReply) {
  ask("SELECT");
  backend_.peer.send(rows_);
  backend_.peer.hang_up();
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_EQ(finished(), rows_);
}

TEST_F(RelayTest, SaysNothingOfStateExchangesThatSucceed) {
  ask("SELECT", 2);
  backend_.peer.send(joined(joined(ok_with_trackers({{"sql_mode", "ANSI"}}), ok_), rows_));
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_FALSE(relay_.summary().state_learned);
  EXPECT_EQ(finished(), rows_);
}

TEST_F(RelayTest, DropsTheReplyBehindStateThatWasRefused) {
  ask("SELECT", 2);
  backend_.peer.send(joined(joined(Reply(modern).err(1231).out(), ok_), rows_));
  EXPECT_EQ(end(), RelayEnd::sync_failed);
  EXPECT_EQ(protocol::decode_err(relay_.sync_error()).value().code, 1231);
  EXPECT_FALSE(relay_.reached_client());
  relay_.discard();
  EXPECT_TRUE(finished().empty());
}

TEST_F(RelayTest, WaitsForAllOfTheReplyBehindStateThatWasRefused) {
  ask("SELECT", 1);
  backend_.peer.send(Reply(modern).err(1231).out());
  settle();
  EXPECT_FALSE(end_);
  backend_.peer.send(rows_);
  EXPECT_EQ(end(), RelayEnd::sync_failed);
  EXPECT_TRUE(link_->quiet());
}

TEST_F(RelayTest, ReportsTheFirstOfSeveralRefusals) {
  ask("SELECT", 2);
  backend_.peer.send(
      joined(joined(Reply(modern).err(1049).out(), Reply(modern).err(1231).out()), rows_));
  EXPECT_EQ(end(), RelayEnd::sync_failed);
  EXPECT_EQ(protocol::decode_err(relay_.sync_error()).value().code, 1049);
}

TEST_F(RelayTest, AwaitsStateAloneAheadOfAWrite) {
  relay_.begin(modern, routing::Flavour::mariadb);
  for (int i = 0; i < 2; ++i)
    link_->send(query_packet("SET x=1"), ReplyKind::query, &relay_, Relay::sync_tag);
  relay_.expect_syncs(2);
  link_->flush();
  start(relay_.wait_sync(), [this](RelayEnd end) { end_ = end; });
  backend_.peer.send(ok_);
  settle();
  EXPECT_FALSE(end_);
  backend_.peer.send(ok_);
  EXPECT_EQ(end(), RelayEnd::complete);
}

TEST_F(RelayTest, ReportsStateThatWasRefusedOrLostAheadOfAWrite) {
  for (const bool refused : {true, false}) {
    end_.reset();
    LinkAndPeer backend = open_pair();
    relay_.begin(modern, routing::Flavour::mariadb);
    backend.link->send(query_packet("SET x=1"), ReplyKind::query, &relay_, Relay::sync_tag);
    relay_.expect_syncs(1);
    backend.link->flush();
    start(relay_.wait_sync(), [this](RelayEnd end) { end_ = end; });
    if (refused) backend.peer.send(Reply(modern).err(1231).out());
    if (!refused) backend.peer.hang_up();
    EXPECT_EQ(end(), refused ? RelayEnd::sync_failed : RelayEnd::lost);
  }
}

TEST_F(RelayTest, AwaitsNothingOfALinkThatHasClosedBefore) {
  link_->close();
  ask("SELECT", 1);
  EXPECT_EQ(end(), RelayEnd::lost);
}

TEST_F(RelayTest, GivesAPreparedStatementTheClientsId) {
  relay_.begin(modern, routing::Flavour::mariadb);
  relay_.expect_prepare(77);
  link_->send(query_packet("x"), ReplyKind::prepare, &relay_, Relay::main_tag);
  link_->flush();
  wait();
  Buffer reply;
  Buffer expected;
  protocol::append_prepare_ok(reply, {.statement_id = 5, .columns = 0, .parameters = 0}, modern, 1);
  protocol::append_prepare_ok(expected, {.statement_id = 77, .columns = 0, .parameters = 0}, modern,
                              1);
  backend_.peer.send(reply);
  EXPECT_EQ(end(), RelayEnd::complete);
  ASSERT_TRUE(relay_.prepared());
  EXPECT_EQ(relay_.prepared()->statement_id, 5U);
  EXPECT_EQ(finished(), expected);
}

TEST_F(RelayTest, StopsReadingWhenTheClientDoesNot) {
  Connection slow = connect_pair(4096);
  Relay relay(*slow.stream, buffer_limit);
  relay.begin(modern, routing::Flavour::mariadb);
  link_->send(query_packet("SELECT"), ReplyKind::query, &relay, Relay::main_tag);
  link_->flush();
  start(relay.wait(link_), [this](RelayEnd end) { end_ = end; });

  Reply reply(modern);
  reply.columns(1);
  for (int i = 0; i < 4000; ++i) reply.row(std::string(1000, static_cast<char>('a' + i % 26)));
  reply.end();
  Bytes rest(reply.out());
  Buffer arrived;
  // The backend sends whenever it can; the client takes a little now and then.
  std::size_t taken_in = 0;
  ASSERT_TRUE(until([&] {
    const std::uint64_t before = read(counters_.bytes_received);
    if (rest.size() > 0 && taken_in <= before + 64 * 1024) {
      const std::size_t part = std::min<std::size_t>(32 * 1024, rest.size());
      backend_.peer.send(rest.first(part));
      rest = rest.subspan(part);
      taken_in += part;
    }
    settle();
    // Held by Sluice: no more than two of the relay's buffers and the kernel's.
    EXPECT_LE(read(counters_.bytes_received), arrived.size() + 4 * buffer_limit + 256 * 1024);
    arrived = joined(std::move(arrived), slow.peer.take());
    return end_.has_value();
  }));
  EXPECT_EQ(*end_, RelayEnd::complete);
  bool finished = false;
  start(relay.finish(), [&finished](error_code) { finished = true; });
  ASSERT_TRUE(until([&] {
    arrived = joined(std::move(arrived), slow.peer.take());
    return finished;
  }));
  arrived = joined(std::move(arrived), slow.peer.take());
  EXPECT_EQ(arrived, reply.out());
}

TEST_F(RelayTest, SaysThatTheClientIsGone) {
  Connection slow = connect_pair(4096);
  Relay relay(*slow.stream, buffer_limit);
  relay.begin(modern, routing::Flavour::mariadb);
  link_->send(query_packet("SELECT"), ReplyKind::query, &relay, Relay::main_tag);
  link_->flush();
  start(relay.wait(link_), [this](RelayEnd end) { end_ = end; });
  Reply reply(modern);
  reply.columns(1);
  for (int i = 0; i < 100; ++i) reply.row(std::string(1000, 'x'));
  backend_.peer.send(reply.out());
  settle();
  EXPECT_FALSE(end_);
  slow.peer.hang_up();
  EXPECT_EQ(end(), RelayEnd::client_gone);
  link_->abandon(&relay);
  link_->close();
}

TEST_F(RelayTest, PassesTheClientsFileToTheBackend) {
  ask("LOAD DATA");
  const Buffer request = Reply(modern).packet(protocol::bytes("\373f")).out();
  (void)backend_.peer.take();
  backend_.peer.send(request);
  Buffer arrived;
  ASSERT_TRUE(until([&] {
    arrived = joined(std::move(arrived), client_.peer.take());
    return !arrived.empty();
  }));
  EXPECT_EQ(arrived, request);
  Buffer file;
  const std::uint8_t next =
      protocol::append_packet(file, {}, protocol::append_packet(file, Buffer(5000, 'x'), 2));
  for (Bytes rest(file); !rest.empty();) {
    const std::size_t part = std::min<std::size_t>(97, rest.size());
    client_.peer.send(rest.first(part));
    rest = rest.subspan(part);
    settle();
  }
  Buffer passed;
  ASSERT_TRUE(until([&] {
    passed = joined(std::move(passed), backend_.peer.take());
    return passed.size() >= file.size();
  }));
  EXPECT_EQ(passed, file);
  const Buffer answer = Reply(modern, next).ok().out();
  backend_.peer.send(answer);
  EXPECT_EQ(end(), RelayEnd::complete);
  EXPECT_EQ(finished(), answer);
}

TEST_F(RelayTest, ReadsTheFileToItsEndThoughTheLinkIsLost) {
  ask("LOAD DATA");
  backend_.peer.send(Reply(modern).packet(protocol::bytes("\373f")).out());
  ASSERT_TRUE(until([&] { return !client_.peer.take().empty(); }));
  backend_.peer.hang_up();
  Buffer file;
  protocol::append_packet(file, {}, protocol::append_packet(file, Buffer(50, 'x'), 2));
  client_.peer.send(file);
  EXPECT_EQ(end(), RelayEnd::cut);
}

TEST_F(RelayTest, SaysThatTheClientIsGoneWithItsFile) {
  ask("LOAD DATA");
  backend_.peer.send(Reply(modern).packet(protocol::bytes("\373f")).out());
  ASSERT_TRUE(until([&] { return !client_.peer.take().empty(); }));
  client_.peer.send(Buffer{9, 0, 0, 2, 'x'});
  client_.peer.hang_up();
  EXPECT_EQ(end(), RelayEnd::client_gone);
}

}  // namespace
}  // namespace sluice::proxy
