#include "routing/errant.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

const std::string a = "aaaaaaaa-0000-0000-0000-000000000000";
const std::string b = "bbbbbbbb-0000-0000-0000-000000000000";

Observation mysql(const std::string& uuid, const std::string& gtid) {
  return {.alive = true, .server_uuid = uuid, .gtid = *GtidSet::parse(gtid, Flavour::mysql)};
}

Observation mariadb(std::uint32_t id, const std::string& gtid, const std::string& written) {
  return {.alive = true,
          .flavour = Flavour::mariadb,
          .server_id = id,
          .gtid = *GtidSet::parse(gtid, Flavour::mariadb),
          .written = *parse_positions(written)};
}

std::string text(const std::optional<GtidSet>& set) { return set ? set->to_string() : "unknown"; }

TEST(Errant, IsOnMySqlWhatNeitherThePrimaryHasNorItWrote) {
  const auto primary = mysql(a, a + ":1-10");
  EXPECT_EQ(text(errant_beside(primary, mysql(b, a + ":1-10"))), "");
  EXPECT_EQ(text(errant_beside(primary, mysql(b, a + ":1-12"))), "") << "written since the probe";
  EXPECT_EQ(text(errant_beside(primary, mysql(b, a + ":1-10:x:1"))), "") << "with a tag of its own";
  EXPECT_EQ(text(errant_beside(primary, mysql(b, a + ":1-10," + b + ":1"))), b + ":1");
}

TEST(Errant, IsOnMariaDbWhatAnotherServerWroteAndThePrimaryDidNotLog) {
  const auto primary = mariadb(1, "0-1-10", "0-2-4,0-1-10");
  EXPECT_EQ(text(errant_beside(primary, mariadb(2, "0-1-12", "0-2-4,0-1-12"))), "");
  EXPECT_EQ(text(errant_beside(primary, mariadb(2, "0-2-11", "0-2-11,0-1-10"))), "0-2-11");
  EXPECT_EQ(text(errant_beside(primary, mariadb(2, "0-1-12", "0-2-11,0-1-12"))), "0-2-11")
      << "hidden behind a higher number";
  EXPECT_EQ(text(errant_beside(primary, mariadb(2, "0-1-10,7-2-1", "0-1-10,7-2-1"))), "7-2-1");
}

TEST(Errant, OfAReturnedPrimaryIsNotHiddenByWhatItsSuccessorWroteSince) {
  const auto successor = mariadb(2, "0-2-120", "0-1-100,0-2-120");
  EXPECT_EQ(text(missing_from(successor, mariadb(1, "0-1-100", "0-1-100"))), "");
  EXPECT_EQ(text(missing_from(successor, mariadb(1, "0-1-105", "0-1-105"))), "0-1-105");
  EXPECT_EQ(text(missing_from(mysql(b, a + ":1-100," + b + ":1-20"), mysql(a, a + ":1-105"))),
            a + ":101-105");
  EXPECT_EQ(text(missing_from(mysql(b, a + ":1-100," + b + ":1-20"), mysql(a, a + ":1-100"))), "");
}

TEST(Errant, IsUnknownWhereGtidsAre) {
  Observation silent = mysql(b, "");
  silent.gtid.reset();
  EXPECT_FALSE(errant_beside(mysql(a, a + ":1"), silent));
  EXPECT_FALSE(missing_from(silent, mysql(a, a + ":1")));
  EXPECT_FALSE(missing_from(mariadb(1, "0-1-1", "0-1-1"), mysql(a, a + ":1")));
}

}  // namespace
}  // namespace sluice::routing
