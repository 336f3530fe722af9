/// The vocabulary of everything that waits: tasks, timers and a one-waiter event.
///
/// All of it is bound to one concrete executor, a worker's io_context, so that
/// nothing is type-erased on the way of a statement. A `Task` runs on the thread
/// of its worker from begin to end; nothing here is shared between threads.
///
/// GCC 12.2 destroys some temporaries inside co_await expressions twice: name an
/// aggregate or a capturing lambda first, then move it in. It also stores the
/// result of a co_await that is a condition, or an operand of one, over the
/// coroutine's resume pointer: `if (co_await f())` and `co_await f() == x` crash at
/// -O2. Name the result first. The layering test looks for both.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/wait_traits.hpp>
#include <cassert>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace sluice::proxy {

namespace asio = boost::asio;
using boost::system::error_code;

using Clock = std::chrono::steady_clock;
using Executor = asio::io_context::executor_type;
template <class T = void>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_task{};
/// Completion token that yields (error_code, results…) instead of throwing.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> use_result{
    asio::use_awaitable_t<Executor>{}};
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

/// What a spawned coroutine ends with. Ours handle what I/O can do; anything else is
/// our bug, and must be seen.
inline void rethrow(std::exception_ptr exception) {
  if (exception) std::rethrow_exception(exception);
}

/// Something that one coroutine waits for and others on the same thread cause.
///
/// `notify()` wakes the waiter, or lets the next `wait()` pass at once. It never
/// runs the waiter inside the call: the waiter is posted, so the notifier need
/// not fear for its own state. One waiter at most.
class Event {
  using Handler =
      typename asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

 public:
  explicit Event(Executor executor) : executor_(std::move(executor)) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void notify() {
    signalled_ = true;
    if (!waiter_) return;
    asio::post(executor_, std::exchange(waiter_, std::nullopt).value());
  }

  /// The same, but the waiter runs inside the call: for a loop that has nothing to fear
  /// from what it does.
  void wake() {
    signalled_ = true;
    if (!waiter_) return;
    Handler waiter = std::exchange(waiter_, std::nullopt).value();
    std::move(waiter)();
  }

  void clear() noexcept { signalled_ = false; }

  [[nodiscard]] bool signalled() const noexcept { return signalled_; }

  /// Returns when notified, and takes the notification.
  Task<> wait() {
    while (!signalled_) {
      auto keep = Keep{this};
      co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(keep, use_task);
    }
    signalled_ = false;
  }

  /// Takes the notification, if there is one.
  [[nodiscard]] bool take() noexcept { return std::exchange(signalled_, false); }

  /// `wait` without a coroutine of its own, for what happens with every statement:
  ///
  ///     while (!met()) {
  ///       if (event.take()) continue;
  ///       co_await event.arrival();
  ///       event.clear();
  ///     }
  [[nodiscard]] Task<> arrival() {
    auto keep = Keep{this};
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(keep, use_task);
  }

 private:
  struct Keep {
    Event* event;
    void operator()(Handler handler) const {
      // To replace the first would destroy its coroutine, and all that it holds.
      assert(!event->waiter_ && "two coroutines wait for one event");
      event->waiter_.emplace(std::move(handler));
    }
  };

  Executor executor_;
  std::optional<Handler> waiter_;
  bool signalled_ = false;
};

/// Does something when a time has come, unless it goes out of scope before.
///
/// The action runs on the executor's thread. Once the Deadline is destroyed the
/// action does not run, even if its timer has fired already and is queued.
class Deadline {
 public:
  template <class Action>
  Deadline(const Executor& executor, Clock::time_point until, Action on_late)
      : timer_(executor, until), state_(std::make_shared<State>()) {
    auto fire = [state = state_, act = std::move(on_late)](error_code error) mutable {
      if (error || state->disarmed) return;
      state->late = true;
      act();
    };
    timer_.async_wait(std::move(fire));
  }
  ~Deadline() { state_->disarmed = true; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// True once the action has run.
  [[nodiscard]] bool late() const noexcept { return state_->late; }

 private:
  struct State {
    bool disarmed = false;
    bool late = false;
  };
  Timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::proxy
