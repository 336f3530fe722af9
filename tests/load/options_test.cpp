#include "bench/load/options.hpp"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

TEST(Options, TakeWhatTheCommandLineSays) {
  const Options options =
      parse_options({"--address", "[::1]:4000", "--connections", "7", "--seconds", "1.5",
                     "--protocol", "prepared", "--slow-share", "0.25", "--idle", "9", "--tls"});
  EXPECT_EQ(options.host, "::1");
  EXPECT_EQ(options.port, "4000");
  EXPECT_EQ(options.connections, 7U);
  EXPECT_EQ(options.measured, std::chrono::milliseconds{1500});
  EXPECT_EQ(options.protocol, Protocol::prepared);
  EXPECT_EQ(options.slow_share, 0.25);
  EXPECT_EQ(options.idle, 9U);
  EXPECT_TRUE(options.tls);
  EXPECT_FALSE(options.storm);
  EXPECT_EQ(parse_options({"--address", "unix:/run/x"}).unix_path, "/run/x");
}

TEST(Options, RefuseWhatNobodyMeans) {
  const std::vector<std::string> wrong[] = {{"--connections", "0"},
                                            {"--seconds", "x"},
                                            {"--nonsense", "1"},
                                            {"--address", "localhost"},
                                            {"--protocol", "telnet"},
                                            {"--connections"},
                                            {"--rate", "-1"},
                                            {"--slow-share", "nan"},
                                            {"--storm", "--rate", "5"},
                                            {"--storm", "--tls"},
                                            {"--storm", "--protocol", "prepared"}};
  for (const auto& arguments : wrong)
    EXPECT_THROW(static_cast<void>(parse_options(arguments)), UsageError) << arguments.front();
}

}  // namespace
}  // namespace sluice::load
