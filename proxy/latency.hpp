/// How long things took, counted in buckets of fixed bounds.
///
/// Bounded: eighteen counters, whatever is observed. The bounds are those of the
/// metrics, so that what is scraped, shown and plotted is the same.
///
/// Units: microseconds. A bucket holds what took no longer than its bound and
/// longer than the one before; the last holds all the rest.
/// Thread: any; relaxed, like all counters.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>

namespace sluice::proxy {

class Latency {
 public:
  static constexpr auto bounds_us = std::to_array<std::uint64_t>(
      {50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000,
       1'000'000, 2'500'000, 5'000'000, 10'000'000});

  /// What has been counted, at one moment.
  struct Reading {
    std::array<std::uint64_t, bounds_us.size() + 1> counts{};
    std::uint64_t sum_us = 0;

    [[nodiscard]] std::uint64_t count() const noexcept {
      return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    }
    /// An estimate, linear within its bucket; 0 if nothing was counted. Beyond the
    /// last bound: that bound.
    [[nodiscard]] std::uint64_t quantile_us(double q) const noexcept {
      const double wanted = q * static_cast<double>(count());
      double seen = 0;
      for (std::size_t i = 0; i < bounds_us.size(); ++i) {
        const auto here = static_cast<double>(counts[i]);
        if (here > 0 && seen + here >= wanted) {
          const std::uint64_t low = i == 0 ? 0 : bounds_us[i - 1];
          const auto width = static_cast<double>(bounds_us[i] - low);
          return low + static_cast<std::uint64_t>(width * std::max(0.0, wanted - seen) / here);
        }
        seen += here;
      }
      return counts.back() > 0 ? bounds_us.back() : 0;
    }
  };

  void observe(std::uint64_t us) noexcept {
    const auto bucket = std::lower_bound(bounds_us.begin(), bounds_us.end(), us);
    counts_[static_cast<std::size_t>(bucket - bounds_us.begin())].fetch_add(
        1, std::memory_order_relaxed);
    sum_us_.fetch_add(us, std::memory_order_relaxed);
  }

  void observe(std::chrono::steady_clock::time_point from,
               std::chrono::steady_clock::time_point to) noexcept {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(to - from);
    observe(static_cast<std::uint64_t>(took.count()));
  }

  [[nodiscard]] Reading read() const noexcept {
    Reading reading;
    for (std::size_t i = 0; i < counts_.size(); ++i)
      reading.counts[i] = counts_[i].load(std::memory_order_relaxed);
    reading.sum_us = sum_us_.load(std::memory_order_relaxed);
    return reading;
  }

 private:
  std::array<std::atomic<std::uint64_t>, bounds_us.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

/// Observes how long it lives.
class Timed {
 public:
  Timed(Latency& latency, std::chrono::steady_clock::time_point since) noexcept
      : latency_(latency), began_(since) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() { latency_.observe(began_, std::chrono::steady_clock::now()); }

 private:
  Latency& latency_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace sluice::proxy
