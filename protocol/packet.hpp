/// The frame around every payload: three bytes of length, one of sequence.
///
/// A payload of 2^24-1 bytes or more travels as several packets; all but the
/// last are exactly `max_packet_payload` long, and the last may be empty.
///
/// Units: payload bytes; the 4-byte header is not counted in lengths.
/// Source: MySQL client/server protocol, "MySQL Packets".
#pragma once

#include "protocol/bytes.hpp"

namespace sluice::protocol {

inline constexpr std::size_t packet_header_size = 4;
inline constexpr std::uint32_t max_packet_payload = 0xffffff;

struct PacketHeader {
  std::uint32_t payload_size = 0;
  std::uint8_t sequence = 0;

  /// True on all packets of a payload but its last.
  [[nodiscard]] bool continues() const noexcept { return payload_size == max_packet_payload; }
};

/// Reads a header; `raw` must hold at least `packet_header_size` bytes.
[[nodiscard]] inline PacketHeader decode_header(const std::uint8_t* raw) noexcept {
  return {static_cast<std::uint32_t>(raw[0] | (raw[1] << 8) | (raw[2] << 16)), raw[3]};
}

inline void encode_header(PacketHeader header, std::uint8_t* raw) noexcept {
  raw[0] = static_cast<std::uint8_t>(header.payload_size);
  raw[1] = static_cast<std::uint8_t>(header.payload_size >> 8);
  raw[2] = static_cast<std::uint8_t>(header.payload_size >> 16);
  raw[3] = header.sequence;
}

/// Appends `payload` framed as one or more packets; returns the sequence
/// number that follows the last of them.
inline std::uint8_t append_packet(Buffer& out, Bytes payload, std::uint8_t sequence) {
  for (;;) {
    const std::size_t size =
        payload.size() < max_packet_payload ? payload.size() : max_packet_payload;
    std::uint8_t header[packet_header_size];
    encode_header({static_cast<std::uint32_t>(size), sequence++}, header);
    out.insert(out.end(), header, header + packet_header_size);
    out.insert(out.end(), payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size));
    payload = payload.subspan(size);
    if (size < max_packet_payload) return sequence;
  }
}

}  // namespace sluice::protocol
