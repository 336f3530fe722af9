#include "proxy/session_registry.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace sluice::proxy {
namespace {

TEST(SessionRegistry, GivesEverySessionItsOwnIdFromOneOn) {
  SessionRegistry registry;
  EXPECT_EQ(registry.add("a", 0)->id, 1U);
  EXPECT_EQ(registry.add("b", 1)->id, 2U);
  EXPECT_EQ(registry.size(), 2U);
  ASSERT_NE(registry.find(2), nullptr);
  EXPECT_EQ(registry.find(2)->client, "b");
  EXPECT_EQ(registry.find(2)->worker, 1U);
}

TEST(SessionRegistry, FindsNobodyByAnIdThatIsNobodys) {
  SessionRegistry registry;
  registry.add("a", 0);
  EXPECT_EQ(registry.find(0), nullptr);
  EXPECT_EQ(registry.find(2), nullptr);
  EXPECT_EQ(registry.find((std::uint64_t{1} << 32) + 1), nullptr) << "ids are not cut to 32 bits";
}

TEST(SessionRegistry, KeepsARecordForWhoeverLooksAtIt) {
  SessionRegistry registry;
  registry.add("a", 0)->set_names({"app", "shop"});
  const auto seen = registry.all();
  registry.remove(1);
  EXPECT_EQ(registry.size(), 0U);
  EXPECT_EQ(registry.find(1), nullptr);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0]->names().user, "app");
  EXPECT_EQ(seen[0]->names().schema, "shop");
}

TEST(SessionRegistry, MayBeUsedByAllThreadsAtOnce) {
  SessionRegistry registry;
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < 3; ++worker) {
    threads.emplace_back([&registry, worker] {
      for (int i = 0; i < 200; ++i) {
        const auto record = registry.add("c", worker);
        record->set_names({"user", std::to_string(i)});
        for (const auto& other : registry.all()) (void)other->names();
        if (i % 2 == 0) registry.remove(record->id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.size(), 300U);
  std::set<std::uint32_t> ids;
  for (const auto& record : registry.all()) ids.insert(record->id);
  EXPECT_EQ(ids.size(), 300U);
}

}  // namespace
}  // namespace sluice::proxy
