/// One thread, one io_context, and sockets whose other end the test holds: the
/// stage on which streams, links and relays are played against a script.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "protocol/command.hpp"
#include "protocol/session_track.hpp"
#include "proxy/link.hpp"
#include "tests/protocol/replay.hpp"

namespace sluice::proxy {

/// The test's end of a connection. It never waits: what was sent is there, as
/// both ends are in this process.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Peer& operator=(Peer&&) = delete;
  ~Peer() { hang_up(); }

  void send(protocol::Bytes bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ASSERT_GT(sent, 0) << "the script does not fit the socket's buffer";
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }
  /// All that has arrived.
  [[nodiscard]] protocol::Buffer take() const {
    protocol::Buffer all;
    std::array<std::uint8_t, 65536> part{};
    for (;;) {
      const ssize_t got = ::recv(fd_, part.data(), part.size(), MSG_DONTWAIT);
      if (got <= 0) return all;
      all.insert(all.end(), part.begin(), part.begin() + got);
    }
  }
  /// True once the other end has hung up and everything has been taken.
  [[nodiscard]] bool at_end() const {
    std::uint8_t byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
  }
  void hang_up() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

class Stage : public testing::Test {
 protected:
  /// Ends what a failed test may have left under way; fixtures with streams of
  /// their own close these first.
  void TearDown() override {
    for (const auto& weak : links_)
      if (const auto link = weak.lock()) link->close();
    settle();
  }

  [[nodiscard]] Executor executor() { return context_.get_executor(); }

  /// Lets the coroutines run until `met`; false if that does not come about.
  template <class Condition>
  [[nodiscard]] bool until(Condition met) {
    const auto give_up = Clock::now() + std::chrono::seconds(20);
    while (!met()) {
      context_.restart();
      context_.run_one_for(std::chrono::milliseconds(100));
      if (Clock::now() > give_up) return false;
    }
    return true;
  }
  /// Lets the coroutines run as far as they can without news from outside.
  void settle() {
    do context_.restart();
    while (context_.poll() > 0);
  }

  /// Runs one coroutine to its end and returns what it returns.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    start(std::move(task), [&result](T value) { result.emplace(std::move(value)); });
    EXPECT_TRUE(until([&] { return result.has_value(); })) << "a coroutine hangs";
    return std::move(result.value());
  }
  void run(Task<> task) {
    bool over = false;
    start(std::move(task), [&over] { over = true; });
    EXPECT_TRUE(until([&] { return over; })) << "a coroutine hangs";
  }

  /// Sets a coroutine going; its value goes to `take`.
  template <class T, class Take>
  void start(Task<T> task, Take take) {
    auto ended = [take = std::move(take)](std::exception_ptr exception, T value) mutable {
      if (exception) std::rethrow_exception(exception);
      take(std::move(value));
    };
    asio::co_spawn(executor(), std::move(task), std::move(ended));
  }
  template <class Take>
  void start(Task<> task, Take take) {
    auto ended = [take = std::move(take)](std::exception_ptr exception) mutable {
      if (exception) std::rethrow_exception(exception);
      take();
    };
    asio::co_spawn(executor(), std::move(task), std::move(ended));
  }

  struct Connection {
    std::unique_ptr<PacketStream> stream;
    Peer peer;
  };
  /// `kernel_buffer` bounds what either kernel buffer takes; 0: as it comes.
  Connection connect_pair(int kernel_buffer = 0) {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    if (kernel_buffer > 0)
      for (const int end : ends)
        for (const int option : {SO_SNDBUF, SO_RCVBUF})
          ::setsockopt(end, SOL_SOCKET, option, &kernel_buffer, sizeof kernel_buffer);
    Socket socket(executor(), asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
    return {std::make_unique<PacketStream>(std::move(socket)), Peer(ends[1])};
  }

  static constexpr protocol::Capabilities modern =
      protocol::without_eof | protocol::capability::session_track;

  struct LinkAndPeer {
    std::shared_ptr<Link> link;
    Peer peer;
  };
  /// A link that has just logged in, to a peer that the test plays.
  LinkAndPeer open_pair(protocol::Capabilities capabilities = modern, int kernel_buffer = 0) {
    Connection connection = connect_pair(kernel_buffer);
    protocol::BackendFacts facts;
    facts.capabilities = capabilities;
    facts.flavour = protocol::Flavour::mariadb;
    auto link = std::make_shared<Link>(std::move(connection.stream), std::move(facts), 0,
                                       routing::LinkRole::primary, counters_);
    Link::start(link);
    links_.push_back(link);
    return {std::move(link), std::move(connection.peer)};
  }

  asio::io_context context_{1};
  BackendCounters counters_;
  std::vector<std::weak_ptr<Link>> links_;
};

/// A framed COM_QUERY.
inline protocol::Buffer query_packet(std::string_view sql) {
  protocol::Buffer out;
  protocol::append_command(out, protocol::Command::query, sql);
  return out;
}

inline protocol::Buffer joined(protocol::Buffer first, const protocol::Buffer& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// An OK whose trackers tell of `variables` and, unless empty, of a schema.
inline protocol::Buffer ok_with_trackers(
    std::initializer_list<std::pair<std::string_view, std::string_view>> variables,
    std::string_view schema = {}, std::uint8_t sequence = 1) {
  protocol::Buffer block;
  for (const auto& [name, value] : variables) {
    const protocol::TrackEntry entry{
        .type = protocol::TrackType::system_variables, .name = name, .value = value};
    protocol::append_track_entry(block, entry);
  }
  if (!schema.empty()) {
    const protocol::TrackEntry entry{.type = protocol::TrackType::schema, .value = schema};
    protocol::append_track_entry(block, entry);
  }
  protocol::Buffer out;
  protocol::append_ok(out, {.status = protocol::status::autocommit, .session_state = block},
                      protocol::without_eof | protocol::capability::session_track, sequence);
  return out;
}

}  // namespace sluice::proxy
