/// Reading and writing the protocol's integers and strings.
///
/// `Reader` walks a payload; every read checks what is left, and after the
/// first failure all reads fail, so that a decoder can read all fields and
/// check once. `Writer` appends to a caller's buffer.
///
/// Shapes: little-endian integers of 1, 2, 3, 4, 6 or 8 bytes; length-encoded
/// integers and strings; NUL-terminated strings.
/// Errors: `Reader::ok()` is false once something did not fit.
/// Lifetime: views returned by `Reader` point into the payload.
/// Source: MySQL client/server protocol, "Basic data types".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::protocol {

using Bytes = std::span<const std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Reader {
 public:
  explicit Reader(Bytes payload) noexcept : rest_(payload) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  [[nodiscard]] Bytes rest() const noexcept { return rest_; }
  void fail() noexcept {
    ok_ = false;
    rest_ = {};
  }

  /// A little-endian unsigned integer of `size` bytes (at most 8).
  std::uint64_t integer(std::size_t size) noexcept {
    std::uint64_t value = 0;
    const Bytes raw = take(size);
    for (std::size_t i = 0; i < raw.size(); ++i) value |= std::uint64_t{raw[i]} << (8 * i);
    return value;
  }
  std::uint8_t int1() noexcept { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t int2() noexcept { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t int3() noexcept { return static_cast<std::uint32_t>(integer(3)); }
  std::uint32_t int4() noexcept { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t int8() noexcept { return integer(8); }

  /// A length-encoded integer. 0xfb (NULL in rows) and 0xff are failures here.
  std::uint64_t lenenc() noexcept {
    const std::uint8_t first = int1();
    if (first < 0xfb) return first;
    if (first == 0xfc) return integer(2);
    if (first == 0xfd) return integer(3);
    if (first == 0xfe) return integer(8);
    fail();
    return 0;
  }

  Bytes take(std::size_t size) noexcept {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  Bytes take_rest() noexcept { return take(rest_.size()); }
  Bytes lenenc_bytes() noexcept {
    const std::uint64_t size = lenenc();
    if (size > rest_.size()) {
      fail();
      return {};
    }
    return take(static_cast<std::size_t>(size));
  }
  std::string_view lenenc_text() noexcept { return as_text(lenenc_bytes()); }
  /// Up to a NUL, which is consumed; a missing NUL is a failure.
  std::string_view nul_text() noexcept {
    const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
    if (nul == nullptr) {
      fail();
      return {};
    }
    const auto size =
        static_cast<std::size_t>(static_cast<const std::uint8_t*>(nul) - rest_.data());
    const std::string_view text = as_text(take(size));
    take(1);
    return text;
  }

 private:
  Bytes rest_;
  bool ok_ = true;
};

class Writer {
 public:
  explicit Writer(Buffer& out) noexcept : out_(out) {}

  Writer& integer(std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
      out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Writer& int1(std::uint64_t value) { return integer(value, 1); }
  Writer& int2(std::uint64_t value) { return integer(value, 2); }
  Writer& int3(std::uint64_t value) { return integer(value, 3); }
  Writer& int4(std::uint64_t value) { return integer(value, 4); }
  Writer& int8(std::uint64_t value) { return integer(value, 8); }
  Writer& lenenc(std::uint64_t value) {
    if (value < 0xfb) return int1(value);
    if (value <= 0xffff) return int1(0xfc).int2(value);
    if (value <= 0xffffff) return int1(0xfd).int3(value);
    return int1(0xfe).int8(value);
  }
  Writer& bytes(Bytes raw) {
    out_.insert(out_.end(), raw.begin(), raw.end());
    return *this;
  }
  Writer& text(std::string_view raw) { return bytes(as_bytes(raw)); }
  Writer& zeros(std::size_t count) {
    out_.insert(out_.end(), count, std::uint8_t{0});
    return *this;
  }
  Writer& nul_text(std::string_view raw) { return text(raw).int1(0); }
  Writer& lenenc_bytes(Bytes raw) { return lenenc(raw.size()).bytes(raw); }
  Writer& lenenc_text(std::string_view raw) { return lenenc_bytes(as_bytes(raw)); }

 private:
  Buffer& out_;
};

}  // namespace sluice::protocol
