#include "proxy/route_history.hpp"

#include <gmock/gmock.h>

#include "proxy/traffic_views.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using routing::Access;
using routing::Reason;

TEST(RouteHistory, GivesBackWhatItWasGiven) {
  RouteHistory history;
  EXPECT_TRUE(history.read().empty());
  const routing::TimePoint at(123'456'789'012ms);
  history.add({at, 63, Access::read, Reason::moved});
  history.add({at + 1ms, 0, Access::write, Reason::plain_read});
  const auto entries = history.read();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[1].at, at);
  EXPECT_EQ(entries[1].backend, 63U);
  EXPECT_EQ(entries[1].access, Access::read);
  EXPECT_EQ(entries[1].reason, Reason::moved);
  EXPECT_EQ(entries[0].access, Access::write);
  EXPECT_EQ(entries[0].reason, Reason::plain_read);
}

TEST(RouteHistory, KnowsTheOrderOfWhatHappenedAtOneMoment) {
  RouteHistory history;
  for (const std::size_t backend : {1, 2, 3})
    history.add({routing::TimePoint(5ms), backend, Access::read, Reason::plain_read});
  std::vector<std::size_t> order;
  for (const auto& entry : history.read()) order.push_back(entry.backend);
  EXPECT_EQ(order, (std::vector<std::size_t>{3, 2, 1}));
}

TEST(RouteHistory, KeepsTheNewest) {
  RouteHistory history;
  for (int i = 1; i <= 100; ++i)
    history.add({routing::TimePoint(i * 1ms), 1, Access::read, Reason::plain_read});
  const auto entries = history.read();
  EXPECT_EQ(entries.size(), RouteHistory::size);
  for (const auto& entry : entries) EXPECT_GT(entry.at, routing::TimePoint(92ms));
}

TEST(RouteHistory, ReadsTheClockThatOthersRead) {
  const auto apart = std::chrono::steady_clock::now() - RouteHistory::present();
  EXPECT_GE(apart, 0ms);
  EXPECT_LT(apart, 1s);
}

TEST(RouteHistory, IsShownNewestFirstAndBounded) {
  SessionRegistry registry;
  for (int i = 0; i < 20; ++i) {
    const auto session = registry.add("10.0.0.7:1", 0);
    session->set_names({i % 2 == 0 ? "app" : "other", ""});
    for (int j = 0; j < 8; ++j)
      session->history.add(
          {routing::TimePoint(1s + (i + 20 * j) * 1ms), 9, Access::read, Reason::own_write});
  }
  const Moment now{routing::TimePoint(2s),
                   std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000))};
  const AdminTable all = route_history_table({}, registry.all(), {}, now);
  ASSERT_EQ(all.rows.size(), most_route_rows);
  EXPECT_EQ(all.rows[0][0].text(), "2023-11-14T22:13:19.159Z");
  EXPECT_EQ(all.rows[0][1].text(), "20");
  EXPECT_TRUE(all.rows[0][4].null()) << "there is no such backend now";
  EXPECT_EQ(all.rows[0][5].text(), "own_write");
  EXPECT_EQ(all.rows[1][0].text(), "2023-11-14T22:13:19.158Z");
  EXPECT_EQ(route_history_table(AdminFilter({"app"}), registry.all(), {}, now).rows.size(), 80U);
}

}  // namespace
}  // namespace sluice::proxy
