#include "config/address.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(Address, ReadsWhatItPrints) {
  for (const char* text :
       {"127.0.0.1:6033", "0.0.0.0:6033", "db1.example:3306", "my_db-2:3306", "localhost:65535",
        "[::]:6033", "[::1]:3306", "[2001:db8::8:800:200c:417a]:3306", "[1:2:3:4:5:6:7:8]:1",
        "[::ffff:10.0.0.1]:3306", "[fe80::1%eth0]:3306", "127.0.0.1:0",
        "unix:/run/sluice/sluice.sock"}) {
    const auto parsed = parse_address(text);
    ASSERT_TRUE(parsed.value) << text << " " << parsed.what;
    EXPECT_EQ(to_string(*parsed.value), text);
  }
}

TEST(Address, KeepsBracketsOutOfTheHost) {
  const auto parsed = parse_address("[::1]:3306");
  ASSERT_TRUE(parsed.value);
  EXPECT_EQ(*parsed.value, Address::tcp("::1", 3306));
}

TEST(Address, TakesTheDefaultPortOnlyWhereNoneIsGiven) {
  EXPECT_EQ(parse_address("db1", 3306).value, Address::tcp("db1", 3306));
  EXPECT_EQ(parse_address("[::1]", 3306).value, Address::tcp("::1", 3306));
  EXPECT_EQ(parse_address("db1:3307", 3306).value, Address::tcp("db1", 3307));
  EXPECT_FALSE(parse_address("db1").value);
}

TEST(Address, RefusesWhatCannotBeAnAddress) {
  for (const char* text : {"",
                           ":6033",
                           "*:6033",
                           "db1:",
                           "db1:65536",
                           "db1:-1",
                           "db1:33o6",
                           "db1:3306 ",
                           "10.0.0.256:1",
                           "10.0.0:1",
                           "1.2.3.4.5:1",
                           "6033",
                           "-db:1",
                           "db-:1",
                           "a..b:1",
                           "a b:1",
                           "::1:3306",
                           "[::1",
                           "[::1]3306",
                           "[db1]:3306",
                           "[1:2:3]:1",
                           "[1::2::3]:1",
                           "[12345::]:1",
                           "[::1%]:1",
                           "[1:2:3:4:5:6:7:8:9]:1",
                           "[]:1",
                           "unix:",
                           "unix:run/x",
                           "/run/x.sock",
                           "mysql://db1:3306"}) {
    const auto parsed = parse_address(text);
    EXPECT_FALSE(parsed.value) << text;
    EXPECT_FALSE(parsed.what.empty()) << text;
    EXPECT_FALSE(parsed.mend.empty()) << text;
  }
}

TEST(Address, MendsWhatOperatorsWriteByHabit) {
  EXPECT_EQ(parse_address("mysql://db1:3306").mend, "write \"db1:3306\"");
  EXPECT_EQ(parse_address("/run/x.sock").mend, "for a Unix socket write \"unix:/run/x.sock\"");
  EXPECT_EQ(parse_address("*:6033").mend,
            "for all interfaces write \"0.0.0.0:6033\" (IPv4) or \"[::]:6033\"");
  EXPECT_EQ(parse_address("127.0.0.1").mend, "write for instance \"127.0.0.1:6033\"");
}

TEST(Address, RefusesASocketPathThatTheKernelWouldCut) {
  EXPECT_TRUE(parse_address("unix:/" + std::string(106, 'x')).value);
  EXPECT_FALSE(parse_address("unix:/" + std::string(107, 'x')).value);
}

TEST(Address, KnowsWhatOnlyThisMachineReaches) {
  EXPECT_TRUE(is_local(Address::tcp("127.0.0.1", 1)));
  EXPECT_TRUE(is_local(Address::tcp("localhost", 1)));
  EXPECT_TRUE(is_local(Address::tcp("::1", 1)));
  EXPECT_TRUE(is_local(Address::unix_socket("/run/s.sock")));
  EXPECT_FALSE(is_local(Address::tcp("0.0.0.0", 1)));
  EXPECT_FALSE(is_local(Address::tcp("::", 1)));
  EXPECT_FALSE(is_local(Address::tcp("10.0.0.1", 1)));
}

}  // namespace
}  // namespace sluice::config
