#include "proxy/packet_stream.hpp"

#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Buffer;
using protocol::Bytes;

class PacketStreamTest : public Stage {
 protected:
  Connection pair_ = connect_pair();
  PacketStream& stream_ = *pair_.stream;
  Peer& peer_ = pair_.peer;

  [[nodiscard]] Buffer input() const {
    const Bytes bytes = pair_.stream->input();
    return {bytes.begin(), bytes.end()};
  }
};

Buffer pattern(std::size_t size) {
  Buffer made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return made;
}

TEST_F(PacketStreamTest, ShowsWhatArrivedUntilItIsConsumed) {
  peer_.send(Buffer{1, 2, 3});
  EXPECT_FALSE(run(stream_.fill()));
  EXPECT_EQ(input(), (Buffer{1, 2, 3}));
  stream_.consume(2);
  EXPECT_EQ(input(), Buffer{3});
  peer_.send(Buffer{4});
  EXPECT_FALSE(run(stream_.fill()));
  EXPECT_EQ(input(), (Buffer{3, 4}));
}

TEST_F(PacketStreamTest, KeepsBytesInOrderWhileItsBufferGrowsAndSlides) {
  const Buffer all = pattern(200'000);
  Buffer seen;
  std::size_t sent = 0;
  for (std::size_t round = 0; sent < all.size(); ++round) {
    const std::size_t part = std::min<std::size_t>(3'000 + round * 131, all.size() - sent);
    peer_.send(Bytes(all).subspan(sent, part));
    sent += part;
    ASSERT_FALSE(run(stream_.fill_to(stream_.input().size() + part)));
    // Leave a rest behind, of another size each time.
    const std::size_t take = stream_.input().size() - round % 700;
    seen.insert(seen.end(), stream_.input().begin(),
                stream_.input().begin() + static_cast<std::ptrdiff_t>(take));
    stream_.consume(take);
  }
  const Buffer rest = input();
  seen.insert(seen.end(), rest.begin(), rest.end());
  EXPECT_EQ(seen, all);
}

TEST_F(PacketStreamTest, ReadsPacketsHoweverTheyAreCut) {
  Buffer wire;
  protocol::append_packet(wire, pattern(10), 3);
  protocol::append_packet(wire, {}, 4);
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    Packet first;
    Packet second;
    peer_.send(Bytes(wire).first(cut));
    bool over = false;
    auto both = [](PacketStream& stream, Packet& one, Packet& two) -> Task<> {
      error_code error = co_await stream.read_packet(one, 100);
      EXPECT_FALSE(error);
      error = co_await stream.read_packet(two, 100);
      EXPECT_FALSE(error);
    };
    start(both(stream_, first, second), [&over] { over = true; });
    settle();
    EXPECT_EQ(over, cut == wire.size());
    peer_.send(Bytes(wire).subspan(cut));
    ASSERT_TRUE(until([&] { return over; }));
    EXPECT_EQ(first.payload, pattern(10));
    EXPECT_EQ(first.sequence, 3);
    EXPECT_TRUE(second.payload.empty());
    EXPECT_EQ(second.sequence, 4);
  }
}

TEST_F(PacketStreamTest, RefusesAPacketAboveTheLimitByItsHeader) {
  peer_.send(Buffer{101, 0, 0, 0});
  Packet packet;
  EXPECT_EQ(run(stream_.read_packet(packet, 100)), protocol::Errc::too_large);
}

TEST_F(PacketStreamTest, TellsTheEndFromSilence) {
  peer_.send(Buffer{5, 0, 0, 0, 1});
  Packet packet;
  std::optional<error_code> result;
  start(stream_.read_packet(packet, 100), [&result](error_code error) { result = error; });
  settle();
  EXPECT_FALSE(result);
  peer_.hang_up();
  ASSERT_TRUE(until([&] { return result.has_value(); }));
  EXPECT_EQ(*result, asio::error::eof);
}

TEST_F(PacketStreamTest, EndsAPendingReadWhenItIsClosed) {
  std::optional<error_code> result;
  start(stream_.fill(), [&result](error_code error) { result = error; });
  settle();
  stream_.close();
  ASSERT_TRUE(until([&] { return result.has_value(); }));
  EXPECT_TRUE(*result);
  EXPECT_TRUE(peer_.at_end());
}

TEST_F(PacketStreamTest, WritesWhatTheKernelTakesAndNoMore) {
  const Buffer much = pattern(8 << 20);
  error_code error;
  const std::size_t sent = stream_.try_write(much, error);
  EXPECT_FALSE(error);
  EXPECT_GT(sent, 0U);
  EXPECT_LT(sent, much.size());
  EXPECT_EQ(stream_.try_write(much, error), 0U) << "full is no error";
  EXPECT_FALSE(error);
  bool over = false;
  start(stream_.write_all(Bytes(much).subspan(sent)), [&over](error_code failed) {
    EXPECT_FALSE(failed);
    over = true;
  });
  Buffer arrived;
  ASSERT_TRUE(until([&] {
    arrived = joined(std::move(arrived), peer_.take());
    return over;
  }));
  arrived = joined(std::move(arrived), peer_.take());
  EXPECT_EQ(arrived, much);
}

TEST_F(PacketStreamTest, ReportsAPeerThatIsGone) {
  peer_.hang_up();
  error_code error;
  EXPECT_EQ(stream_.try_write(pattern(10), error), 0U);
  EXPECT_TRUE(error);
  EXPECT_TRUE(run(stream_.write_all(pattern(10))));
}

TEST_F(PacketStreamTest, GivesItsBufferBackOnlyWhileItIsEmpty) {
  peer_.send(Buffer{1, 2});
  ASSERT_FALSE(run(stream_.fill()));
  stream_.release_input();
  EXPECT_EQ(input(), (Buffer{1, 2}));
  stream_.consume(2);
  stream_.release_input();
  peer_.send(Buffer{3});
  ASSERT_FALSE(run(stream_.fill()));
  EXPECT_EQ(input(), Buffer{3});
}

TEST_F(PacketStreamTest, ReservesRoomWithoutLosingWhatIsThere) {
  peer_.send(Buffer{1, 2, 3});
  ASSERT_FALSE(run(stream_.fill()));
  stream_.consume(1);
  stream_.reserve(100'000);
  EXPECT_EQ(input(), (Buffer{2, 3}));
}

class ConnectTest : public Stage {};

TEST_F(ConnectTest, SaysWhyABackendCannotBeReached) {
  Socket socket(executor());
  const auto nowhere = config::Address::unix_socket("/nonexistent/sluice.sock");
  EXPECT_TRUE(run(connect(socket, nowhere, std::chrono::seconds(5))));
}

class WatchedStream : public PacketStreamTest {
 protected:
  WatchedStream() {
    watch_.start();
    settle();
    stream_.watch(watch_);
    settle();
  }
  void TearDown() override {
    stream_.close();
    watch_.stop();
    Stage::TearDown();
  }

  SocketWatch watch_{executor()};
};

TEST_F(WatchedStream, ReadsWhatArrivesBeforeAndWhileItWaits) {
  peer_.send(Buffer{1, 2, 3});
  EXPECT_FALSE(run(stream_.fill()));
  EXPECT_EQ(input(), (Buffer{1, 2, 3}));
  stream_.consume(3);
  std::optional<error_code> error;
  start(stream_.fill(), [&](error_code result) { error = result; });
  settle();
  EXPECT_FALSE(error);
  peer_.send(Buffer{4});
  ASSERT_TRUE(until([&] { return error.has_value(); }));
  EXPECT_FALSE(*error);
  EXPECT_EQ(input(), Buffer{4});
}

// The kernel tells of both with one event, and of the end never again.
TEST_F(WatchedStream, NoticesAnEndThatCameTogetherWithTheLastBytes) {
  peer_.send(Buffer{1, 2, 3});
  peer_.hang_up();
  settle();
  EXPECT_FALSE(run(stream_.fill()));
  EXPECT_EQ(input(), (Buffer{1, 2, 3}));
  stream_.consume(3);
  std::optional<error_code> error;
  start(stream_.fill(), [&](error_code result) { error = result; });
  ASSERT_TRUE(until([&] { return error.has_value(); })) << "it waits for ever";
  EXPECT_EQ(*error, asio::error::eof);
}

TEST_F(WatchedStream, WritesMoreThanTheSocketTakesAtOnce) {
  const Buffer all = pattern(2'000'000);
  std::optional<error_code> error;
  start(stream_.write_all(all), [&](error_code result) { error = result; });
  Buffer got;
  ASSERT_TRUE(until([&] {
    const Buffer part = peer_.take();
    got.insert(got.end(), part.begin(), part.end());
    return got.size() == all.size();
  }));
  settle();
  ASSERT_TRUE(error);
  EXPECT_FALSE(*error);
  EXPECT_EQ(got, all);
}

TEST_F(WatchedStream, EndsItsWaitWhenItIsClosed) {
  std::optional<error_code> error;
  start(stream_.fill(), [&](error_code result) { error = result; });
  settle();
  EXPECT_FALSE(error);
  stream_.close();
  ASSERT_TRUE(until([&] { return error.has_value(); }));
  EXPECT_EQ(*error, asio::error::operation_aborted);
}

}  // namespace
}  // namespace sluice::proxy
