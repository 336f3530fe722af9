/// Connects, logs in, asks once and quits, over and over: a connection storm.
///
/// So many visits are under way at a time as there are connections; each one that
/// ends begins the next. The latency is that of the whole visit, from connect()
/// to the last byte of the answer. Visits count that end in the measured time.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bench/load/connection.hpp"
#include "bench/load/figures.hpp"

namespace sluice::load {

/// One visit: a login machine on a socket that does not block.
class Visit {
 public:
  enum class Outcome : std::uint8_t { pending, answered, refused, lost };

  Visit(const Options& options, Workload& workload);

  [[nodiscard]] int descriptor() const noexcept { return socket_.descriptor(); }
  [[nodiscard]] Clock::time_point began() const noexcept { return began_; }
  /// The socket is readable.
  [[nodiscard]] Outcome receive(std::span<std::uint8_t> scratch);
  void quit() noexcept;
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  Outcome log_in_further();
  Outcome read_answer();
  [[nodiscard]] bool write(protocol::Bytes bytes) noexcept;
  Outcome fail(Outcome how, std::string why);

  Workload& workload_;
  Clock::time_point began_ = Clock::now();
  ClientSocket socket_;
  protocol::BackendLogin login_;
  protocol::Want want_;
  bool asked_ = false;
  protocol::ResponseTracker tracker_;
  protocol::Buffer received_;
  std::string error_;
};

class StormRun {
 public:
  explicit StormRun(const Options& options);
  StormRun(const StormRun&) = delete;
  StormRun& operator=(const StormRun&) = delete;
  ~StormRun();

  /// Once. Throws ConnectError if nobody is let in for a second.
  Figures run();

 private:
  void begin(std::size_t place);
  void end(std::size_t place, Visit::Outcome outcome, Clock::time_point now);

  const Options& options_;
  Workload workload_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Visit>> visits_;
  Clock::time_point measure_from_, measure_until_;
  Clock::time_point last_success_;
  Figures figures_;
};

}  // namespace sluice::load
