#include "bench/load/histogram.hpp"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

using namespace std::chrono_literals;
using Duration = Histogram::Duration;

TEST(Histogram, AnswersPercentilesOfWhatItWasGiven) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.record(i * 1us);
  EXPECT_NEAR(static_cast<double>(histogram.percentile(50).count()), 500e3, 500e3 / 128);
  EXPECT_NEAR(static_cast<double>(histogram.percentile(99).count()), 990e3, 990e3 / 128);
  EXPECT_EQ(histogram.percentile(100), 1ms);
  EXPECT_EQ(histogram.max(), 1ms);
  EXPECT_EQ(histogram.mean(), 500'500ns);
  EXPECT_EQ(histogram.count(), 1000U);
}

TEST(Histogram, NeverFlattersAndIsExactToOnePercent) {
  for (Duration latency = 1ns; latency < 24h; latency = latency * 17 / 16 + 1ns) {
    Histogram histogram;
    histogram.record(latency);
    histogram.record(48h);
    EXPECT_GE(histogram.percentile(50), latency);
    EXPECT_LE(histogram.percentile(50), latency + latency / 100);
  }
}

TEST(Histogram, TakesWhatIsBeyondAllReason) {
  Histogram histogram;
  histogram.record(-1ns);
  histogram.record(Duration::max());
  EXPECT_EQ(histogram.percentile(50), 0ns);
  EXPECT_EQ(histogram.percentile(100), Duration::max());
}

TEST(Histogram, IsZeroWhileEmpty) {
  EXPECT_EQ(Histogram{}.percentile(99), 0ns);
  EXPECT_EQ(Histogram{}.mean(), 0ns);
}

}  // namespace
}  // namespace sluice::load
