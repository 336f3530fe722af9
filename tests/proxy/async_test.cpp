#include "proxy/async.hpp"

#include "tests/proxy/stage.hpp"

namespace sluice::proxy {
namespace {

Task<> count_waits(Event& event, int& passed, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await event.wait();
    ++passed;
  }
}

class EventTest : public Stage {
 protected:
  Event event_{executor()};
  int passed_ = 0;
  void wait_for(int rounds) {
    start(count_waits(event_, passed_, rounds), [] {});
    settle();
  }
};

TEST_F(EventTest, HoldsTheWaiterUntilNotified) {
  wait_for(1);
  EXPECT_EQ(passed_, 0);
  event_.notify();
  settle();
  EXPECT_EQ(passed_, 1);
}

TEST_F(EventTest, NeverRunsTheWaiterInsideTheNotification) {
  wait_for(1);
  event_.notify();
  EXPECT_EQ(passed_, 0);
  settle();
  EXPECT_EQ(passed_, 1);
}

TEST_F(EventTest, LetsTheNextWaitPassIfNotifiedBefore) {
  event_.notify();
  EXPECT_TRUE(event_.signalled());
  wait_for(1);
  EXPECT_EQ(passed_, 1);
  EXPECT_FALSE(event_.signalled());
}

TEST_F(EventTest, TakesSeveralNotificationsForOne) {
  wait_for(2);
  event_.notify();
  event_.notify();
  settle();
  EXPECT_EQ(passed_, 1);
  event_.notify();
  settle();
  EXPECT_EQ(passed_, 2);
}

TEST_F(EventTest, ForgetsANotificationThatIsCleared) {
  event_.notify();
  event_.clear();
  wait_for(1);
  EXPECT_EQ(passed_, 0);
  event_.notify();
  settle();
  EXPECT_EQ(passed_, 1);
}

TEST_F(EventTest, WaitsOnIfClearedBetweenNotificationAndWaking) {
  wait_for(1);
  event_.notify();
  event_.clear();
  settle();
  EXPECT_EQ(passed_, 0);
  event_.notify();
  settle();
  EXPECT_EQ(passed_, 1);
}

TEST_F(EventTest, DestroysAWaiterThatIsNeverNotified) {
  auto alive = std::make_shared<int>(1);
  auto waits = [](Event& event, std::shared_ptr<int>) -> Task<> { co_await event.wait(); };
  auto event = std::make_unique<Event>(executor());
  start(waits(*event, alive), [] {});
  settle();
  EXPECT_EQ(alive.use_count(), 2);
  event.reset();
  settle();
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(EventTest, AllowsOneWaiterOnly) {
  wait_for(1);
  EXPECT_DEATH(wait_for(1), "two coroutines wait for one event");
  event_.notify();
  settle();
}

class DeadlineTest : public Stage {
 protected:
  int fired_ = 0;
  [[nodiscard]] auto fire() {
    return [this] { ++fired_; };
  }
};

TEST_F(DeadlineTest, ActsWhenTheTimeHasCome) {
  const Deadline deadline(executor(), Clock::now(), fire());
  EXPECT_FALSE(deadline.late());
  ASSERT_TRUE(until([&] { return fired_ > 0; }));
  EXPECT_TRUE(deadline.late());
  EXPECT_EQ(fired_, 1);
}

TEST_F(DeadlineTest, DoesNothingOnceItIsGone) {
  { const Deadline deadline(executor(), Clock::now() + std::chrono::hours(1), fire()); }
  context_.run();  // nothing is left to wait for
  EXPECT_EQ(fired_, 0);
}

TEST_F(DeadlineTest, DoesNothingOnceItIsGoneThoughItsTimerHasFired) {
  std::optional<Deadline> first;
  std::optional<Deadline> second;
  // Both have expired when the loop looks: whichever acts ends the other.
  const auto past = Clock::now() - std::chrono::seconds(1);
  first.emplace(executor(), past, [&] {
    ++fired_;
    second.reset();
  });
  second.emplace(executor(), past, [&] {
    ++fired_;
    first.reset();
  });
  ASSERT_TRUE(until([&] { return fired_ > 0; }));
  settle();
  EXPECT_EQ(fired_, 1);
}

}  // namespace
}  // namespace sluice::proxy
