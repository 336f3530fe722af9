#include "proxy/published.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice::proxy {
namespace {

using Numbers = std::vector<int>;

TEST(Published, ShowsTheNewestValue) {
  Published<int> published(std::make_shared<const int>(1));
  Published<int>::View view(published);
  EXPECT_EQ(*view.get(), 1);
  published.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*view.get(), 2);
  EXPECT_EQ(*published.load(), 2);
}

TEST(Published, GivesTheSameSnapshotUntilThereIsANewerOne) {
  Published<int> published(std::make_shared<const int>(1));
  Published<int>::View view(published);
  const int* first = view.get().get();
  EXPECT_EQ(view.get().get(), first);
}

TEST(Published, KeepsASnapshotAliveForWhoeverHoldsIt) {
  Published<int> published(std::make_shared<const int>(1));
  Published<int>::View view(published);
  const Published<int>::Snapshot held = view.get();
  published.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*view.get(), 2);
  EXPECT_EQ(*held, 1);
}

TEST(Published, MayStartWithNothing) {
  Published<int> published(nullptr);
  Published<int>::View view(published);
  EXPECT_EQ(view.get(), nullptr);
  published.publish(std::make_shared<const int>(1));
  EXPECT_NE(view.get(), nullptr);
}

TEST(Published, IsReadWholeAndInOrderByManyThreads) {
  constexpr int last = 2000;
  Published<Numbers> published(std::make_shared<const Numbers>(Numbers(8, 0)));
  std::vector<std::thread> readers;
  std::vector<int> faults(3, 0);
  for (int& fault : faults) {
    readers.emplace_back([&published, &fault] {
      Published<Numbers>::View view(published);
      for (int before = 0; before < last;) {
        const Numbers& seen = *view.get();
        if (seen.front() < before || seen.front() != seen.back()) ++fault;
        before = seen.front();
      }
    });
  }
  for (int i = 1; i <= last; ++i) published.publish(std::make_shared<const Numbers>(Numbers(8, i)));
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(faults, std::vector<int>(3, 0));
}

}  // namespace
}  // namespace sluice::proxy
