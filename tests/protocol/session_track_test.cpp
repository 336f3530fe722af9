#include "protocol/session_track.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/protocol/replay.hpp"

namespace sluice::protocol {
namespace {

/// All that a server can say, and one thing that none says today.
Buffer full_block() {
  Buffer block;
  append_track_entry(block, {.type = TrackType::system_variables, .name = "tz", .value = "UTC"});
  // MariaDB: two pairs in one entry.
  Writer(block).int1(0).lenenc(8).lenenc_text("a").lenenc_text("1");
  Writer(block).lenenc_text("b").lenenc_text("2");
  append_track_entry(block, {.type = TrackType::schema, .value = "shop"});
  append_track_entry(block, {.type = TrackType::state_change, .value = "1"});
  append_track_entry(block, {.type = TrackType::gtids, .value = "0-1-17"});
  append_track_entry(block, {.type = TrackType::transaction_characteristics, .value = ""});
  append_track_entry(block, {.type = TrackType::transaction_state, .value = "T_____W_"});
  append_track_entry(block, {.type = TrackType{42}, .raw = as_bytes("later")});
  return block;
}

std::vector<std::string> walk(Bytes block, bool& ok) {
  std::vector<std::string> seen;
  SessionTrack track(block);
  while (const std::optional<TrackEntry> entry = track.next())
    seen.push_back(std::to_string(static_cast<int>(entry->type)) + " " + std::string(entry->name) +
                   "=" + std::string(entry->value));
  ok = track.ok();
  return seen;
}

TEST(SessionTrack, GivesEveryEntryAndEveryPair) {
  bool ok = false;
  const std::vector<std::string> seen = walk(full_block(), ok);
  EXPECT_TRUE(ok);
  EXPECT_EQ(seen, (std::vector<std::string>{"0 tz=UTC", "0 a=1", "0 b=2", "1 =shop", "2 =1",
                                            "3 =0-1-17", "4 =", "5 =T_____W_", "42 ="}));
}

TEST(SessionTrack, ReadsWhatMariaDbSaysOfSetTimeZone) {
  // Recorded: SET time_zone='+01:00' with all trackers on.
  const Buffer block{0x00, 0x11, 0x09, 't', 'i', 'm', 'e', '_', 'z',  'o',  'n',
                     'e',  0x06, '+',  '0', '1', ':', '0', '0', 0x02, 0x01, 0x31};
  bool ok = false;
  EXPECT_EQ(walk(block, ok), (std::vector<std::string>{"0 time_zone=+01:00", "2 =1"}));
  EXPECT_TRUE(ok);
  Buffer copy;
  ASSERT_TRUE(filter_session_track(
      block, [](const TrackEntry&) { return true; }, copy));
  EXPECT_EQ(copy, block);
}

TEST(SessionTrack, AnEmptyBlockIsNoFault) {
  bool ok = false;
  EXPECT_TRUE(walk({}, ok).empty());
  EXPECT_TRUE(ok);
}

TEST(SessionTrack, ACutBlockIsAFaultUnlessCutBetweenEntries) {
  const Buffer block = full_block();
  bool whole_ok = false;
  const std::size_t entries = walk(block, whole_ok).size();
  std::size_t clean_cuts = 0;
  for (std::size_t size = 0; size < block.size(); ++size) {
    const Buffer cut(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(size));
    bool ok = false;
    EXPECT_LT(walk(cut, ok).size(), entries);
    clean_cuts += ok ? 1 : 0;
  }
  EXPECT_EQ(clean_cuts, 8U) << "one in front of each entry on the wire";
}

TEST(SessionTrack, FilterHidesWhatIsNotKept) {
  Buffer out = bytes("before");
  const Result<void> filtered = filter_session_track(
      full_block(),
      [](const TrackEntry& entry) { return entry.type == TrackType::schema || entry.name == "b"; },
      out);
  ASSERT_TRUE(filtered);
  EXPECT_EQ(as_text(Bytes(out).first(6)), "before");
  bool ok = false;
  EXPECT_EQ(walk(Bytes(out).subspan(6), ok), (std::vector<std::string>{"0 b=2", "1 =shop"}));
  EXPECT_TRUE(ok);
}

TEST(SessionTrack, FilterThatKeepsAllChangesNothingThatIsRead) {
  Buffer out;
  ASSERT_TRUE(filter_session_track(
      full_block(), [](const TrackEntry&) { return true; }, out));
  bool ok = false;
  EXPECT_EQ(walk(out, ok), walk(full_block(), ok));
  EXPECT_TRUE(ok);
}

TEST(SessionTrack, FilterLeavesTheOutputAloneWhenTheBlockIsBad) {
  Buffer block = full_block();
  block.pop_back();
  Buffer out = bytes("kept");
  EXPECT_EQ(filter_session_track(
                block, [](const TrackEntry&) { return true; }, out)
                .error(),
            Errc::malformed);
  EXPECT_EQ(out, bytes("kept"));
}

}  // namespace
}  // namespace sluice::protocol
