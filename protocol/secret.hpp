/// Bytes that are wiped before their memory is given back.
///
/// Shape: a value; copies are secrets too. Not printable, on purpose: take
/// `bytes()` or `text()` where it is needed and nowhere else.
#pragma once

#include <openssl/crypto.h>

#include <utility>

#include "protocol/bytes.hpp"

namespace sluice::protocol {

class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes raw) : bytes_(raw.begin(), raw.end()) {}
  explicit Secret(std::string_view text) : Secret(as_bytes(text)) {}
  /// `size` zero bytes, to be filled through `data()`.
  explicit Secret(std::size_t size) : bytes_(size) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(const Secret& other) {
    if (this != &other) *this = Secret(other);
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~Secret() { wipe(); }

  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept { return as_text(bytes_); }
  [[nodiscard]] std::uint8_t* data() noexcept { return bytes_.data(); }
  /// Keeps the first `size` bytes, wipes the others; `size` must not exceed `size()`.
  void shrink(std::size_t size) noexcept {
    OPENSSL_cleanse(bytes_.data() + size, bytes_.size() - size);
    bytes_.resize(size);
  }
  /// Empties it.
  void wipe() noexcept {
    if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }

 private:
  Buffer bytes_;
};

}  // namespace sluice::protocol
