#include "routing/link_target.hpp"

#include <algorithm>

namespace sluice::routing {

void LinkTarget::on_reply(std::size_t depth, TimePoint now) noexcept {
  ++replies_;
  depths_ += depth;
  const auto passed = now - began_;
  if (passed < interval) return;
  // After an idle time the count says nothing about a rate.
  if (passed < 2 * interval) {
    const double seconds = std::chrono::duration<double>(passed).count();
    const auto replies = static_cast<double>(replies_);
    judge(replies / seconds, static_cast<double>(depths_) / replies, now);
  }
  began_ = now;
  replies_ = depths_ = 0;
}

void LinkTarget::judge(double rate, double depth, TimePoint now) noexcept {
  switch (state_) {
    case State::settled:
      if (depth < busy_depth || links_ >= most || now < next_trial_) return;
      rate_before_ = rate;
      ++links_;
      state_ = State::warming;
      return;
    case State::warming: state_ = State::trying; return;
    case State::trying:
      state_ = State::settled;
      if (rate > rate_before_ * worthwhile) {
        pause_ = interval;
        return;
      }
      --links_;
      pause_ = std::min(pause_ * 2, longest_pause);
      next_trial_ = now + pause_;
      return;
  }
}

}  // namespace sluice::routing
