/// A connected socket, with or without TLS, that speaks in packets.
///
/// Reading goes through one buffer: `fill()` asks the socket for more, `input()`
/// shows what is there, `consume()` lets go of it. Writing is either `try_write`
/// (what the kernel takes at once, without waiting) or `write_all`.
///
/// Errors: error codes of the socket; eof as asio::error::eof.
/// Lifetime: spans from `input()` die with the next fill(), reserve() or consume().
/// Thread: its worker's. One reader and one writer may be under way at a time.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/address.hpp"
#include "protocol/error.hpp"
#include "protocol/packet.hpp"
#include "proxy/async.hpp"
#include "proxy/socket_watch.hpp"
#include "proxy/tls_channel.hpp"

namespace sluice::proxy {

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

/// One packet as `read_packet` returns it.
struct Packet {
  protocol::Buffer payload;
  std::uint8_t sequence = 0;
};

class PacketStream {
 public:
  explicit PacketStream(Socket socket);
  ~PacketStream();
  PacketStream(const PacketStream&) = delete;
  PacketStream& operator=(const PacketStream&) = delete;

  [[nodiscard]] Executor executor() { return socket_.get_executor(); }
  [[nodiscard]] bool encrypted() const noexcept { return tls_ != nullptr; }
  [[nodiscard]] bool is_open() const { return watched_ ? !watched_->left() : socket_.is_open(); }
  /// From now on `watch` says when the socket is ready; not while anything is under way.
  void watch(SocketWatch& watch);
  [[nodiscard]] bool watched() const noexcept { return watched_ != nullptr; }

  // --- reading ---

  [[nodiscard]] protocol::Bytes input() const noexcept {
    return {in_.get() + in_begin_, in_end_ - in_begin_};
  }
  /// The same bytes, for changes in place (a statement id, say).
  [[nodiscard]] std::uint8_t* input_data() noexcept { return in_.get() + in_begin_; }
  void consume(std::size_t size) noexcept;
  /// Makes sure that `input()` can grow to `size` bytes.
  void reserve(std::size_t size);
  /// Gives the buffer back while it is empty: an idle session costs little.
  void release_input();
  enum class Filled : std::uint8_t { some, nothing, failed };
  /// Reads what is there; of a watched stream. `nothing`: wait for `readable`, and the
  /// buffer has been given back if it was empty.
  [[nodiscard]] Filled try_fill(error_code& error);
  [[nodiscard]] Event& readable() noexcept { return watched_->readable; }
  /// Waits for more bytes behind `input()`.
  Task<error_code> fill();
  /// Waits until `input()` holds at least `size` bytes.
  Task<error_code> fill_to(std::size_t size);
  /// Reads one packet (not joined with its continuations) of at most `limit` bytes.
  Task<error_code> read_packet(Packet& packet, std::size_t limit);

  // --- writing ---

  /// Writes what the socket takes without waiting. What it did not take is to be
  /// written next, by this or write_all.
  [[nodiscard]] std::size_t try_write(protocol::Bytes bytes, error_code& error);
  Task<error_code> write_all(protocol::Bytes bytes);

  // --- TLS and the end ---

  Task<error_code> start_tls(TlsContext& context, TlsRole role, std::string name_to_verify = {});
  /// Closes at once; pending operations end with operation_aborted.
  void close() noexcept;

 private:
  /// What can be had or given without waiting; 0: nothing, `error` says if for good.
  [[nodiscard]] std::size_t receive(std::span<std::uint8_t> space, error_code& error);
  [[nodiscard]] std::size_t give(protocol::Bytes bytes, error_code& error);
  [[nodiscard]] bool hung_up() const noexcept { return watched_ && watched_->hung_up(); }
  Task<error_code> readiness(Socket::wait_type what);
  Task<error_code> fill_waiting();
  Task<error_code> write_waiting(protocol::Bytes bytes);

  Socket socket_;
  std::unique_ptr<TlsChannel> tls_;
  std::unique_ptr<SocketWatch::Watched> watched_;
  int handle_ = -1;       // the socket, once it is watched
  bool drained_ = false;  // it had no more when it was last read
  std::unique_ptr<std::uint8_t[]> in_;
  std::size_t capacity_ = 0;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
};

/// Connects to a backend; TCP_NODELAY and keepalive are set.
/// Errors: resolution, connection, or asio::error::timed_out after `deadline`.
Task<error_code> connect(Socket& socket, const config::Address& address,
                         std::chrono::milliseconds deadline);

/// Sets what every accepted or connected TCP socket of ours has.
void tune(Socket& socket);

}  // namespace sluice::proxy
