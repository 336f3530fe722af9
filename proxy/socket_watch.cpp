#include "proxy/socket_watch.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace sluice::proxy {
namespace {

constexpr std::size_t most_spare = 64;

}  // namespace

SocketWatch::Watched::Watched(SocketWatch& watch, int socket)
    : readable(watch.executor_), writable(watch.executor_), watch_(watch), socket_(socket) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  wanted.data.ptr = this;
  if (::epoll_ctl(watch_.epoll_.native_handle(), EPOLL_CTL_ADD, socket_, &wanted) != 0)
    throw boost::system::system_error(errno, boost::system::system_category(), "epoll_ctl");
}

void SocketWatch::Watched::leave() noexcept {
  if (left_) return;
  left_ = true;
  if (watch_.epoll_.is_open())
    ::epoll_ctl(watch_.epoll_.native_handle(), EPOLL_CTL_DEL, socket_, nullptr);
  readable.notify();
  writable.notify();
}

SocketWatch::SocketWatch(const Executor& executor) : executor_(executor), epoll_(executor) {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0)
    throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  epoll_.assign(descriptor);
}

void SocketWatch::start() { asio::co_spawn(executor_, run(), rethrow); }

void SocketWatch::stop() {
  error_code ignored;
  epoll_.close(ignored);
}

Task<> SocketWatch::run() {
  while (epoll_.is_open()) {
    auto [error] = co_await epoll_.async_wait(asio::posix::descriptor_base::wait_read, use_result);
    if (error) co_return;
    tell();
  }
}

void SocketWatch::tell() {
  std::array<epoll_event, 256> events;
  int count = 0;
  do {
    count = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      auto* watched = static_cast<Watched*>(events[static_cast<std::size_t>(i)].data.ptr);
      const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
      if ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) watched->hung_up_ = true;
      if ((what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) watched->writable.notify();
      // The last word: its reader may be the end of it. It is nobody else's end, since
      // whatever ends another socket's reader is posted.
      if ((what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) watched->readable.wake();
    }
  } while (count == static_cast<int>(events.size()));
}

std::unique_ptr<std::uint8_t[]> SocketWatch::take_buffer() {
  if (spare_.empty()) return std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size);
  auto buffer = std::move(spare_.back());
  spare_.pop_back();
  return buffer;
}

void SocketWatch::give_buffer(std::unique_ptr<std::uint8_t[]> buffer) {
  if (spare_.size() < most_spare) spare_.push_back(std::move(buffer));
}

}  // namespace sluice::proxy
