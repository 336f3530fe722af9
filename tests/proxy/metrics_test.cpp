#include "proxy/metrics.hpp"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

#include "proxy/readiness.hpp"
#include "routing/session_state.hpp"
#include "tests/proxy/admin_stage.hpp"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class Metrics : public testing::Test {
 protected:
  std::vector<std::string> lines() {
    ProcessFacts process;
    process.resident_bytes = 1 << 20;
    process.max_fds = 1024;
    std::istringstream text(metrics_text(stage_, process, now_));
    std::vector<std::string> all;
    for (std::string line; std::getline(text, line);) all.push_back(line);
    return all;
  }

  AdminStage stage_;
  routing::TimePoint now_ = stage_.topology_->backends[1].lag_known_at;
};

TEST_F(Metrics, HaveHelpATypeAndAtLeastOneSampleEach) {
  std::map<std::string, int> samples;
  std::string family;
  for (const std::string& line : lines()) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_FALSE(samples.contains(family)) << family << " is there twice";
      samples[family] = 0;
      EXPECT_TRUE(line.ends_with('.')) << line;
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_THAT(line.substr(7), StartsWith(family + " "));
    } else {
      EXPECT_THAT(line, StartsWith(family));
      ++samples[family];
    }
  }
  EXPECT_GT(samples.size(), 40U);
  for (const auto& [name, count] : samples) EXPECT_GT(count, 0) << name;
}

TEST_F(Metrics, SayWhereABackendStands) {
  const auto all = lines();
  EXPECT_THAT(all, Contains("sluice_backend_role{backend=\"db1\",role=\"primary\"} 1"));
  EXPECT_THAT(all, Contains("sluice_backend_role{backend=\"r1\",role=\"primary\"} 0"));
  EXPECT_THAT(all, Contains("sluice_backend_admin_state{backend=\"r1\",state=\"drain\"} 1"));
  EXPECT_THAT(all, Contains("sluice_backend_serves_reads{backend=\"r1\"} 0"));
  EXPECT_THAT(all, Contains("sluice_backend_reads_total{backend=\"r1\"} 7"));
  EXPECT_THAT(all, Contains("sluice_backend_lag_seconds{backend=\"r1\"} 0.04"));
  EXPECT_THAT(all, Contains("sluice_primary{backend=\"db1\",reason=\"sole_writable\"} 1"));
  EXPECT_THAT(all, Contains("sluice_primary_epoch 3"));
}

TEST_F(Metrics, CallAnUnknownLagInfinite) {
  stage_.topology_->backends[1].lag.reset();
  EXPECT_THAT(lines(), Contains("sluice_backend_lag_seconds{backend=\"r1\"} +Inf"));
}

TEST_F(Metrics, CountReadsThatWouldHaveBeenStale) {
  add(stage_.counters_.decisions[static_cast<std::size_t>(routing::Reason::own_write)], 2);
  add(stage_.counters_.decisions[static_cast<std::size_t>(routing::Reason::lagging)], 3);
  EXPECT_THAT(lines(), Contains("sluice_stale_reads_prevented_total 5"));
  EXPECT_THAT(lines(), Contains("sluice_decisions_total{reason=\"own_write\"} 2"));
}

TEST_F(Metrics, CountSessionsByWhatBindsThem) {
  stage_.session_->set_pinned({{.pin = routing::Pin::user_lock}});
  stage_.session_->in_transaction = true;
  const auto all = lines();
  EXPECT_THAT(all, Contains("sluice_sessions 1"));
  EXPECT_THAT(all, Contains("sluice_sessions_pinned 1"));
  EXPECT_THAT(all, Contains("sluice_sessions_in_transaction 1"));
  EXPECT_THAT(all, Contains("sluice_session_pins{pin=\"user_lock\"} 1"));
}

TEST_F(Metrics, SpeakOfThisProcess) {
  const ProcessFacts facts = read_process_facts();
  EXPECT_GT(facts.resident_bytes, 1U << 20);
  EXPECT_GT(facts.started_at, 1.6e9);
  EXPECT_GE(facts.threads, 1U);
  EXPECT_GE(facts.open_fds, 3U);
}

TEST_F(Metrics, AreReadyWhenAPrimaryOrAReplicaServes) {
  EXPECT_TRUE(readiness(stage_, now_).ready);
  stage_.topology_->backends[0].admin.state = routing::AdminState::offline;
  EXPECT_FALSE(readiness(stage_, now_).ready) << "r1 is drained";
  EXPECT_EQ(readiness(stage_, now_).why,
            "the primary db1 is offline, and nobody serves reads; db1: offline; r1: draining");
  stage_.topology_->backends[1].admin.state = routing::AdminState::online;
  EXPECT_EQ(readiness(stage_, now_).why, "the primary db1 is offline, but r1 serves reads");
  stage_.phase_ = Phase::draining;
  EXPECT_FALSE(readiness(stage_, now_).ready);
  stage_.phase_ = Phase::starting;
  EXPECT_FALSE(readiness(stage_, now_).ready);
}

}  // namespace
}  // namespace sluice::proxy
