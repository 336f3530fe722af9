#include "proxy/packet_stream.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace sluice::proxy {
namespace {

constexpr std::size_t initial_input = SocketWatch::buffer_size;

}  // namespace

PacketStream::PacketStream(Socket socket) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

PacketStream::~PacketStream() {
  if (watched_) close();
}

void PacketStream::watch(SocketWatch& watch) {
  assert(!watched_ && "a socket is watched once");
  if (!socket_.is_open()) return;
  error_code error;
  const auto handle = socket_.release(error);
  if (error) return;
  handle_ = handle;
  watched_ = std::make_unique<SocketWatch::Watched>(watch, handle_);
}

void PacketStream::consume(std::size_t size) noexcept {
  in_begin_ += size;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
}

void PacketStream::reserve(std::size_t size) {
  if (capacity_ - in_begin_ >= size) return;
  const std::size_t held = in_end_ - in_begin_;
  if (capacity_ < size) {
    const std::size_t grown = std::max({size, capacity_ * 2, initial_input});
    auto larger = watched_ && grown == SocketWatch::buffer_size
                      ? watched_->watch().take_buffer()
                      : std::make_unique_for_overwrite<std::uint8_t[]>(grown);
    if (held > 0) std::memcpy(larger.get(), in_.get() + in_begin_, held);
    in_ = std::move(larger);
    capacity_ = grown;
  } else if (held > 0) {
    std::memmove(in_.get(), in_.get() + in_begin_, held);
  }
  in_begin_ = 0;
  in_end_ = held;
}

void PacketStream::release_input() {
  if (in_begin_ != in_end_) return;
  if (watched_ && capacity_ == SocketWatch::buffer_size)
    watched_->watch().give_buffer(std::move(in_));
  in_.reset();
  capacity_ = in_begin_ = in_end_ = 0;
}

Task<error_code> PacketStream::fill() {
  if (watched_ || tls_) co_return co_await fill_waiting();
  if (in_end_ == capacity_) reserve(std::max(input().size() + 1, initial_input));
  const auto space = asio::buffer(in_.get() + in_end_, capacity_ - in_end_);
  auto [error, got] = co_await socket_.async_read_some(space, use_result);
  in_end_ += got;
  co_return error;
}

std::size_t PacketStream::receive(std::span<std::uint8_t> space, error_code& error) {
  if (tls_) {
    std::size_t got = 0;
    TlsChannel::Step step = tls_->read(space, got, error);
    if (step == TlsChannel::Step::want_read && hung_up() && tls_->ready())
      step = tls_->read(space, got, error);
    drained_ = step != TlsChannel::Step::done;
    return got;
  }
  const ssize_t got = ::recv(handle_, space.data(), space.size(), MSG_DONTWAIT);
  if (got > 0) {
    drained_ = static_cast<std::size_t>(got) < space.size() && !hung_up();
    return static_cast<std::size_t>(got);
  }
  drained_ = true;
  if (got == 0) {
    error = asio::error::eof;
  } else if (errno == EINTR) {
    drained_ = false;
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    error = error_code(errno, boost::system::system_category());
  }
  return 0;
}

PacketStream::Filled PacketStream::try_fill(error_code& error) {
  error = is_open() ? error_code{} : error_code{asio::error::operation_aborted};
  while (!error && !drained_) {
    if (in_end_ == capacity_) reserve(std::max(input().size() + 1, initial_input));
    const std::size_t got = receive({in_.get() + in_end_, capacity_ - in_end_}, error);
    in_end_ += got;
    if (got > 0) return Filled::some;
  }
  if (error) return Filled::failed;
  // There will be more when there is an event: it ends the drought.
  drained_ = false;
  if (tls_) tls_->ready();
  // An idle socket has no buffer: one is taken when there is something to read.
  if (input().empty()) release_input();
  return Filled::nothing;
}

Task<error_code> PacketStream::readiness(Socket::wait_type what) {
  if (watched_) {
    Event& ready = what == Socket::wait_read ? watched_->readable : watched_->writable;
    co_await ready.wait();
    co_return error_code{};
  }
  auto [error] = co_await socket_.async_wait(what, use_result);
  co_return error;
}

Task<error_code> PacketStream::fill_waiting() {
  for (;;) {
    error_code error;
    const Filled filled = try_fill(error);
    if (filled != Filled::nothing) co_return error;
    error = co_await readiness(Socket::wait_read);
    if (error) co_return error;
  }
}

Task<error_code> PacketStream::write_waiting(protocol::Bytes bytes) {
  while (!bytes.empty()) {
    error_code error;
    const std::size_t sent = give(bytes, error);
    if (error) co_return error;
    bytes = bytes.subspan(sent);
    if (bytes.empty()) break;
    error = co_await readiness(Socket::wait_write);
    if (error) co_return error;
  }
  co_return error_code{};
}

Task<error_code> PacketStream::fill_to(std::size_t size) {
  reserve(size);
  while (input().size() < size) {
    const error_code error = co_await fill();
    if (error) co_return error;
  }
  co_return error_code{};
}

Task<error_code> PacketStream::read_packet(Packet& packet, std::size_t limit) {
  error_code error = co_await fill_to(protocol::packet_header_size);
  if (error) co_return error;
  const auto header = protocol::decode_header(input().data());
  if (header.payload_size > limit) {
    co_return protocol::make_error_code(protocol::Errc::too_large);
  }
  const std::size_t whole = protocol::packet_header_size + header.payload_size;
  error = co_await fill_to(whole);
  if (error) co_return error;
  const auto payload = input().subspan(protocol::packet_header_size, header.payload_size);
  packet.payload.assign(payload.begin(), payload.end());
  packet.sequence = header.sequence;
  consume(whole);
  co_return error_code{};
}

std::size_t PacketStream::give(protocol::Bytes bytes, error_code& error) {
  if (!is_open()) error = asio::error::operation_aborted;
  std::size_t all = 0;
  while (tls_ && !error && all < bytes.size()) {
    std::size_t sent = 0;
    const TlsChannel::Step step = tls_->write(bytes.subspan(all), sent, error);
    all += sent;
    if (step != TlsChannel::Step::done) break;
  }
  if (tls_ || error) return all;
  const ssize_t sent = ::send(handle_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
    error = error_code(errno, boost::system::system_category());
  return 0;
}

std::size_t PacketStream::try_write(protocol::Bytes bytes, error_code& error) {
  error.clear();
  if (bytes.empty()) return 0;
  if (watched_ || tls_) return give(bytes, error);
  const std::size_t sent = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
  if (error == asio::error::would_block || error == asio::error::try_again) error.clear();
  return sent;
}

Task<error_code> PacketStream::write_all(protocol::Bytes bytes) {
  if (watched_ || tls_) co_return co_await write_waiting(bytes);
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  auto [error, sent] = co_await asio::async_write(socket_, buffer, use_result);
  co_return error;
}

Task<error_code> PacketStream::start_tls(TlsContext& context, TlsRole role,
                                         std::string name_to_verify) {
  // The peer may have sent its first TLS record right behind the packet that
  // asked for TLS: those bytes are in our buffer already.
  auto channel =
      std::make_unique<TlsChannel>(context, role, socket_.native_handle(), input(), name_to_verify);
  consume(input().size());
  for (;;) {
    error_code error;
    const TlsChannel::Step step = channel->handshake(error);
    if (step == TlsChannel::Step::done) break;
    if (error) co_return error;
    const auto what = step == TlsChannel::Step::want_read ? Socket::wait_read : Socket::wait_write;
    error = co_await readiness(what);
    if (error) co_return error;
    if (!socket_.is_open()) co_return asio::error::operation_aborted;
    channel->ready();
  }
  tls_ = std::move(channel);
  co_return error_code{};
}

void PacketStream::close() noexcept {
  if (watched_) {
    if (watched_->left()) return;
    watched_->leave();
    ::shutdown(handle_, SHUT_RDWR);
    ::close(handle_);
    return;
  }
  error_code ignored;
  // shutdown() first: it reaches the peer even if a forked child holds the socket.
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
}

void tune(Socket& socket) {
  error_code ignored;  // a Unix socket has neither option, and that is fine
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
}

namespace {

Task<error_code> connect_one(Socket& socket, asio::generic::stream_protocol::endpoint endpoint,
                             Clock::time_point until) {
  error_code error;
  socket.close(error);
  socket.open(endpoint.protocol(), error);
  if (error) co_return error;
  auto cut = [&socket] {
    error_code ignored;
    socket.close(ignored);
  };
  Deadline deadline(socket.get_executor(), until, cut);
  auto [connected] = co_await socket.async_connect(endpoint, use_result);
  co_return deadline.late() ? error_code{asio::error::timed_out} : connected;
}

}  // namespace

Task<error_code> connect(Socket& socket, const config::Address& address,
                         std::chrono::milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  error_code error;
  const auto finish = [&socket](error_code result) {
    if (!result) {
      tune(socket);
      socket.non_blocking(true, result);
    }
    return result;
  };
  if (address.kind == config::Address::Kind::unix_socket) {
    asio::generic::stream_protocol::endpoint endpoint =
        asio::local::stream_protocol::endpoint(address.path);
    error = co_await connect_one(socket, std::move(endpoint), until);
    co_return finish(error);
  }
  const auto literal = asio::ip::make_address(address.host, error);
  if (!error) {
    asio::generic::stream_protocol::endpoint endpoint =
        asio::ip::tcp::endpoint(literal, address.port);
    error = co_await connect_one(socket, std::move(endpoint), until);
    co_return finish(error);
  }
  using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;
  Resolver resolver(socket.get_executor());
  auto [resolve_error, found] =
      co_await resolver.async_resolve(address.host, std::to_string(address.port), use_result);
  if (resolve_error) co_return resolve_error;
  error = asio::error::host_not_found;
  for (const auto& entry : found) {
    asio::generic::stream_protocol::endpoint endpoint = entry.endpoint();
    error = co_await connect_one(socket, std::move(endpoint), until);
    if (!error) break;
  }
  co_return finish(error);
}

}  // namespace sluice::proxy
