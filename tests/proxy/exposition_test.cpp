#include "proxy/exposition.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace sluice::proxy {
namespace {

using testing::HasSubstr;
using Type = Exposition::Type;

TEST(Exposition, TellsHelpAndTypeAheadOfTheSamples) {
  Exposition out;
  out.family("sluice_reads_total", Type::counter, "Statements served as reads.");
  out.sample(std::uint64_t{7}, {{"backend", "r1"}});
  out.sample(std::uint64_t{0}, {{"backend", "r2"}, {"class", "x"}});
  EXPECT_EQ(std::move(out).take(),
            "# HELP sluice_reads_total Statements served as reads.\n"
            "# TYPE sluice_reads_total counter\n"
            "sluice_reads_total{backend=\"r1\"} 7\n"
            "sluice_reads_total{backend=\"r2\",class=\"x\"} 0\n");
}

TEST(Exposition, EscapesWhatWouldEndALabel) {
  Exposition out;
  out.family("m", Type::gauge, "M.");
  out.sample(true, {{"name", "a\"b\\c\nd"}});
  EXPECT_THAT(std::move(out).take(), HasSubstr("m{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Exposition, SpellsNumbersThatAreNoneAsPrometheusDoes) {
  Exposition out;
  out.family("m", Type::gauge, "M.");
  out.sample(std::numeric_limits<double>::infinity());
  out.sample(-std::numeric_limits<double>::infinity());
  out.sample(std::numeric_limits<double>::quiet_NaN());
  out.sample(0.25);
  EXPECT_THAT(std::move(out).take(), HasSubstr("m +Inf\nm -Inf\nm NaN\nm 0.25\n"));
}

TEST(Exposition, SumsTheBucketsOfAHistogramUpToInfinity) {
  Latency latency;
  latency.observe(50);
  latency.observe(51);
  latency.observe(99'000'000);
  Exposition out;
  out.family("took_seconds", Type::histogram, "Took.");
  out.histogram(latency.read(), {{"class", "read"}});
  const std::string text = std::move(out).take();
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{class=\"read\",le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{class=\"read\",le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{class=\"read\",le=\"10\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_bucket{class=\"read\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_sum{class=\"read\"} 99.000101\n"));
  EXPECT_THAT(text, HasSubstr("took_seconds_count{class=\"read\"} 3\n"));
}

TEST(Latency, EstimatesQuantilesWithinTheBucket) {
  Latency latency;
  EXPECT_EQ(latency.read().quantile_us(0.5), 0U);
  for (int i = 0; i < 100; ++i) latency.observe(150);
  EXPECT_EQ(latency.read().quantile_us(0.5), 175U);
  EXPECT_EQ(latency.read().quantile_us(1.0), 250U);
  latency.observe(60'000'000);
  EXPECT_EQ(latency.read().quantile_us(1.0), 10'000'000U);
}

}  // namespace
}  // namespace sluice::proxy
