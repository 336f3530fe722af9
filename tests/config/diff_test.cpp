#include "config/diff.hpp"

#include <gmock/gmock.h>

#include <ostream>

namespace sluice::config {

void PrintTo(const Change& change, std::ostream* out) {
  *out << change.key << ": " << change.before << " -> " << change.after
       << (change.needs_restart ? " (restart)" : "");
}

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Settings two_backends() {
  Settings settings;
  settings.backends.resize(2);
  settings.backends[0].name = "db1";
  settings.backends[0].address = Address::tcp("10.0.0.1", 3306);
  settings.backends[1].name = "db2";
  settings.backends[1].address = Address::tcp("10.0.0.2", 3306);
  settings.users.resize(1);
  settings.users[0].name = "app";
  settings.users[0].password = Secret("old");
  return settings;
}

TEST(Diff, IsEmptyForEqualSettings) {
  EXPECT_THAT(diff(two_backends(), two_backends()), IsEmpty());
}

TEST(Diff, NamesEachChangedKnobAndWhetherItNeedsARestart) {
  Settings file = two_backends();
  file.routing.max_lag = 500ms;
  file.listen.addresses = {Address::tcp("::", 6033), Address::unix_socket("/run/s.sock")};
  EXPECT_THAT(diff(two_backends(), file),
              ElementsAre(Change{"listen.address", "\"127.0.0.1:6033\"",
                                 "[\"[::]:6033\", \"unix:/run/s.sock\"]", true},
                          Change{"routing.max_lag", "\"1s\"", "\"500ms\"", false}));
}

TEST(Diff, MatchesBackendsByNameAndNotByOrder) {
  Settings file = two_backends();
  std::swap(file.backends[0], file.backends[1]);
  EXPECT_THAT(diff(two_backends(), file), IsEmpty());
  file.backends[0].weight = 5;
  EXPECT_THAT(diff(two_backends(), file),
              ElementsAre(Change{"backend.db2.weight", "1", "5", false}));
}

TEST(Diff, TellsAnAddedAndARemovedBackendAsAWhole) {
  Settings file = two_backends();
  file.backends[1].name = "db3";
  EXPECT_THAT(diff(two_backends(), file),
              ElementsAre(Change{"backend.db2", "\"10.0.0.2:3306\"", "", false},
                          Change{"backend.db3", "", "\"10.0.0.2:3306\"", false}));
}

TEST(Diff, SaysThatAPasswordChangedAndNotWhich) {
  Settings file = two_backends();
  file.users[0].password = Secret("new");
  EXPECT_THAT(diff(two_backends(), file),
              ElementsAre(Change{"user.app.password", "***", "***", false}));
}

}  // namespace
}  // namespace sluice::config
