#include "proxy/internal_query.hpp"

#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Reply;

class InternalQueryTest : public Stage {
 protected:
  void ask(protocol::Command command = protocol::Command::query) {
    start(query_.run(pair_.link, "SELECT 1", command), [this](error_code error) { end_ = error; });
    settle();
  }
  [[nodiscard]] error_code end() {
    EXPECT_TRUE(until([&] { return end_.has_value(); }));
    return end_.value();
  }

  LinkAndPeer pair_ = open_pair();
  InternalQuery query_{executor()};
  std::optional<error_code> end_;
};

TEST_F(InternalQueryTest, GathersTheRows) {
  for (const auto capabilities : {modern, protocol::with_eof}) {
    pair_.link->close();
    LinkAndPeer pair = open_pair(capabilities);
    std::optional<error_code> end;
    start(query_.run(pair.link, "SELECT a, b"), [&end](error_code error) { end = error; });
    Reply reply(capabilities);
    reply.columns(2);
    protocol::Buffer row;
    protocol::Writer(row).lenenc_text("x").int1(0xfb);
    pair.peer.send(reply.packet(row).packet(row).end().out());
    ASSERT_TRUE(until([&] { return end.has_value(); }));
    EXPECT_FALSE(*end);
    const InternalQuery::Row expected{"x", std::nullopt};
    EXPECT_EQ(query_.rows(), (std::vector<InternalQuery::Row>{expected, expected}));
  }
}

// The link looks at that EOF, as it does at all that tell of changed state.
TEST_F(InternalQueryTest, GathersTheRowsBehindAnEofThatTellsOfChangedState) {
  LinkAndPeer pair = open_pair(protocol::with_eof);
  std::optional<error_code> end;
  start(query_.run(pair.link, "SELECT a"), [&end](error_code error) { end = error; });
  Reply reply(protocol::with_eof);
  reply.columns(1, protocol::status::session_state_changed).row("first").row("second").end();
  pair.peer.send(reply.out());
  ASSERT_TRUE(until([&] { return end.has_value(); }));
  const std::vector<InternalQuery::Row> expected{{"first"}, {"second"}};
  EXPECT_EQ(query_.rows(), expected);
}

TEST_F(InternalQueryTest, TellsARefusalFromAFailure) {
  ask();
  pair_.peer.send(Reply(modern).err(1064).out());
  EXPECT_FALSE(end());
  ASSERT_TRUE(query_.refusal());
  EXPECT_EQ(query_.refusal()->code, 1064);
  EXPECT_FALSE(query_.refusal_payload().empty());
  end_.reset();
  ask();
  pair_.peer.hang_up();
  EXPECT_TRUE(end());
  EXPECT_FALSE(query_.refusal());
}

TEST_F(InternalQueryTest, TakesNoPartOfAResultForAllOfIt) {
  ask();
  Reply reply(modern);
  reply.columns(1);
  for (int i = 0; i < 3; ++i) reply.row(std::string(InternalQuery::max_bytes / 2, 'x'));
  protocol::Bytes rest(reply.row("small").end().out());
  while (!rest.empty()) {
    const std::size_t part = std::min<std::size_t>(rest.size(), 60'000);
    pair_.peer.send(rest.first(part));
    rest = rest.subspan(part);
    settle();
  }
  EXPECT_EQ(end(), protocol::Errc::too_large);
  EXPECT_FALSE(pair_.link->closed());
}

TEST_F(InternalQueryTest, GivesABackendNoFile) {
  ask();
  pair_.peer.send(Reply(modern).packet(protocol::bytes("\373f")).out());
  EXPECT_EQ(end(), protocol::Errc::unexpected_packet);
  EXPECT_TRUE(pair_.link->closed());
}

TEST_F(InternalQueryTest, LearnsTheIdOfAStatement) {
  ask(protocol::Command::stmt_prepare);
  protocol::Buffer reply;
  protocol::append_prepare_ok(reply, {.statement_id = 5}, modern, 1);
  pair_.peer.send(reply);
  EXPECT_FALSE(end());
  ASSERT_TRUE(query_.prepared());
  EXPECT_EQ(query_.prepared()->statement_id, 5U);
}

TEST_F(InternalQueryTest, AsksNothingOfAClosedLink) {
  pair_.link->close();
  ask();
  EXPECT_EQ(end(), asio::error::not_connected);
}

}  // namespace
}  // namespace sluice::proxy
