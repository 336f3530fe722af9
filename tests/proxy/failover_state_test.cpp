#include "proxy/failover_state.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "proxy/acknowledged.hpp"
#include "proxy/last_look.hpp"
#include "proxy/traffic_watch.hpp"

namespace sluice::proxy {
namespace {

FailoverState example() {
  FailoverState state;
  state.appointed = "db2";
  state.deposed = {{"db1", false, {}}, {"db 3\t\\", true, "0-1-105"}};
  state.goal = Goal{"promotion", "db1", "db2", "promote", true};
  state.last_look = LastLook{"db1", "mariadb", "", 4'000'000'000, "0-1-100", "0-1-100,0-2-3,"};
  state.remember({1'700'000'000'123, "switchover", "db1", "db2", "done", "operator_asked",
                  "admin@10.0.0.9", 120, 45, "", "line one\nline two"});
  return state;
}

class StateFile : public ::testing::Test {
 protected:
  StateFile() : path(std::filesystem::temp_directory_path() / name()) {
    std::filesystem::remove(path);
  }
  ~StateFile() override { std::filesystem::remove(path); }
  static std::string name() { return "sluice-state-" + std::to_string(::getpid()); }

  std::filesystem::path path;
};

TEST(FailoverState, IsReadBackAsItWasWritten) {
  const auto found = read_state(write_state(example()));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, example());
}

TEST(FailoverState, ThatIsCutAnywhereIsRefusedOrLacksWholeLinesOnly) {
  const std::string text = write_state(example());
  for (std::size_t length = 0; length < text.size(); ++length) {
    const bool at_line_end = length > 0 && text[length - 1] == '\n';
    EXPECT_EQ(read_state(text.substr(0, length)).has_value(), at_line_end) << length;
  }
}

TEST(FailoverState, OfAnotherKindIsRefused) {
  EXPECT_FALSE(read_state("sluice failover state 2\n"));
  EXPECT_FALSE(read_state("sluice failover state 1\nunheard\tof\n"));
  EXPECT_FALSE(read_state("sluice failover state 1\nappointed\ta\tb\n"));
  EXPECT_FALSE(read_state("sluice failover state 1\nappointed\ta\\x\n"));
}

TEST(FailoverState, KeepsAHistoryThatDoesNotGrowForEver) {
  FailoverState state;
  for (std::size_t i = 0; i < 3 * FailoverState::history_limit; ++i)
    state.remember({.at_ms = static_cast<std::int64_t>(i)});
  EXPECT_EQ(state.history.size(), FailoverState::history_limit);
  EXPECT_EQ(state.history.back().at_ms, 3 * FailoverState::history_limit - 1);
}

TEST_F(StateFile, IsReplacedAsAWhole) {
  EXPECT_EQ(save_state(path, {}), "");
  EXPECT_EQ(save_state(path, example()), "");
  FailoverState found;
  EXPECT_EQ(load_state(path, found), "");
  EXPECT_EQ(found, example());
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".new"));
}

TEST_F(StateFile, ThatIsMissingIsAnEmptyState) {
  FailoverState found = example();
  EXPECT_EQ(load_state(path, found), "");
  EXPECT_EQ(found, FailoverState());
}

TEST_F(StateFile, ThatIsDamagedIsNamedAndChangesNothing) {
  std::ofstream(path) << "rubbish\n";
  FailoverState found = example();
  EXPECT_NE(load_state(path, found).find(path.string()), std::string::npos);
  EXPECT_EQ(found, example());
}

TEST(FailoverState, ThatCannotBeWrittenSaysWhere) {
  EXPECT_NE(save_state("/nowhere/at/all", {}).find("/nowhere/at/all"), std::string::npos);
}

routing::GtidSet gtid(const std::string& text) {
  return *routing::GtidSet::parse(text, routing::Flavour::mariadb);
}

TEST(Acknowledged, GathersWhatEveryWorkerWasToldAndForgetsWhatAProbeHasShown) {
  Acknowledged told(2);
  EXPECT_TRUE(told.gather().empty());
  told.note(0, gtid("0-1-100"));
  told.note(1, gtid("0-1-101"));
  told.note(1, gtid("3-1-7"));
  EXPECT_EQ(told.gather().to_string(), "0-1-101,3-1-7");
  told.forget(gtid("0-1-100"));
  EXPECT_EQ(told.gather().to_string(), "0-1-101,3-1-7");
  told.forget(gtid("0-1-101"));
  EXPECT_EQ(told.gather().to_string(), "3-1-7");
}

TEST(Acknowledged, StaysSmallWithoutProbes) {
  Acknowledged told(1);
  for (int i = 1; i <= 100'000; ++i) told.note(0, gtid("0-1-" + std::to_string(i)));
  EXPECT_EQ(told.gather().to_string(), "0-1-100000");
}

routing::BackendView primary_view() {
  routing::BackendView view;
  view.name = "db1";
  view.health.state = routing::Health::up;
  view.seen.emplace();
  view.seen->flavour = routing::Flavour::mariadb;
  view.seen->server_id = 1;
  view.seen->gtid = gtid("0-1-100");
  view.seen->written = *routing::parse_positions("0-2-7,0-1-100");
  return view;
}

TEST(LastLook, TellsALaterProcessWhatALostPrimaryHadAndClientsWereTold) {
  FailoverState state{
      .appointed = "db1", .deposed = {}, .goal = {}, .last_look = {}, .history = {}};
  state.last_look = look_at(primary_view());
  ASSERT_TRUE(state.last_look);
  add_to_look(*state.last_look, gtid("0-1-103"));
  state = *read_state(write_state(state));

  routing::Topology fresh;  // the primary died before this process began
  fresh.backends.resize(1);
  fresh.backends[0].name = "db1";
  amend(fresh, state);
  EXPECT_EQ(fresh.last_primary, "db1");
  EXPECT_EQ(fresh.primary_gtid->gtid.to_string(), "0-1-103");
  EXPECT_EQ(fresh.backends[0].seen->server_id, 1U);
  EXPECT_EQ(fresh.backends[0].seen->written, primary_view().seen->written);
  EXPECT_FALSE(fresh.backends[0].seen->alive);
}

TEST(LastLook, GoesBehindWhatThisProcessHasSeenItself) {
  FailoverState state{
      .appointed = "db1", .deposed = {}, .goal = {}, .last_look = {}, .history = {}};
  state.last_look = look_at(primary_view());
  routing::Topology seen;
  seen.backends = {primary_view()};
  seen.backends[0].seen->gtid = gtid("0-1-200");
  seen.primary_gtid = routing::PrimaryGtid{{}, gtid("0-1-200")};
  amend(seen, state);
  EXPECT_EQ(seen.primary_gtid->gtid.to_string(), "0-1-200");
  EXPECT_EQ(seen.backends[0].gtid()->to_string(), "0-1-200");
}

TEST(TrafficWatch, TakesSilenceForALossOnlyWhenSomebodyIsWaiting) {
  routing::BackendView view = primary_view();
  TrafficWatch watch;
  EXPECT_FALSE(watch.lost(view, 100, 0, 9)) << "it is up";
  view.health.state = routing::Health::suspect;
  EXPECT_FALSE(watch.lost(view, 120, 0, 9)) << "answers still come";
  EXPECT_TRUE(watch.lost(view, 120, 0, 9));
  EXPECT_FALSE(watch.lost(view, 120, 0, 0)) << "nobody asks";
  EXPECT_TRUE(watch.lost(view, 120, 1, 0)) << "a link was lost";
  EXPECT_FALSE(watch.lost(view, 121, 2, 9)) << "it answers again";
}

}  // namespace
}  // namespace sluice::proxy
