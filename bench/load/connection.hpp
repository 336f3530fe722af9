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
#include <string>
#include <vector>

#include "bench/load/socket.hpp"
#include "bench/load/workload.hpp"
#include "protocol/backend_login.hpp"
#include "protocol/response_tracker.hpp"

namespace sluice::load {

using Clock = std::chrono::steady_clock;

/// Who logs in, and as what client.
[[nodiscard]] protocol::BackendLoginParams login_params(const Options& options);

class Connection {
 public:
  enum class Outcome : std::uint8_t { pending, replied, refused, lost };

  /// Can send each of `workloads`, which outlive it.
  Connection(const Options& options, std::vector<Workload*> workloads);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] int descriptor() const noexcept { return socket_.descriptor(); }
  [[nodiscard]] bool busy() const noexcept { return busy_; }

  /// Sends the next command of a workload; `due` is when its latency begins. False: lost.
  [[nodiscard]] bool send(Clock::time_point due, std::size_t workload = 0);
  [[nodiscard]] Clock::time_point due() const noexcept { return due_; }
  /// Which one the last command was of.
  [[nodiscard]] std::size_t workload() const noexcept { return workload_; }

  /// Reads once into `scratch`, which all connections share, and walks what came.
  [[nodiscard]] Outcome receive(std::span<std::uint8_t> scratch);
  /// Rows of the last reply.
  [[nodiscard]] std::uint64_t rows() const noexcept { return tracker_.rows(); }
  /// Size of the last reply.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return tracker_.bytes(); }
  /// Code and words of the last ERR.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  struct Asked {
    Workload* workload = nullptr;
    std::uint32_t statement = 0;
    Workload::Types types = Workload::Types::sent;
  };

  void log_in(const Options& options);
  void prepare(Asked& asked);
  Outcome receive_once(std::span<std::uint8_t> scratch);
  void write_all(protocol::Bytes bytes);
  protocol::PacketHeader read_packet(protocol::Buffer& payload);
  void read_exactly(std::uint8_t* where, std::size_t size);
  Outcome lost(std::string why);
  void note_error(protocol::Bytes packet);

  ClientSocket socket_;
  std::vector<Asked> asked_;
  std::size_t workload_ = 0;
  bool busy_ = false;
  protocol::Capabilities capabilities_ = 0;
  protocol::ReplyKind kind_ = protocol::ReplyKind::query;
  protocol::ResponseTracker tracker_;
  protocol::Buffer command_;
  protocol::Buffer carried_;  ///< the beginning of a packet that is not there in all
  Clock::time_point due_;
  std::string error_;
};

}  // namespace sluice::load
