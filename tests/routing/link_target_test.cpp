#include "routing/link_target.hpp"

#include <gtest/gtest.h>

namespace sluice::routing {
namespace {

constexpr TimePoint start{std::chrono::seconds(1000)};

/// A backend that answers `rate(links)` statements a second, `depth` waiting on each link.
class Backend {
 public:
  template <class Rate>
  std::size_t run(milliseconds time, std::size_t depth, Rate rate) {
    for (const TimePoint end = now_ + time; now_ < end;) {
      const double per_second = rate(target_.links());
      now_ += std::chrono::duration_cast<TimePoint::duration>(
          std::chrono::duration<double>(1 / per_second));
      target_.on_reply(depth, now_);
      most_ = std::max(most_, target_.links());
    }
    return target_.links();
  }
  std::size_t most_ = 0;

 private:
  LinkTarget target_;
  TimePoint now_ = start;
};

TEST(LinkTarget, StaysSmallWhereMoreLinksBringNothing) {
  Backend backend;
  const auto one_core = [](std::size_t) { return 20'000.0; };
  EXPECT_LE(backend.run(milliseconds(20'000), 50, one_core), LinkTarget::first + 1);
  EXPECT_EQ(backend.most_, LinkTarget::first + 1);
}

TEST(LinkTarget, GrowsWithTheCoresOfTheBackend) {
  Backend backend;
  const auto eight_cores = [](std::size_t links) {
    return 5'000.0 * static_cast<double>(std::min<std::size_t>(links, 8));
  };
  const std::size_t links = backend.run(milliseconds(20'000), 50, eight_cores);
  EXPECT_GE(links, 7U);
  EXPECT_LE(links, 9U);
}

TEST(LinkTarget, TriesNothingWhileStatementsDoNotQueue) {
  Backend backend;
  const auto quick = [](std::size_t links) { return 1'000.0 * static_cast<double>(links); };
  EXPECT_EQ(backend.run(milliseconds(10'000), 1, quick), LinkTarget::first);
  EXPECT_EQ(backend.most_, LinkTarget::first);
}

TEST(LinkTarget, NeverAsksForMoreThanTheMost) {
  Backend backend;
  const auto boundless = [](std::size_t links) {
    return 1'000.0 * static_cast<double>(links * links);
  };
  EXPECT_EQ(backend.run(milliseconds(20'000), 50, boundless), LinkTarget::most);
}

}  // namespace
}  // namespace sluice::routing
