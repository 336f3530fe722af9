#include "config/secret.hpp"

#include <ostream>

namespace sluice::config {

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  volatile char* byte = text.data();
  for (std::size_t i = 0; i < text.size(); ++i) byte[i] = '\0';
  text.clear();
}

void Secret::wipe() noexcept { config::wipe(text_); }

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  // A fresh string, so that a longer password cannot leave the old bytes in a
  // block that assign() hands back to the allocator unwiped.
  std::string copy(other.text_);
  wipe();
  text_.swap(copy);
  config::wipe(copy);
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_ = std::move(other.text_);
  other.wipe();
  return *this;
}

std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "***"; }

}  // namespace sluice::config
