/// What real servers answered (tests/support/record_streams.py), walked whole,
/// cut at every byte and with every byte flipped.
#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/recorded.hpp"

namespace sluice::protocol {
namespace {

class RecordedStreams : public testing::TestWithParam<const char*> {
 protected:
  std::vector<Recorded> streams_ = recorded(GetParam());

  void SetUp() override { ASSERT_GT(streams_.size(), 200U) << "no recording"; }

  [[nodiscard]] Outcome outcome_of(const std::string& name) const {
    for (const Recorded& each : streams_)
      if (each.name == name) return replay(each.stream);
    ADD_FAILURE() << "no stream " << name;
    return {};
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, RecordedStreams, testing::Values("mariadb-10.11", "mysql-9.7"));

TEST_P(RecordedStreams, EndExactlyWhereTheServerEndedThem) {
  for (const auto& [name, stream] : streams_) {
    const Outcome whole = replay(stream);
    EXPECT_TRUE(whole.done) << name << " " << whole.error.message();
    EXPECT_EQ(whole.passed, stream.bytes) << name;
  }
}

TEST_P(RecordedStreams, HaveOneOutcomeHoweverTheyAreCut) {
  for (const auto& [name, stream] : streams_) {
    const Outcome whole = replay(stream);
    EXPECT_EQ(replay(stream, 0, 1), whole) << name;
    for (std::size_t cut = 1; cut < stream.bytes.size(); ++cut)
      ASSERT_EQ(replay(stream, cut, stream.bytes.size()), whole) << name << " cut at " << cut;
  }
}

TEST_P(RecordedStreams, AreWaitedForWhenTheyEndEarly) {
  for (const auto& [name, stream] : streams_) {
    for (std::size_t size = 0; size < stream.bytes.size(); ++size) {
      Stream cut = stream;
      cut.bytes.resize(size);
      const Outcome outcome = replay(cut);
      ASSERT_FALSE(outcome.done || outcome.error) << name << " ends at " << size;
    }
  }
}

TEST_P(RecordedStreams, WithAByteFlippedStayInBounds) {
  for (const auto& [name, stream] : streams_) {
    for (std::size_t i = 0; i < stream.bytes.size(); ++i) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        Stream flipped = stream;
        flipped.bytes[i] = static_cast<std::uint8_t>(flipped.bytes[i] ^ flip);
        ASSERT_LE(replay(flipped).passed.size(), stream.bytes.size()) << name << " at " << i;
      }
    }
  }
}

TEST_P(RecordedStreams, SayWhatTheServerDid) {
  for (const std::string set : {"legacy", "modern"}) {
    EXPECT_EQ(outcome_of(set + "/rows").rows, 3U);
    EXPECT_EQ(outcome_of(set + "/no_rows").rows, 0U);
    EXPECT_TRUE(outcome_of(set + "/error").in_error);
    EXPECT_TRUE(outcome_of(set + "/error_in_rows").in_error);
    EXPECT_EQ(outcome_of(set + "/several").result_sets, 2U);
    EXPECT_EQ(outcome_of(set + "/call").result_sets, 2U);
    EXPECT_NE(outcome_of(set + "/begin").status & status::in_transaction, 0);
    EXPECT_EQ(outcome_of(set + "/commit").status & status::in_transaction, 0);
    EXPECT_EQ(outcome_of(set + "/infile").infiles, 1);
    EXPECT_EQ(outcome_of(set + "/execute_again").rows, 2U);
    EXPECT_EQ(outcome_of(set + "/execute_out_parameter").result_sets, 2U);
    EXPECT_TRUE(outcome_of(set + "/execute_cursor").cursor_open);
    EXPECT_EQ(outcome_of(set + "/execute_cursor").rows, 0U);
    EXPECT_EQ(outcome_of(set + "/fetch_first").rows, 2U);
    EXPECT_EQ(outcome_of(set + "/fetch_last").rows, 1U);
  }
}

}  // namespace
}  // namespace sluice::protocol
