/// What real servers answered (tests/data/streams), sent through a link and a
/// relay whole, cut at every byte, and ended at every byte.
#include <algorithm>

#include "proxy/relay.hpp"
#include "tests/protocol/recorded.hpp"
#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Buffer;
using protocol::Bytes;
using protocol::Recorded;

/// What a client saw of one reply.
struct Passage {
  RelayEnd end = RelayEnd::lost;
  Buffer seen;
  bool failed = false;
  std::uint16_t status = 0;

  bool operator==(const Passage&) const = default;
};

class RelaySweep : public Stage, public testing::WithParamInterface<const char*> {
 protected:
  std::vector<Recorded> streams_ = protocol::recorded(GetParam());
  Connection client_ = connect_pair();
  Relay relay_{*client_.stream, 64 * 1024};

  void SetUp() override { ASSERT_GT(streams_.size(), 200U) << "no recording"; }
  void TearDown() override {
    client_.stream->close();
    Stage::TearDown();
  }

  void ask(const LinkAndPeer& backend, const Recorded& recorded) {
    relay_.begin(recorded.stream.capabilities, routing::Flavour::mariadb);
    if (recorded.stream.kind == protocol::ReplyKind::prepare) relay_.expect_prepare(77);
    backend.link->send(query_packet("x"), recorded.stream.kind, &relay_, Relay::main_tag);
    backend.link->flush();
  }

  /// Answers with the first `cut` bytes and then with the rest, or hangs up there.
  Passage play(LinkAndPeer& backend, const Recorded& recorded, std::size_t cut, bool hangs_up) {
    ask(backend, recorded);
    std::optional<RelayEnd> end;
    start(relay_.wait(backend.link), [&end](RelayEnd how) { end = how; });
    const Bytes all(recorded.stream.bytes);
    backend.peer.send(all.first(cut));
    settle();
    if (hangs_up) {
      backend.peer.hang_up();
    } else {
      backend.peer.send(all.subspan(cut));
    }
    Passage passage;
    bool file_sent = false;
    EXPECT_TRUE(until([&] {
      settle();
      passage.seen = joined(std::move(passage.seen), client_.peer.take());
      if (recorded.stream.after_infile != 0 && !file_sent && !passage.seen.empty()) {
        file_sent = true;
        send_file(recorded.stream.after_infile);
      }
      return end.has_value();
    })) << recorded.name;
    (void)backend.peer.take();
    passage.end = *end;
    if (passage.end == RelayEnd::complete) {
      EXPECT_FALSE(run(relay_.finish()));
      passage.seen = joined(std::move(passage.seen), client_.peer.take());
    }
    passage.failed = relay_.summary().failed;
    passage.status = relay_.summary().status;
    return passage;
  }

  /// The file's packets, so numbered that the reply goes on at `next`.
  void send_file(std::uint8_t next) {
    Buffer file;
    if (next > 3) protocol::append_packet(file, protocol::bytes("1\n"), 2);
    protocol::append_packet(file, {}, static_cast<std::uint8_t>(next - 1));
    client_.peer.send(file);
  }

  [[nodiscard]] LinkAndPeer backend_for(const Recorded& recorded) {
    return open_pair(recorded.stream.capabilities);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, RelaySweep, testing::Values("mariadb-10.11", "mysql-9.7"));

TEST_P(RelaySweep, AReplyIsWholeForTheClient) {
  for (const Recorded& recorded : streams_) {
    LinkAndPeer backend = backend_for(recorded);
    const Passage whole = play(backend, recorded, recorded.stream.bytes.size(), false);
    ASSERT_EQ(whole.end, RelayEnd::complete) << recorded.name;
    protocol::Stream seen = recorded.stream;
    seen.bytes = whole.seen;
    const protocol::Outcome outcome = protocol::replay(seen);
    const protocol::Outcome sent = protocol::replay(recorded.stream);
    ASSERT_TRUE(outcome.done) << recorded.name;
    ASSERT_EQ(outcome.passed, whole.seen) << recorded.name;
    ASSERT_EQ(outcome.in_error, sent.in_error) << recorded.name;
    ASSERT_EQ(outcome.infiles, sent.infiles) << recorded.name;
    ASSERT_EQ(outcome.result_sets, sent.result_sets) << recorded.name;
    ASSERT_EQ(outcome.rows, sent.rows) << recorded.name;
    ASSERT_TRUE(backend.link->quiet() && !backend.link->closed()) << recorded.name;
    backend.link->close();
  }
}

TEST_P(RelaySweep, AReplyIsTheSameHoweverItIsCut) {
  for (const Recorded& recorded : streams_) {
    // A long one is the same packets over and over.
    if (recorded.stream.bytes.size() > 1000) continue;
    LinkAndPeer backend = backend_for(recorded);
    const Passage whole = play(backend, recorded, recorded.stream.bytes.size(), false);
    for (std::size_t cut = 0; cut < recorded.stream.bytes.size(); ++cut)
      ASSERT_EQ(play(backend, recorded, cut, false), whole) << recorded.name << " cut at " << cut;
    backend.link->close();
  }
}

TEST_P(RelaySweep, AReplyThatEndsEarlyIsNeverComplete) {
  for (const Recorded& recorded : streams_) {
    if (recorded.stream.bytes.size() > 300) continue;
    for (std::size_t size = 0; size < recorded.stream.bytes.size(); ++size) {
      LinkAndPeer backend = backend_for(recorded);
      const Passage passage = play(backend, recorded, size, true);
      const RelayEnd expected = passage.seen.empty() ? RelayEnd::lost : RelayEnd::cut;
      ASSERT_EQ(passage.end, expected) << recorded.name << " ends at " << size;
      ASSERT_TRUE(backend.link->closed());
    }
  }
}

}  // namespace
}  // namespace sluice::proxy
