#include "proxy/prepared_cache.hpp"

#include <gmock/gmock.h>

namespace sluice::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PreparedCacheTest : public testing::Test {
 protected:
  void fill() {
    for (std::size_t i = 0; i < PreparedCache::budget; ++i)
      cache_.insert("q" + std::to_string(i), static_cast<std::uint32_t>(i), closed_);
  }
  PreparedCache cache_;
  std::vector<std::uint32_t> closed_;
};

TEST_F(PreparedCacheTest, FindsWhatItWasGiven) {
  cache_.insert("a", 7, closed_).types = {3, 0};
  ASSERT_NE(cache_.find("a"), nullptr);
  EXPECT_EQ(cache_.find("a")->server_id, 7U);
  EXPECT_THAT(cache_.find("a")->types, ElementsAre(3, 0));
  EXPECT_EQ(cache_.find("b"), nullptr);
  EXPECT_THAT(closed_, IsEmpty());
}

TEST_F(PreparedCacheTest, ClosesTheStatementThatIsReplaced) {
  cache_.insert("a", 7, closed_).types = {3, 0};
  EXPECT_THAT(cache_.insert("a", 8, closed_).types, IsEmpty()) << "the new one heard no types";
  EXPECT_THAT(closed_, ElementsAre(7));
  EXPECT_EQ(cache_.size(), 1U);
}

TEST_F(PreparedCacheTest, ClosesTheLeastRecentlyUsedWhenItIsFull) {
  fill();
  EXPECT_THAT(closed_, IsEmpty());
  ASSERT_NE(cache_.find("q0"), nullptr);
  cache_.insert("more", 1000, closed_);
  EXPECT_THAT(closed_, ElementsAre(1)) << "q0 has been used since";
  EXPECT_EQ(cache_.size(), PreparedCache::budget);
  EXPECT_EQ(cache_.find("q1"), nullptr);
}

TEST_F(PreparedCacheTest, ReplacesWithoutEvictingWhenItIsFull) {
  fill();
  cache_.insert("q5", 1000, closed_);
  EXPECT_THAT(closed_, ElementsAre(5));
  EXPECT_EQ(cache_.size(), PreparedCache::budget);
}

TEST_F(PreparedCacheTest, ErasesOnlyWhatIsThere) {
  cache_.insert("a", 7, closed_);
  cache_.erase("b", closed_);
  EXPECT_THAT(closed_, IsEmpty());
  cache_.erase("a", closed_);
  EXPECT_THAT(closed_, ElementsAre(7));
  EXPECT_EQ(cache_.find("a"), nullptr);
}

TEST_F(PreparedCacheTest, ForgetsWithoutClosingAfterAReset) {
  fill();
  cache_.forget();
  EXPECT_EQ(cache_.size(), 0U);
  EXPECT_EQ(cache_.find("q3"), nullptr);
  EXPECT_THAT(closed_, IsEmpty());
}

}  // namespace
}  // namespace sluice::proxy
