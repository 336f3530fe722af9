#include "config/validate.hpp"

#include <gmock/gmock.h>

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Settings valid() {
  Settings settings;
  settings.monitor.user = "m";
  settings.backends.resize(2);
  settings.backends[0].name = "db1";
  settings.backends[0].address = Address::tcp("10.0.0.1", 3306);
  settings.backends[1].name = "db2";
  settings.backends[1].address = Address::tcp("10.0.0.2", 3306);
  settings.users.resize(2);
  settings.users[0].name = "app";
  settings.users[1].name = "reports";
  return settings;
}

std::vector<std::string> keys_at_fault(const Settings& settings) {
  std::vector<std::string> faulty;
  for (const Problem& problem : validate(settings)) {
    faulty.push_back(problem.key);
    EXPECT_FALSE(problem.what.empty());
    EXPECT_FALSE(problem.mend.empty());
  }
  return faulty;
}

TEST(Validate, AcceptsDefaultsWithABackendAMonitorAndAUser) {
  EXPECT_THAT(keys_at_fault(valid()), IsEmpty());
}

TEST(Validate, AsksForBackendsUsersAndTheMonitorsAccount) {
  EXPECT_THAT(keys_at_fault(Settings{}), ElementsAre("monitor.user", "", ""));
}

TEST(Validate, KeepsEachKnobWithinItsRange) {
  Settings settings = valid();
  settings.monitor.interval = 1ms;
  settings.listen.max_connections = 0;
  settings.limits.session_buffer = ByteSize{1};
  settings.backends[1].max_lag = 0ms;
  settings.backends[1].weight = 1'001;
  EXPECT_THAT(keys_at_fault(settings),
              ElementsAre("listen.max_connections", "monitor.interval", "backend.db2.weight",
                          "backend.db2.max_lag", "limits.session_buffer"));
}

TEST(Validate, WantsNamesAndAddressesOnce) {
  Settings settings = valid();
  settings.backends[1] = settings.backends[0];
  settings.users[1] = settings.users[0];
  EXPECT_THAT(keys_at_fault(settings),
              ElementsAre("backend.db1.name", "user.app.name", "backend.db1.address"));
}

TEST(Validate, PointsAtTheFirstOfTwo) {
  Settings settings = valid();
  settings.users[1] = settings.users[0];
  Places places("s.toml");
  places.put("user", 0, "name", {7, 1});
  places.put("user", 1, "name", {9, 1});
  const auto problems = validate(settings, places);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(to_string(problems[0]),
            "s.toml:9: user.app.name: \"app\" is taken already in line 7; each user needs its own");
}

TEST(Validate, WantsAPortForEachOfOurOwnDoors) {
  Settings settings = valid();
  settings.admin.address = settings.listen.addresses[0];
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("admin.address"));
  settings.listen.addresses = {Address::tcp("0.0.0.0", 6080)};
  settings.admin.address.reset();
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("http.address"));
  settings.http.address = Address::tcp("localhost", 6080);
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("http.address"));
  settings.http.address.reset();
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, LetsBothFamiliesShareAPortAndAnyPortBeFree) {
  Settings settings = valid();
  settings.listen.addresses = {Address::tcp("0.0.0.0", 6033), Address::tcp("::", 6033)};
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
  settings.listen.addresses = {Address::tcp("127.0.0.1", 0)};
  settings.http.address = settings.admin.address = Address::tcp("127.0.0.1", 0);
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, RefusesABackendThatIsSluiceItself) {
  Settings settings = valid();
  settings.backends[0].address = Address::tcp("localhost", 6033);
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("backend.db1.address"));
}

TEST(Validate, RefusesABackendAtPortZero) {
  Settings settings = valid();
  settings.backends[0].address.port = 0;
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("backend.db1.address"));
}

TEST(Validate, WantsAWayToLogInWhereOneIsRequired) {
  Settings settings = valid();
  settings.admin.password = Secret();
  settings.http.login_required = true;
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("http.login_required"));
  settings.http.token = Secret("t");
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
  settings.http.token = Secret();
  settings.admin.readonly_password = Secret("s");
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, WarnsOfAnHttpPortThatAnybodyMayLookAt) {
  Settings settings = valid();
  settings.http.address = Address::tcp("::", 6080);
  const auto problems = validate(settings, Places("s.toml"));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(to_string(problems[0]),
            "s.toml: warning: http.address: whoever reaches [::]:6080 may look without a login; "
            "write login_required = true, or listen on 127.0.0.1");
  settings.http.login_required = true;
  settings.admin.password = Secret("p");
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, WantsCertificateAndKeyTogether) {
  Settings settings = valid();
  settings.listen.certificate = "cert.pem";
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("listen.certificate"));
  settings.listen.key = "key.pem";
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, RefusesAUserThatCouldNeverLogIn) {
  Settings settings = valid();
  settings.listen.tls = ClientTls::off;
  settings.users[0].tls_required = true;
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("user.app.tls_required"));
}

TEST(Validate, TellsBothAdminAccountsApart) {
  Settings settings = valid();
  settings.admin.readonly_user = "admin";
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
  settings.admin.readonly_password = Secret("x");
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("admin.readonly_user"));
}

TEST(Validate, WantsAVersionThatDriversCanRead) {
  Settings settings = valid();
  settings.listen.server_version = "MariaDB";
  EXPECT_THAT(keys_at_fault(settings), ElementsAre("listen.server_version"));
  settings.listen.server_version = "5.5.5-10.11.6-MariaDB";
  EXPECT_THAT(keys_at_fault(settings), IsEmpty());
}

TEST(Validate, WarnsOfAnAuthorityThatNobodyAsks) {
  Settings settings = valid();
  settings.backends[0].tls_ca = "ca.pem";
  const auto problems = validate(settings);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].severity, Problem::Severity::warning);
}

TEST(Validate, RefusesToPromoteWithoutAnAccountOrAStateFile) {
  Settings settings = valid();
  settings.failover.mode = FailoverMode::promote;
  const auto problems = validate(settings);
  EXPECT_TRUE(any_error(problems));
  settings.failover.user = "promoter";
  EXPECT_TRUE(any_error(validate(settings)));
  settings.failover.state_file = "state";
  EXPECT_FALSE(any_error(validate(settings)));
  EXPECT_EQ(validate(settings).size(), 1U) << "nobody can rejoin without a replication_user";
  settings.failover.replication_user = "repl";
  EXPECT_TRUE(validate(settings).empty());
}

}  // namespace
}  // namespace sluice::config
