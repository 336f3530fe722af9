/// A password in memory: it never prints, and is wiped when it goes.
///
/// Streams, and with them gtest and `fmt::streamed`, show `***`; `fmt::format`
/// of a Secret does not compile. `reveal()` is the one way to the text, so a
/// search for that word finds every place where a password is used.
///
/// Lifetime: the view of `reveal()` dies with the Secret or its next assignment.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::config {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  [[nodiscard]] std::string_view reveal() const noexcept { return text_; }
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret& secret);

 private:
  void wipe() noexcept;

  // Never grown in place: a reallocation would leave an unwiped copy behind.
  std::string text_;
};

/// Overwrites `text` in a way that the optimiser may not drop, then empties it.
/// The spare capacity too: a move leaves bytes of a short text there.
void wipe(std::string& text) noexcept;

}  // namespace sluice::config
