#include "config/load.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Line 7 is the first free one. What must be there to be complete, and no more.
const std::string complete = R"([monitor]
user = "m"
[[backend]]
name = "db1"
address = "10.0.0.1"
[[user]]
name = "app"
)";

std::vector<std::string> problems_of(const std::string& text) {
  std::vector<std::string> printed;
  for (const Problem& problem : load_text(text, "s.toml").problems)
    printed.push_back(to_string(problem));
  return printed;
}

// The one problem of a complete configuration with `text` in front of it.
std::string problem_with(const std::string& text) {
  const auto printed = problems_of(text + "\n" + complete);
  return printed.size() == 1 ? printed[0] : "not one problem: " + testing::PrintToString(printed);
}

TEST(Load, FillsWhatIsGivenAndLeavesTheDefaults) {
  const Loaded loaded = load_text(complete + R"(password = "p"
[listen]
address = ["[::]:6033", "unix:/run/s.sock"]
tls = "require"
[http]
address = "off"
[routing]
max_lag = "1.5s"
reads_on_master = "share"
[limits]
session_buffer = "128KiB"
)",
                                  "s.toml");
  EXPECT_THAT(loaded.problems, IsEmpty());
  Settings expected;
  expected.monitor.user = "m";
  expected.backends.resize(1);
  expected.backends[0].name = "db1";
  expected.backends[0].address = Address::tcp("10.0.0.1", 3306);
  expected.users.resize(1);
  expected.users[0].name = "app";
  expected.users[0].password = Secret("p");
  expected.listen.addresses = {Address::tcp("::", 6033), Address::unix_socket("/run/s.sock")};
  expected.listen.tls = ClientTls::require;
  expected.http.address.reset();
  expected.routing.max_lag = 1500ms;
  expected.routing.reads_on_primary = ReadsOnPrimary::share;
  expected.limits.session_buffer = kibibytes(128);
  EXPECT_EQ(loaded.settings, expected);
}

TEST(Load, PointsAtAnUnknownKeyAndNamesTheNearest) {
  EXPECT_EQ(problem_with("[routing]\nmax_lagg = \"1s\""),
            "s.toml:2: routing.max_lagg: unknown key; did you mean \"max_lag\"?");
  EXPECT_EQ(problem_with("[routing]\nMaxLag = \"1s\""),
            "s.toml:2: routing.MaxLag: unknown key; did you mean \"max_lag\"?");
  EXPECT_EQ(problem_with("[listen]\nadress = \"x\""),
            "s.toml:2: listen.adress: unknown key; did you mean \"address\"?");
  EXPECT_EQ(problem_with("[routing]\nzzz = 1"), "s.toml:2: routing.zzz: unknown key");
}

TEST(Load, TellsWhereAMisplacedKeyBelongs) {
  EXPECT_EQ(problem_with("[http]\nhold = \"1s\""),
            "s.toml:2: http.hold: unknown key; it belongs in [failover]");
  EXPECT_EQ(problem_with("weight = 2"), "s.toml:1: weight: unknown key; it belongs in [[backend]]");
}

TEST(Load, PointsAtAnUnknownSection) {
  EXPECT_EQ(problem_with("[lisen]\naddress = \"x\""),
            "s.toml:1: lisen: unknown section; did you mean \"listen\"?");
  EXPECT_EQ(problem_with("[[backends]]\nname = \"x\""),
            "s.toml:1: backends: unknown section; did you mean \"backend\"?");
}

TEST(Load, TellsListsOfTablesFromTables) {
  EXPECT_EQ(problem_with("[[listen]]\ntls = \"off\""),
            "s.toml:1: listen: is a section, not a list; write [listen], once");
  EXPECT_THAT(problems_of("[monitor]\nuser = \"m\"\n[user]\nname = \"app\"\n"
                          "[backend]\nname = \"db1\"\naddress = \"10.0.0.1\"\nwight = 1\n"),
              testing::UnorderedElementsAre(
                  "s.toml:3: user: there may be several of it; write [[user]]",
                  "s.toml:5: backend: there may be several of it; write [[backend]]",
                  "s.toml:8: backend.db1.wight: unknown key; did you mean \"weight\"?"));
  EXPECT_EQ(problem_with("http = 6080"),
            "s.toml:1: http: is a section, not the integer 6080; write [http], once");
}

TEST(Load, SaysWhichTypeItExpects) {
  EXPECT_EQ(problem_with("[routing]\nmax_lag = 250"),
            "s.toml:2: routing.max_lag: expects a duration such as \"250ms\", got the integer "
            "250; did you mean \"250ms\" or \"250s\"?");
  EXPECT_EQ(problem_with("[limits]\nsession_buffer = 65536"),
            "s.toml:2: limits.session_buffer: expects a size such as \"1MiB\", got the integer "
            "65536; did you mean \"64KiB\"?");
  EXPECT_EQ(problem_with("[listen]\nmax_connections = \"100\""),
            "s.toml:2: listen.max_connections: expects an integer, got \"100\"; write it without "
            "quotes");
  EXPECT_EQ(problem_with("[failover]\nallow_loss = \"no\""),
            "s.toml:2: failover.allow_loss: expects true or false, got \"no\"; write it without "
            "quotes");
  EXPECT_EQ(problem_with("[admin]\nuser = true"),
            "s.toml:2: admin.user: expects a text in quotes, got true");
  EXPECT_EQ(problem_with("[http]\naddress = 6080"),
            "s.toml:2: http.address: expects an address such as \"127.0.0.1:6033\", got the "
            "integer 6080");
  EXPECT_EQ(problem_with("[listen]\nkey = 1.5"),
            "s.toml:2: listen.key: expects a path in quotes, got the number 1.5");
  EXPECT_EQ(problem_with("[log]\nlevel = 1979-05-27"),
            "s.toml:2: log.level: expects one of \"error\", \"warning\", \"info\", \"debug\", got "
            "a date or time");
}

TEST(Load, ListsTheWordsOfAnEnumAndTheNearest) {
  EXPECT_EQ(problem_with("[listen]\ntls = \"requird\""),
            "s.toml:2: listen.tls: \"requird\" is not one of \"off\", \"offer\", \"require\"; did "
            "you mean \"require\"?");
}

TEST(Load, PointsAtTheLineOfAnAddressInAList) {
  EXPECT_EQ(problem_with("[listen]\naddress = [\n  \"127.0.0.1:6033\",\n  \"127.0.0.1:x\",\n]"),
            "s.toml:4: listen.address: the port \"x\" is not between 0 and 65535; write for "
            "instance \"127.0.0.1:6033\"");
  EXPECT_EQ(problem_with("[listen]\naddress = []"),
            "s.toml:2: listen.address: is an empty list; give at least one address");
}

TEST(Load, TellsEverythingAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      problems_of("[routing]\nmax_lag = 1\ncausl = \"off\"\n[[backend]]\nname = \"a b\"\n"
                  "weight = 0\n"),
      ElementsAre("s.toml: monitor.user: is missing; add user = … to [monitor]",
                  "s.toml: no [[user]]; add one with name and password for each account "
                  "that logs in",
                  "s.toml:2: routing.max_lag: expects a duration such as \"250ms\", got the "
                  "integer 1; did you mean \"1ms\" or \"1s\"?",
                  "s.toml:3: routing.causl: unknown key; did you mean \"causal\"?",
                  "s.toml:4: backend.a b.address: is missing; add address = … to this "
                  "[[backend]]",
                  "s.toml:5: backend.a b.name: \"a b\" is not a plain word; use up to 64 "
                  "letters, digits, and _ - .",
                  "s.toml:6: backend.a b.weight: 0 is out of range; allowed is 1 to 1000"));
}

TEST(Load, SaysEmptyOfARequiredTextAndNotMissing) {
  EXPECT_EQ(problem_with("[admin]\nuser = \"\""),
            "s.toml:2: admin.user: is empty; give it a value");
}

TEST(Load, RefusesBothWordsForOneKnob) {
  EXPECT_EQ(problem_with("[routing]\nreads_on_master = \"share\"\nreads_on_primary = \"share\""),
            "s.toml:3: routing.reads_on_primary: is given twice, also in line 2; keep "
            "\"reads_on_primary\"");
}

TEST(Load, PointsAtASyntaxError) {
  const auto printed = problems_of("[listen]\naddress = \n");
  ASSERT_EQ(printed.size(), 1U);
  EXPECT_TRUE(printed[0].starts_with("s.toml:2:")) << printed[0];
}

TEST(Load, PointsAtAHeadThatTomlppWouldEndTheProcessFor) {
  for (const char* head : {"[= 1]", "[[[listen]]]", "[{}]"}) {
    const auto printed = problems_of(complete + head + "\n" + complete);
    ASSERT_EQ(printed.size(), 1U);
    EXPECT_EQ(printed[0],
              "s.toml:8: the head of a section is not understood; write a name in brackets, such "
              "as [listen]");
  }
}

// An operator's editor may leave half a file behind: no cut may crash the reader,
// and none may go unnoticed where a required part is gone.
TEST(Load, SurvivesEveryCutOfAFile) {
  for (std::size_t length = 0; length < complete.size(); ++length) {
    const Loaded loaded = load_text(complete.substr(0, length), "s.toml");
    if (length < complete.find("\"app\"")) {
      EXPECT_FALSE(loaded.ok()) << length;
    }
  }
}

TEST(Load, SurvivesNonsense) {
  for (const std::string& text :
       {std::string("\0\0\0", 3), std::string("\xff\xfe"), std::string("= = ="),
        std::string(5'000, '['), "a = " + std::string(2'000, '['), std::string("\"\" = 1"),
        std::string("[\"\"]\n\"\" = 1"), std::string("[backend]\n[[backend]]"),
        std::string("listen.address.x = 1")})
    EXPECT_FALSE(load_text(text, "s.toml").ok());
}

}  // namespace
}  // namespace sluice::config
