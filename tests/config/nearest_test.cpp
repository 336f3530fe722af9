#include "config/nearest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::config {
namespace {

TEST(EditDistance, CountsASwapOfNeighboursAsOne) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("max_lag", "max_lga"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);
}

TEST(Nearest, FindsWhatWasMeantOrKeepsSilent) {
  const std::vector<std::string> known{"address", "max_lag", "causal", "off", "offer"};
  EXPECT_EQ(nearest("adress", known), "address");
  EXPECT_EQ(nearest("MaxLag", known), "max_lag");
  EXPECT_EQ(nearest("max-lag", known), "max_lag");
  EXPECT_EQ(nearest("max_lagg", known), "max_lag");
  EXPECT_EQ(nearest("offr", known), "offer");
  EXPECT_EQ(nearest("weight", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(1'000'000, 'x'), known), std::nullopt);
}

}  // namespace
}  // namespace sluice::config
