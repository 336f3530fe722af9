#include "config/quantity.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsEveryUnit) {
  EXPECT_EQ(parse_duration("250ms").value, 250ms);
  EXPECT_EQ(parse_duration("1s").value, 1s);
  EXPECT_EQ(parse_duration("2m").value, 2min);
  EXPECT_EQ(parse_duration("1h").value, 1h);
  EXPECT_EQ(parse_duration("3d").value, 72h);
  EXPECT_EQ(parse_duration("1.5s").value, 1500ms);
  EXPECT_EQ(parse_duration("0.001s").value, 1ms);
  EXPECT_EQ(parse_duration("1m30s").value, 90s);
  EXPECT_EQ(parse_duration("1 h 5 m").value, 65min);
  EXPECT_EQ(parse_duration("0ms").value, 0ms);
}

TEST(Duration, RefusesWhatItWouldHaveToGuess) {
  for (const char* text : {"", " ", "250", "s", "1.s.", "-1s", "1x", "1MS", "1,5s", "0.5ms",
                           "0.0001s", "99999999999999999999s", "200000000d", "ms250", "1s;"}) {
    const auto parsed = parse_duration(text);
    EXPECT_FALSE(parsed.value) << text;
    EXPECT_FALSE(parsed.what.empty()) << text;
    EXPECT_FALSE(parsed.mend.empty()) << text;
  }
}

TEST(Duration, TellsTheUnitsWhereOneIsMissing) {
  const auto parsed = parse_duration("250");
  EXPECT_EQ(parsed.what, "\"250\" has no unit");
  EXPECT_EQ(parsed.mend, "add one of ms, s, m, h, d, for instance \"250ms\"");
}

TEST(Duration, ReadsWhatItPrints) {
  for (const auto value : {0ms, 1ms, 999ms, 1000ms, 1500ms, 60'000ms, 61'000ms, 3'600'000ms,
                           86'400'000ms, 90'000'000ms})
    EXPECT_EQ(parse_duration(to_string(value)).value, value) << to_string(value);
  EXPECT_EQ(to_string(1500ms), "1500ms");
  EXPECT_EQ(to_string(2min), "2m");
}

TEST(ByteSize, ReadsPowersOf1024) {
  EXPECT_EQ(parse_size("512B").value, ByteSize{512});
  EXPECT_EQ(parse_size("64KiB").value, kibibytes(64));
  EXPECT_EQ(parse_size("16MiB").value, mebibytes(16));
  EXPECT_EQ(parse_size("1.5GiB").value, mebibytes(1536));
}

TEST(ByteSize, SuggestsTheUnitThatWasMeant) {
  EXPECT_EQ(parse_size("16MB").mend, "did you mean \"16MiB\"?");
  EXPECT_EQ(parse_size("16M").mend, "did you mean \"16MiB\"?");
  EXPECT_EQ(parse_size("64kib").mend, "did you mean \"64KiB\"?");
  EXPECT_EQ(parse_size("1x").mend, "the units are B, KiB, MiB, GiB");
  EXPECT_EQ(parse_size("1024").what, "\"1024\" has no unit");
}

TEST(ByteSize, ReadsWhatItPrints) {
  for (const std::uint64_t value : {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL, 1ULL << 20, 3ULL << 30})
    EXPECT_EQ(parse_size(to_string(ByteSize{value})).value, ByteSize{value});
}

}  // namespace
}  // namespace sluice::config
