/// One connection of the load generator: a socket, a login, one command at a time.
///
/// The constructor connects, logs in and prepares, blocking: logins are not
/// what is measured. Afterwards the socket does not block. Drive it so:
/// `send()` when it is idle, `receive()` when epoll says that it is readable.
///
/// Errors: the constructor throws ConnectError. Later a broken connection is
/// Outcome::lost and stays so. A reply that is an ERR packet is counted, not
/// thrown; its words are kept.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include "bench/load/workload.hpp"
#include "protocol/response_tracker.hpp"

namespace sluice::load {

using Clock = std::chrono::steady_clock;

struct ConnectError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Connection {
 public:
  enum class Outcome : std::uint8_t { pending, replied, refused, lost };

  Connection(const Options& options, Workload& workload);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] bool busy() const noexcept { return busy_; }

  /// Sends the next command; `due` is when its latency begins. False: lost.
  [[nodiscard]] bool send(Clock::time_point due);
  [[nodiscard]] Clock::time_point due() const noexcept { return due_; }

  /// Reads once into `scratch`, which all connections share, and walks what came.
  [[nodiscard]] Outcome receive(std::span<std::uint8_t> scratch);
  /// Rows of the last reply.
  [[nodiscard]] std::uint64_t rows() const noexcept { return tracker_.rows(); }
  /// Code and words of the last ERR.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  void connect(const Options& options);
  void log_in(const Options& options);
  void prepare();
  void write_all(protocol::Bytes bytes);
  protocol::PacketHeader read_packet(protocol::Buffer& payload);
  void read_exactly(std::uint8_t* where, std::size_t size);
  Outcome lost(std::string why);
  void note_error(protocol::Bytes packet);

  Workload& workload_;
  int descriptor_ = -1;
  bool busy_ = false;
  Workload::Types types_ = Workload::Types::sent;
  protocol::Capabilities capabilities_ = 0;
  std::uint32_t statement_ = 0;
  protocol::ReplyKind kind_ = protocol::ReplyKind::query;
  protocol::ResponseTracker tracker_;
  protocol::Buffer command_;
  protocol::Buffer carried_;  ///< the beginning of a packet that is not there in all
  Clock::time_point due_;
  std::string error_;
};

}  // namespace sluice::load
