#include "proxy/link.hpp"

#include <gmock/gmock.h>

#include "tests/proxy/recording_sink.hpp"
#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Buffer;
using protocol::Bytes;
using protocol::Reply;
using protocol::ReplyKind;
using testing::ElementsAre;

class LinkTest : public Stage {
 protected:
  void query(std::string_view sql, ExchangeTag tag) {
    link_->send(query_packet(sql), ReplyKind::query, &sink_, tag);
  }
  [[nodiscard]] bool ended(std::size_t count) {
    return until([&] { return sink_.ended >= count; });
  }

  RecordingSink sink_;
  LinkAndPeer pair_ = open_pair();
  std::shared_ptr<Link>& link_ = pair_.link;
  Peer& peer_ = pair_.peer;
  const Buffer ok_ = Reply(modern).ok().out();
  const Buffer rows_ = Reply(modern).columns(1).row().row().end().out();
};

TEST_F(LinkTest, GathersWhatIsQueuedIntoOneWrite) {
  query("SELECT 1", 1);
  query("SELECT 2", 2);
  EXPECT_TRUE(peer_.take().empty());
  EXPECT_GT(link_->queued(), 0U);
  link_->flush();
  EXPECT_EQ(peer_.take(), joined(query_packet("SELECT 1"), query_packet("SELECT 2")));
  EXPECT_EQ(link_->queued(), 0U);
}

TEST_F(LinkTest, GivesEachReplyToItsExchangeInOrder) {
  RecordingSink other;
  query("SELECT 1", 1);
  link_->send(query_packet("DO 2"), ReplyKind::query, &other, 2);
  query("DO 3", 3);
  link_->flush();
  EXPECT_EQ(read(counters_.in_flight), 3U);
  peer_.send(joined(joined(rows_, Reply(modern).err().out()), ok_));
  ASSERT_TRUE(ended(2));
  EXPECT_THAT(sink_.log, ElementsAre("1: bytes", "1: ok last", "1: end", "3: ok last", "3: end"));
  EXPECT_THAT(other.log, ElementsAre("2: err last", "2: end"));
  EXPECT_EQ(sink_.passed, joined(rows_, ok_));
  EXPECT_TRUE(link_->quiet());
  EXPECT_EQ(read(counters_.in_flight), 0U);
}

TEST_F(LinkTest, IsNotQuietWhileAnythingIsUnderWay) {
  EXPECT_TRUE(link_->quiet());
  query("DO 1", 1);
  EXPECT_FALSE(link_->quiet());
  link_->flush();
  EXPECT_FALSE(link_->quiet());
  peer_.send(ok_);
  ASSERT_TRUE(ended(1));
  EXPECT_TRUE(link_->quiet());
}

// What the next user sent would have been taken for the rest of this one.
TEST_F(LinkTest, IsNotQuietWhileACommandWithoutReplyIsHalfSent) {
  link_->begin(ReplyKind::none, nullptr, 0);
  link_->send_more(Buffer{9, 0, 0, 0, 0x18, 1});
  link_->flush();
  EXPECT_EQ(link_->queued(), 0U);
  EXPECT_FALSE(link_->quiet());
  link_->send_more(Buffer{0, 0, 0, 0, 0, 'x', 'y'});
  link_->end(1);
  link_->flush();
  EXPECT_TRUE(link_->quiet());
}

TEST_F(LinkTest, DropsTheReplyOfASinkThatWentAway) {
  query("SELECT 1", 1);
  query("SELECT 2", 2);
  link_->flush();
  link_->abandon(&sink_);
  peer_.send(joined(rows_, rows_));
  ASSERT_TRUE(until([&] { return link_->quiet(); }));
  EXPECT_TRUE(sink_.log.empty());
  EXPECT_FALSE(link_->closed());
}

TEST_F(LinkTest, FlushesSoonWhatSeveralSent) {
  query("SELECT 1", 1);
  link_->flush_soon();
  query("SELECT 2", 2);
  link_->flush_soon();
  EXPECT_TRUE(peer_.take().empty());
  settle();
  EXPECT_EQ(peer_.take(), joined(query_packet("SELECT 1"), query_packet("SELECT 2")));
}

TEST_F(LinkTest, EvacuatedEndsAllButTheFirstAndDropsTheirReplies) {
  RecordingSink other;
  RecordingSink third;
  link_->shared = true;
  query("SELECT 1", 1);
  link_->send(query_packet("SELECT 2"), ReplyKind::query, &other, 2);
  link_->send(query_packet("SELECT 3"), ReplyKind::query, &third, 3);
  link_->flush();
  EXPECT_EQ(link_->depth(), 3U);
  EXPECT_TRUE(link_->serves(&sink_));
  EXPECT_FALSE(link_->serves(&other));

  link_->evacuate();
  EXPECT_FALSE(link_->shared);
  EXPECT_THAT(other.log, ElementsAre("2: lost"));
  EXPECT_EQ(other.last_error, moved_elsewhere);
  EXPECT_THAT(third.log, ElementsAre("3: lost"));
  EXPECT_TRUE(sink_.log.empty());

  peer_.send(joined(rows_, joined(rows_, ok_)));
  ASSERT_TRUE(until([&] { return link_->quiet(); }));
  EXPECT_THAT(sink_.log, ElementsAre("1: bytes", "1: ok last", "1: end"));
  EXPECT_THAT(other.log, ElementsAre("2: lost"));
  EXPECT_FALSE(link_->closed());
  EXPECT_EQ(read(counters_.in_flight), 0U);
}

// The time that a statement waits for those ahead of it is not its own.
TEST_F(LinkTest, CountsServiceFromWhenTheStatementAheadHadEnded) {
  query("SELECT 1", 1);
  query("SELECT 2", 2);
  link_->flush();
  const auto sent = link_->front_since();
  peer_.send(rows_);
  ASSERT_TRUE(ended(1));
  const auto first_ended = link_->front_since();
  EXPECT_GT(first_ended, sent);
  EXPECT_LE(link_->last_service(), first_ended - sent);
  peer_.send(rows_);
  ASSERT_TRUE(ended(2));
  EXPECT_LE(link_->last_service(), link_->front_since() - first_ended);
}

TEST_F(LinkTest, ExpectsNoReplyToACommandThatHasNone) {
  Buffer close;
  protocol::append_stmt_close(close, 7);
  link_->send(close, ReplyKind::none, nullptr, 0);
  query("DO 1", 1);
  link_->flush();
  EXPECT_EQ(peer_.take(), joined(close, query_packet("DO 1")));
  peer_.send(ok_);
  ASSERT_TRUE(ended(1));
  EXPECT_THAT(sink_.log, ElementsAre("1: ok last", "1: end"));
}

TEST_F(LinkTest, ClosesOnBytesThatNobodyAskedFor) {
  peer_.send(Reply(modern).err(1927).out());
  ASSERT_TRUE(until([&] { return link_->closed(); }));
  EXPECT_TRUE(peer_.at_end());
}

TEST_F(LinkTest, ClosesOnBytesBehindTheLastReply) {
  query("DO 1", 1);
  link_->flush();
  peer_.send(joined(ok_, ok_));
  ASSERT_TRUE(until([&] { return link_->closed(); }));
  EXPECT_THAT(sink_.log, ElementsAre("1: ok last", "1: end"));
}

TEST_F(LinkTest, NoticesThatAnIdleConnectionDied) {
  peer_.hang_up();
  ASSERT_TRUE(until([&] { return link_->closed(); }));
}

TEST_F(LinkTest, ClosesOnASequenceFault) {
  query("DO 1", 1);
  query("DO 2", 2);
  link_->flush();
  peer_.send(Reply(modern, 2).ok().out());
  ASSERT_TRUE(ended(2));
  EXPECT_THAT(sink_.log, ElementsAre("1: lost", "2: lost"));
  EXPECT_EQ(sink_.last_error, protocol::Errc::out_of_sequence);
  EXPECT_TRUE(link_->closed());
}

TEST_F(LinkTest, EndsEveryExchangeInOrderWhenItIsClosed) {
  query("DO 1", 1);
  query("DO 2", 2);
  link_->close(asio::error::timed_out);
  EXPECT_THAT(sink_.log, ElementsAre("1: lost", "2: lost"));
  EXPECT_EQ(sink_.last_error, asio::error::timed_out);
  EXPECT_EQ(read(counters_.in_flight), 0U);
  link_->close();
  EXPECT_EQ(sink_.ended, 2U);
}

TEST_F(LinkTest, EndsAnExchangeAtOnceIfItHasClosedBefore) {
  link_->close();
  query("DO 1", 1);
  EXPECT_THAT(sink_.log, ElementsAre("1: lost"));
  link_->send(query_packet("x"), ReplyKind::none, &sink_, 2);
  link_->begin(ReplyKind::query, nullptr, 3);
  link_->send_more(query_packet("x"));
  link_->end(5);
  link_->flush();
  EXPECT_EQ(sink_.ended, 1U);
  EXPECT_EQ(link_->queued(), 0U);
  EXPECT_EQ(read(counters_.in_flight), 0U);
}

TEST_F(LinkTest, GivesItsBudgetBackTheMomentItCloses) {
  bool returned = false;
  const auto give_back = [&returned](void*) { returned = true; };
  link_->budget_token = std::shared_ptr<void>(&returned, give_back);
  link_->close();
  EXPECT_TRUE(returned);
}

TEST_F(LinkTest, EndsItsExchangesWhenAWriteFails) {
  peer_.hang_up();
  query("DO 1", 1);
  link_->flush();
  ASSERT_TRUE(ended(1));
  EXPECT_TRUE(link_->closed());
}

TEST_F(LinkTest, IsFreedOnceItHasClosedAndNobodyHoldsIt) {
  const std::weak_ptr<Link> weak = link_;
  link_->close();
  link_.reset();
  ASSERT_TRUE(until([&] { return weak.expired(); }));
  EXPECT_EQ(read(counters_.links), 0U);
}

TEST_F(LinkTest, ReadsNoMoreWhileTheSinkIsFull) {
  sink_.full = true;
  query("SELECT 1", 1);
  link_->flush();
  peer_.send(rows_);
  settle();
  EXPECT_TRUE(sink_.log.empty());
  link_->resume();
  settle();
  EXPECT_TRUE(sink_.log.empty()) << "still full";
  sink_.full = false;
  link_->resume();
  ASSERT_TRUE(ended(1));
  EXPECT_EQ(sink_.passed, rows_);
}

TEST_F(LinkTest, GoesOnWhenAFullSinkGoesAway) {
  RecordingSink other;
  sink_.full = true;
  query("SELECT 1", 1);
  link_->send(query_packet("DO 2"), ReplyKind::query, &other, 2);
  link_->flush();
  peer_.send(joined(rows_, ok_));
  settle();
  link_->abandon(&sink_);
  ASSERT_TRUE(until([&] { return other.ended == 1; }));
  EXPECT_TRUE(sink_.log.empty());
}

TEST_F(LinkTest, EndsItsExchangesAlthoughTheSinkIsFull) {
  sink_.full = true;
  query("SELECT 1", 1);
  link_->flush();
  peer_.send(rows_);
  settle();
  link_->close();
  EXPECT_THAT(sink_.log, ElementsAre("1: lost"));
  settle();
}

TEST_F(LinkTest, WaitsForTheFileAndTakesTheReplyBehindIt) {
  query("LOAD DATA", 1);
  query("DO 2", 2);
  link_->flush();
  Reply asks(modern);
  asks.packet(protocol::bytes("\373file"));
  peer_.send(asks.out());
  ASSERT_TRUE(until([&] { return !sink_.log.empty(); }));
  EXPECT_THAT(sink_.log, ElementsAre("1: infile"));
  link_->send_more(Buffer{1, 0, 0, 2, 'x', 0, 0, 0, 3});
  link_->flush();
  link_->infile_sent(4);
  peer_.send(joined(Reply(modern, 4).ok().out(), ok_));
  ASSERT_TRUE(ended(2));
  EXPECT_THAT(sink_.log, ElementsAre("1: infile", "1: ok last", "1: end", "2: ok last", "2: end"));
}

TEST_F(LinkTest, ClosesIfNobodyIsLeftToSendTheFile) {
  query("LOAD DATA", 1);
  link_->flush();
  peer_.send(Reply(modern).packet(protocol::bytes("\373file")).out());
  ASSERT_TRUE(until([&] { return !sink_.log.empty(); }));
  link_->abandon(&sink_);
  ASSERT_TRUE(until([&] { return link_->closed(); }));
  (void)peer_.take();
  EXPECT_TRUE(peer_.at_end());
}

TEST_F(LinkTest, ClosesIfAFileIsAskedOfNobody) {
  link_->send(query_packet("LOAD DATA"), ReplyKind::query, nullptr, 0);
  link_->flush();
  peer_.send(Reply(modern).packet(protocol::bytes("\373file")).out());
  ASSERT_TRUE(until([&] { return link_->closed(); }));
}

TEST_F(LinkTest, ExpectsTheReplyBehindTheLastPacketOfALongCommand) {
  link_->begin(ReplyKind::query, &sink_, 1);
  link_->send_more(query_packet("x"));
  link_->end(3);
  link_->flush();
  peer_.send(Reply(modern, 3).ok().out());
  ASSERT_TRUE(ended(1));
  EXPECT_THAT(sink_.log, ElementsAre("1: ok last", "1: end"));
}

TEST_F(LinkTest, TakesARefusalWhileTheCommandIsStillBeingSent) {
  link_->begin(ReplyKind::query, &sink_, 1);
  link_->send_more(query_packet("x"));
  link_->flush();
  peer_.send(Reply(modern, 1).err(1153).out());
  ASSERT_TRUE(ended(1));
  link_->end(3);
  EXPECT_THAT(sink_.log, ElementsAre("1: err last", "1: end"));
  query("DO 2", 2);
  link_->flush();
  peer_.send(ok_);
  ASSERT_TRUE(ended(2));
}

TEST_F(LinkTest, LeavesAPendingReplyAloneWhenALongCommandWithoutReplyEnds) {
  query("DO 1", 1);
  link_->begin(ReplyKind::none, nullptr, 0);
  link_->send_more(query_packet("x"));
  link_->end(3);
  link_->flush();
  peer_.send(ok_);
  ASSERT_TRUE(ended(1));
  EXPECT_THAT(sink_.log, ElementsAre("1: ok last", "1: end"));
}

TEST_F(LinkTest, LearnsItsStateFromTrackers) {
  query("SET …", 1);
  link_->flush();
  peer_.send(
      ok_with_trackers({{"sql_mode", "ANSI"}, {"last_gtid", "0-1-7"}, {"insert_id", "5"}}, "shop"));
  ASSERT_TRUE(ended(1));
  EXPECT_EQ(link_->image.schema, "shop");
  EXPECT_EQ(link_->image.variables(), (routing::StateVector::Variables{{"sql_mode", "ANSI"}}));
  EXPECT_FALSE(link_->dirty);
}

TEST_F(LinkTest, HasLearntItsStateBeforeTheSinkHearsOfIt) {
  struct Looks final : ReplySink {
    std::string seen;
    std::shared_ptr<Link> link;
    void on_bytes(ExchangeTag, Bytes) override {}
    void on_packet(ExchangeTag, protocol::ResponseTracker::Packet, Bytes, const protocol::OkPacket*,
                   bool) override {
      seen = link->image.schema;
    }
    void on_infile(ExchangeTag, Bytes) override {}
    void on_end(ExchangeTag, const protocol::ResponseTracker&, error_code) override {}
  } looks;
  looks.link = link_;
  link_->send(query_packet("USE shop"), ReplyKind::query, &looks, 1);
  link_->flush();
  peer_.send(ok_with_trackers({}, "shop"));
  ASSERT_TRUE(until([&] { return link_->quiet(); }));
  EXPECT_EQ(looks.seen, "shop");
}

TEST_F(LinkTest, LearnsOfStateThatNobodyListensTo) {
  link_->send(query_packet("USE shop"), ReplyKind::query, nullptr, 1);
  link_->flush();
  peer_.send(ok_with_trackers({}, "shop"));
  ASSERT_TRUE(until([&] { return link_->quiet(); }));
  EXPECT_EQ(link_->image.schema, "shop");
}

TEST_F(LinkTest, IsDirtyOnceItsTrackersCannotBeRead) {
  Buffer out;
  const Buffer block{1, 9, 2, 'a'};  // a schema entry that is cut
  protocol::append_ok(out, {.status = protocol::status::autocommit, .session_state = block}, modern,
                      1);
  query("USE a", 1);
  link_->flush();
  peer_.send(out);
  ASSERT_TRUE(ended(1));
  EXPECT_TRUE(link_->dirty);
}

TEST_F(LinkTest, LetsASenderOfMuchWaitForRoom) {
  LinkAndPeer narrow = open_pair(modern, 4096);
  const Buffer much(64 * 1024, 7);
  auto stream = [](std::shared_ptr<Link> link, const Buffer& part) -> Task<> {
    link->begin(ReplyKind::none, nullptr, 0);
    for (int i = 0; i < 64; ++i) {
      link->send_more(part);
      co_await link->room();
    }
    link->end(1);
    link->flush();
  };
  bool over = false;
  start(stream(narrow.link, much), [&over] { over = true; });
  settle();
  EXPECT_FALSE(over);
  EXPECT_LE(narrow.link->queued(), 512U * 1024);
  std::size_t arrived = 0;
  ASSERT_TRUE(until([&] {
    arrived += narrow.peer.take().size();
    return arrived == 64 * much.size();
  }));
  ASSERT_TRUE(until([&] { return over && narrow.link->quiet(); }));
}

TEST_F(LinkTest, WakesASenderThatWaitsForRoomWhenItCloses) {
  LinkAndPeer narrow = open_pair(modern, 4096);
  narrow.link->begin(ReplyKind::none, nullptr, 0);
  narrow.link->send_more(Buffer(1 << 20, 7));
  bool over = false;
  start(narrow.link->room(), [&over] { over = true; });
  settle();
  EXPECT_FALSE(over);
  narrow.link->close();
  ASSERT_TRUE(until([&] { return over; }));
}

TEST_F(LinkTest, HandsOverAReplyLargerThanItsBufferPieceByPiece) {
  const Buffer large = Reply(modern).columns(1).row(std::string(300'000, 'x')).end().out();
  query("SELECT", 1);
  link_->flush();
  std::size_t sent = 0;
  while (sent < large.size()) {
    const std::size_t part = std::min<std::size_t>(50'000, large.size() - sent);
    peer_.send(Bytes(large).subspan(sent, part));
    sent += part;
    settle();
    EXPECT_GT(sink_.passed.size() + 100, sent) << "a body is not gathered";
  }
  ASSERT_TRUE(ended(1));
  EXPECT_EQ(sink_.passed, large);
}

}  // namespace
}  // namespace sluice::proxy
