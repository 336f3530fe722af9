#include "config/secret.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <utility>

namespace sluice::config {
namespace {

TEST(Secret, NeverPrints) {
  std::ostringstream out;
  out << Secret("hunter2");
  EXPECT_EQ(out.str(), "***");
  EXPECT_EQ(testing::PrintToString(Secret("hunter2")), "***");
}

TEST(Secret, CopiesAndMovesLikeAValue) {
  const Secret secret("hunter2");
  Secret copy;
  copy = secret;
  EXPECT_EQ(copy, secret);
  Secret moved(std::move(copy));
  EXPECT_EQ(moved.reveal(), "hunter2");
  Secret assigned("a much longer password than the other one has been");
  assigned = std::move(moved);
  EXPECT_EQ(assigned.reveal(), "hunter2");
  Secret& itself = assigned;
  assigned = itself;
  EXPECT_EQ(assigned.reveal(), "hunter2");
}

TEST(Secret, LeavesNothingInWhatItWasMovedFrom) {
  Secret from("a password that is too long for the small string buffer");
  const Secret to(std::move(from));
  EXPECT_FALSE(to.empty());
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is the point
}

TEST(Secret, WipesTheBytesAndNotOnlyTheLength) {
  std::string text = "a password that is too long for the small string buffer";
  const char* bytes = text.data();
  const std::size_t length = text.size();
  wipe(text);
  EXPECT_TRUE(text.empty());
  // clear() keeps the block, so it may still be looked at.
  for (std::size_t i = 1; i < length; ++i) EXPECT_EQ(bytes[i], '\0') << i;
}

}  // namespace
}  // namespace sluice::config
