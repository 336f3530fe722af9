/// An immutable value that one thread publishes and others read.
///
/// Writers replace the whole value; a `Published<T>::View` per reading thread
/// keeps the snapshot it saw last and takes the lock only when the version has
/// moved. libstdc++ 12's atomic<shared_ptr> is neither lock-free nor clean under
/// ThreadSanitizer, hence a mutex and a version number.
///
/// Thread: publish() and View::get() from anywhere; one View belongs to one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace sluice::proxy {

template <class T>
class Published {
 public:
  using Snapshot = std::shared_ptr<const T>;

  explicit Published(Snapshot first) : value_(std::move(first)) {}

  void publish(Snapshot next) {
    const std::scoped_lock lock(mutex_);
    value_ = std::move(next);
    version_.fetch_add(1, std::memory_order_release);
  }

  [[nodiscard]] Snapshot load() const {
    const std::scoped_lock lock(mutex_);
    return value_;
  }

  class View {
   public:
    explicit View(const Published& source) : source_(source) {}

    /// The newest snapshot. The reference is good until the next get().
    [[nodiscard]] const Snapshot& get() {
      const std::uint64_t now = source_.version_.load(std::memory_order_acquire);
      if (now != seen_ || !kept_) {
        const std::scoped_lock lock(source_.mutex_);
        kept_ = source_.value_;
        seen_ = source_.version_.load(std::memory_order_relaxed);
      }
      return kept_;
    }

   private:
    const Published& source_;
    Snapshot kept_;
    std::uint64_t seen_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  Snapshot value_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace sluice::proxy
