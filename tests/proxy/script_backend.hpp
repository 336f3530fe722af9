/// A peer that speaks just enough of the protocol to be logged in to: for what
/// goes wrong between Sluice and a backend, at any byte. What servers do is
/// tested on servers.
#pragma once

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "protocol/client_login.hpp"
#include "proxy/drive.hpp"
#include "tests/proxy/stage.hpp"

namespace sluice::proxy {

/// Lives on the test's own thread; answers each command with an OK.
class ScriptBackend {
 public:
  using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

  explicit ScriptBackend(Executor executor)
      : executor_(executor),
        acceptor_(executor, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    asio::co_spawn(executor, accept(), report);
  }

  [[nodiscard]] config::Address address() const {
    return config::Address::tcp("127.0.0.1", acceptor_.local_endpoint().port());
  }
  /// Hangs up on everybody and accepts no more.
  void stop() {
    error_code ignored;
    acceptor_.close(ignored);
    for (const auto& stream : streams_) stream->close();
  }
  /// The connection accepted as the `index`th, counted from 0.
  void hang_up(std::size_t index) { streams_.at(index)->close(); }

  std::vector<std::string> heard;  ///< statements of all connections
  std::size_t accepted = 0;
  bool speaks = true;                ///< else it accepts and says nothing
  bool hears_commands = true;        ///< else it answers none
  std::string refused;               ///< a statement that gets an ERR
  std::size_t most_sent = SIZE_MAX;  ///< bytes of a connection until it hangs up
  std::size_t sent = 0;              ///< bytes on the last connection

 private:
  class OneAccount final : public protocol::Accounts {
    [[nodiscard]] protocol::Verifier find(std::string_view user) const override {
      protocol::Verifier verifier;
      if (user == "app") verifier.password = protocol::Secret("secret");
      return verifier;
    }
  };

  static void report(std::exception_ptr exception) {
    if (exception) std::rethrow_exception(exception);
  }

  Task<> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(use_result);
      if (error) co_return;
      ++accepted;
      streams_.push_back(std::make_shared<PacketStream>(Socket(std::move(socket))));
      if (speaks) asio::co_spawn(executor_, serve(streams_.back()), report);
    }
  }

  /// Sends as much as may be sent; false once that is all.
  Task<bool> say(PacketStream& stream, protocol::Bytes bytes) {
    const std::size_t part = std::min(bytes.size(), most_sent - sent);
    const error_code error = co_await stream.write_all(bytes.first(part));
    sent += part;
    const bool goes_on = !error && part == bytes.size();
    if (!goes_on) stream.close();
    co_return goes_on;
  }

  Task<> serve(std::shared_ptr<PacketStream> stream) {
    sent = 0;
    protocol::ClientLoginParams params;
    params.greeting.server_version = "5.5.5-10.11.6-MariaDB";
    params.greeting.connection_id = static_cast<std::uint32_t>(accepted);
    params.greeting.nonce.fill('n');
    params.greeting.capabilities =
        protocol::capability::protocol_41 | protocol::capability::secure_connection |
        protocol::capability::plugin_auth | protocol::capability::deprecate_eof |
        protocol::capability::session_track;
    params.greeting.auth_plugin = protocol::auth_plugin::native;
    const OneAccount accounts;
    protocol::ClientLogin login(std::move(params), accounts);
    Packet packet;
    for (auto want = login.start(); want != protocol::Want::done;) {
      if (want == protocol::Want::write) {
        const bool goes_on = co_await say(*stream, login.outgoing());
        if (!goes_on) co_return;
        want = login.on_written();
      } else if (want == protocol::Want::read) {
        const error_code error = co_await stream->read_packet(packet, protocol::max_login_payload);
        if (error) co_return;
        want = login.on_packet(packet.payload, packet.sequence);
      } else {
        if (!login.outgoing().empty()) co_await say(*stream, login.outgoing());
        stream->close();
        co_return;
      }
    }
    login.accept();
    bool goes_on = co_await say(*stream, login.outgoing());
    while (goes_on) {
      const error_code error = co_await stream->read_packet(packet, 1U << 20);
      if (error || packet.payload.empty()) co_return;
      heard.emplace_back(packet.payload.begin() + 1, packet.payload.end());
      if (!hears_commands) continue;
      protocol::Buffer answer;
      const auto capabilities = login.identity().capabilities;
      if (!refused.empty() && heard.back() == refused) {
        protocol::append_err(answer, {1231, "42000", "no"}, capabilities, 1);
      } else {
        protocol::append_ok(answer, {.status = protocol::status::autocommit}, capabilities, 1);
      }
      goes_on = co_await say(*stream, answer);
    }
  }

  Executor executor_;
  Acceptor acceptor_;
  std::vector<std::shared_ptr<PacketStream>> streams_;
};

}  // namespace sluice::proxy
