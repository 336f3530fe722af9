#include "proxy/link_verifier.hpp"

#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

using protocol::Reply;
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// The peer plays a MariaDB whose variables the test holds.
class LinkVerifierTest : public Stage {
 protected:
  LinkVerifierTest() {
    settings_.backends.resize(1);
    settings_.backends[0].name = "db1";
    settings_.session.verify_every = 1;
  }

  /// Passes the link to another session; true if it may be used.
  bool pass_on() {
    std::optional<bool> sound;
    start(verify_link(pair_.link, settings_, counters_of_all_), [&sound](bool s) { sound = s; });
    const bool over = until([&] {
      answer();
      return sound.has_value();
    });
    EXPECT_TRUE(over) << "it waits for ever";
    return sound.value_or(false);
  }

  void answer() {
    const protocol::Buffer packets = pair_.peer.take();
    if (packets.size() <= protocol::packet_header_size) return;
    if (hangs_up_) return pair_.peer.hang_up();
    const std::string asked(packets.begin() + protocol::packet_header_size + 1, packets.end());
    ++questions_;
    if (asked.starts_with("SELECT 'schema'")) return show({{"schema", schema_}});
    if (asked == "SHOW SESSION VARIABLES") return show(session_);
    if (asked == "SHOW GLOBAL VARIABLES") return show(global_);
    show(user_variables_);
  }

  void show(const Pairs& rows) {
    Reply reply(modern);
    reply.columns(2);
    for (const auto& [name, value] : rows) {
      protocol::Buffer row;
      protocol::Writer(row).lenenc_text(name).lenenc_text(value);
      reply.packet(row);
    }
    pair_.peer.send(reply.end().out());
  }

  [[nodiscard]] std::uint64_t mismatches() const { return read(counters_of_all_.state_mismatches); }

  LinkAndPeer pair_ = open_pair();
  config::Settings settings_;
  Counters counters_of_all_{1};
  Pairs session_{{"sql_mode", "STRICT"}, {"time_zone", "SYSTEM"}};
  Pairs global_ = session_;
  Pairs user_variables_;
  std::string schema_;
  unsigned questions_ = 0;
  bool hangs_up_ = false;
};

TEST_F(LinkVerifierTest, PassesALinkThatIsAsItsImageSays) {
  EXPECT_TRUE(pass_on());
  pair_.link->image.set("sql_mode", "ANSI");
  pair_.link->image.schema = schema_ = "shop";
  session_[0].second = "ANSI";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pass_on());
  EXPECT_EQ(mismatches(), 0U);
  EXPECT_EQ(read(counters_of_all_.state_checks), 3U);
}

TEST_F(LinkVerifierTest, TakesOutALinkWhoseVariableWasChangedBehindItsImage) {
  EXPECT_TRUE(pass_on());
  session_[1].second = "+01:00";
  EXPECT_FALSE(pass_on());
  EXPECT_TRUE(pair_.link->closed());
  EXPECT_EQ(mismatches(), 1U);
}

TEST_F(LinkVerifierTest, TakesOutALinkInAnotherSchema) {
  EXPECT_TRUE(pass_on());
  pair_.link->image.schema = "shop";
  schema_ = "other";
  EXPECT_FALSE(pass_on());
  EXPECT_EQ(mismatches(), 1U);
}

TEST_F(LinkVerifierTest, TakesOutALinkWithAUserVariableThatNobodyKnowsOf) {
  EXPECT_TRUE(pass_on());
  user_variables_ = {{"left", ""}};
  EXPECT_FALSE(pass_on());
  EXPECT_EQ(mismatches(), 1U);
}

TEST_F(LinkVerifierTest, DoesNotBlameTheLinkForAChangeOfAGlobalVariable) {
  EXPECT_TRUE(pass_on());
  session_[1].second = global_[1].second = "+02:00";
  EXPECT_TRUE(pass_on());
  EXPECT_EQ(mismatches(), 0U);
}

TEST_F(LinkVerifierTest, LooksOnlyAtEveryNthTime) {
  settings_.session.verify_every = 3;
  EXPECT_TRUE(pass_on());
  const unsigned at_first = questions_;
  EXPECT_TRUE(pass_on());
  EXPECT_TRUE(pass_on());
  EXPECT_EQ(questions_, at_first);
  EXPECT_TRUE(pass_on());
  EXPECT_GT(questions_, at_first);
}

TEST_F(LinkVerifierTest, AsksNothingUnlessItIsSwitchedOn) {
  settings_.session.verify_every = 0;
  EXPECT_TRUE(pass_on());
  EXPECT_EQ(questions_, 0U);
}

TEST_F(LinkVerifierTest, DoesNotPassOnALinkThatDiesOverTheQuestion) {
  EXPECT_TRUE(pass_on());
  hangs_up_ = true;
  EXPECT_FALSE(pass_on());
  EXPECT_EQ(mismatches(), 0U);
}

}  // namespace
}  // namespace sluice::proxy
