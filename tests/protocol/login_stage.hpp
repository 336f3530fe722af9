/// Plays logins in memory: packets between two machines, or between a machine
/// and a script. The record of a play is what the sweeps then cut up.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "protocol/backend_login.hpp"
#include "protocol/client_login.hpp"
#include "protocol/packet.hpp"

namespace sluice::protocol {

inline Buffer from_hex(std::string_view digits) {
  Buffer bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return bytes;
}

inline Buffer to_buffer(std::string_view text) { return {text.begin(), text.end()}; }

inline Nonce some_nonce() {
  Nonce nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::uint8_t>('a' + i);
  return nonce;
}

/// One key for all tests: making one takes a moment.
inline const RsaKey& test_key() {
  static const RsaKey key = *RsaKey::generate();
  return key;
}

/// One account, "app".
class OneAccount : public Accounts {
 public:
  explicit OneAccount(Verifier verifier) : verifier_(std::move(verifier)) {}
  Verifier find(std::string_view user) const override {
    return user == "app" ? verifier_ : Verifier{};
  }

 private:
  Verifier verifier_;
};

inline Verifier by_password(std::string_view password) {
  Verifier verifier;
  verifier.password = Secret(password);
  return verifier;
}

struct Packet {
  std::uint8_t sequence = 0;
  Buffer payload;
};

/// The packets in `stream`; a rest that is no whole packet is left out.
inline std::vector<Packet> split(Bytes stream) {
  std::vector<Packet> packets;
  while (stream.size() >= packet_header_size) {
    const PacketHeader header = decode_header(stream.data());
    if (stream.size() < packet_header_size + header.payload_size) break;
    const Bytes payload = stream.subspan(packet_header_size, header.payload_size);
    packets.push_back({header.sequence, {payload.begin(), payload.end()}});
    stream = stream.subspan(packet_header_size + header.payload_size);
  }
  return packets;
}

/// Writes, starts TLS and reads from `incoming` until the machine is through
/// or the script is.
template <class Machine>
Want play(Machine& machine, Want want, const std::vector<Packet>& incoming,
          Buffer* sent = nullptr) {
  std::size_t next = 0;
  for (;;) {
    if (want == Want::write) {
      if (sent != nullptr)
        sent->insert(sent->end(), machine.outgoing().begin(), machine.outgoing().end());
      want = machine.on_written();
    } else if (want == Want::start_tls) {
      want = machine.on_tls();
    } else if (want == Want::read && next < incoming.size()) {
      want = machine.on_packet(incoming[next].payload, incoming[next].sequence);
      ++next;
    } else {
      return want;
    }
  }
}

/// Both machines against each other, our two sides of a proxy back to back.
struct Duet {
  Want client_side = Want::read;   ///< of ClientLogin
  Want backend_side = Want::read;  ///< of BackendLogin
  std::vector<Packet> from_client;
  std::vector<Packet> from_server;
  int steps = 0;
};

inline Duet sing(ClientLogin& server, BackendLogin& client, int step_limit = 1000) {
  Duet duet;
  std::size_t server_read = 0;
  std::size_t client_read = 0;
  const auto deliver = [](const Buffer& bytes, std::vector<Packet>& to) {
    for (Packet& packet : split(bytes)) to.push_back(std::move(packet));
  };
  duet.client_side = server.start();
  duet.backend_side = client.start();
  bool closed = false;
  while (duet.steps < step_limit) {
    ++duet.steps;
    if (duet.client_side == Want::write) {
      deliver(server.outgoing(), duet.from_server);
      duet.client_side = server.on_written();
    } else if (duet.backend_side == Want::write) {
      deliver(client.outgoing(), duet.from_client);
      duet.backend_side = client.on_written();
    } else if (duet.client_side == Want::start_tls && duet.backend_side == Want::start_tls) {
      duet.client_side = server.on_tls();
      duet.backend_side = client.on_tls();
    } else if (duet.client_side == Want::read && server_read < duet.from_client.size()) {
      const Packet& packet = duet.from_client[server_read++];
      duet.client_side = server.on_packet(packet.payload, packet.sequence);
    } else if (!closed && (duet.client_side == Want::done || duet.client_side == Want::failed)) {
      closed = true;
      if (duet.client_side == Want::done) server.accept();
      deliver(server.outgoing(), duet.from_server);
    } else if (duet.backend_side == Want::read && client_read < duet.from_server.size()) {
      const Packet& packet = duet.from_server[client_read++];
      duet.backend_side = client.on_packet(packet.payload, packet.sequence);
    } else {
      --duet.steps;
      break;
    }
  }
  return duet;
}

}  // namespace sluice::protocol
