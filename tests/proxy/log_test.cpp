#include "proxy/log.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace sluice::proxy {
namespace {

using config::LogFormat;
using config::LogLevel;
using testing::EndsWith;
using testing::HasSubstr;

class LogTest : public testing::Test {
 protected:
  void TearDown() override { log::configure(LogLevel::info, LogFormat::human); }

  template <class Write>
  static std::string written(LogFormat format, Write write) {
    log::configure(LogLevel::info, format);
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, WritesOneLineForPeople) {
  const std::string line = written(
      LogFormat::human, [] { log::info("backend", "{} is the primary now: {}", "db1", "why"); });
  EXPECT_THAT(line, EndsWith(" info    backend: db1 is the primary now: why\n"));
}

TEST_F(LogTest, WritesOneObjectForMachines) {
  const std::string line =
      written(LogFormat::json, [] { log::error("link", "a \"quoted\" \\ text\n"); });
  EXPECT_THAT(line,
              HasSubstr(R"("level":"error","event":"link","text":"a \"quoted\" \\ text\u000a"})"));
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, LetsNobodyForgeALine) {
  const std::string line = written(LogFormat::human, [] {
    log::warning("misroute", "{}",
                 std::string_view("a\n2026-01-01 error x: forged\r\x1b[0m\0b", 36));
  });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.find('\r'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(line.find('\0'), std::string::npos);
}

TEST_F(LogTest, SaysNothingBelowItsLevel) {
  EXPECT_EQ(written(LogFormat::human, [] { log::debug("x", "{}", 1); }), "");
  log::configure(LogLevel::error, LogFormat::human);
  EXPECT_TRUE(log::enabled(LogLevel::error));
  EXPECT_FALSE(log::enabled(LogLevel::warning));
}

}  // namespace
}  // namespace sluice::proxy
