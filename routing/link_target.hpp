/// How many links the sessions that share them should have to one backend.
///
/// Fewer links mean longer pipelines, hence fewer wake-ups of the backend; more let
/// it work on several statements at once. Which counts for more depends on its cores,
/// so it is tried out: while statements queue, one link more is kept if it made the
/// backend answer noticeably more, and given up if not, with ever longer pauses
/// between the trials.
///
/// Drive it: `on_reply` for every reply; `links()` at any time.
/// Value type; time comes in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "routing/clock.hpp"

namespace sluice::routing {

class LinkTarget {
 public:
  static constexpr std::size_t first = 2;
  static constexpr std::size_t most = 16;
  static constexpr milliseconds interval{100};
  static constexpr milliseconds longest_pause{30'000};
  /// Statements in flight on a link below which none of them waits for long.
  static constexpr double busy_depth = 4;
  /// What one link more has to bring to be kept.
  static constexpr double worthwhile = 1.07;

  [[nodiscard]] std::size_t links() const noexcept { return links_; }

  /// A reply has ended; `depth` exchanges are still on its link.
  void on_reply(std::size_t depth, TimePoint now) noexcept;

 private:
  enum class State : std::uint8_t {
    settled,
    warming,  ///< one link more has just been asked for
    trying,   ///< and is being measured
  };

  void judge(double rate, double depth, TimePoint now) noexcept;

  State state_ = State::settled;
  std::size_t links_ = first;
  std::uint64_t replies_ = 0;
  std::uint64_t depths_ = 0;
  double rate_before_ = 0;
  TimePoint began_{};
  TimePoint next_trial_{};
  milliseconds pause_{interval};
};

}  // namespace sluice::routing
