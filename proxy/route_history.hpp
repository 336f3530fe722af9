/// Where the last statements of a session went, and why.
///
/// One writer, the session's worker: a relaxed store for each decision, in a ring.
/// Others read it at any time; what they see may lack the newest, and is never half
/// of one and half of another, since a decision is one word.
/// Units: the time is good to some milliseconds.
/// Thread: see above.
#pragma once

#include <time.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "routing/router.hpp"

namespace sluice::proxy {

class RouteHistory {
 public:
  static constexpr std::size_t size = 8;  ///< a power of two, so that next_ may wrap

  struct Entry {
    routing::TimePoint at{};
    std::size_t backend = 0;
    routing::Access access = routing::Access::write;
    routing::Reason reason = routing::Reason::write;
  };

  void add(const Entry& entry) noexcept {
    const std::uint64_t at = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(entry.at.time_since_epoch()).count());
    const std::uint64_t word =
        at << time_shift | written | (entry.access == routing::Access::write ? write_bit : 0) |
        (entry.backend & byte) << backend_shift | static_cast<std::uint64_t>(entry.reason);
    const std::size_t here = next_.load(std::memory_order_relaxed);
    words_[here % size].store(word, std::memory_order_relaxed);
    next_.store(here + 1, std::memory_order_relaxed);
  }

  /// At most `size` of them, the newest first.
  [[nodiscard]] std::vector<Entry> read() const {
    std::vector<Entry> entries;
    const std::size_t end = next_.load(std::memory_order_relaxed);
    for (std::size_t back = 1; back <= size; ++back) {
      const std::uint64_t word = words_[(end - back) % size].load(std::memory_order_relaxed);
      if ((word & written) == 0) continue;
      Entry entry;
      entry.at = routing::TimePoint(std::chrono::milliseconds(word >> time_shift));
      entry.backend = word >> backend_shift & byte;
      entry.access = (word & write_bit) != 0 ? routing::Access::write : routing::Access::read;
      entry.reason = static_cast<routing::Reason>(word & byte);
      entries.push_back(entry);
    }
    return entries;
  }

  /// The steady clock as of its last tick: a fifth of the price, and good enough here.
  [[nodiscard]] static routing::TimePoint present() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return routing::TimePoint(std::chrono::seconds(now.tv_sec) +
                              std::chrono::nanoseconds(now.tv_nsec));
  }

 private:
  static constexpr std::uint64_t byte = 0xFF;
  static constexpr unsigned backend_shift = 8;
  static constexpr std::uint64_t write_bit = 1U << 16U;
  static constexpr std::uint64_t written = 1U << 17U;
  static constexpr unsigned time_shift = 18;

  std::array<std::atomic<std::uint64_t>, size> words_{};
  std::atomic<std::size_t> next_{0};  // counts on for ever; only the writer stores it
};

}  // namespace sluice::proxy
