#include "bench/load/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::load {
namespace {

/// Nobody should wait longer for a login, and for ever for none.
constexpr timeval login_patience{30, 0};

struct Address {
  sockaddr_storage where{};
  socklen_t size = 0;
};

Address resolve(const Options& options) {
  Address address;
  if (!options.unix_path.empty()) {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    if (options.unix_path.size() >= sizeof(path.sun_path)) throw ConnectError("path is too long");
    std::memcpy(path.sun_path, options.unix_path.data(), options.unix_path.size());
    std::memcpy(&address.where, &path, sizeof(path));
    address.size = sizeof(path);
    return address;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found);
  if (code != 0) throw ConnectError(options.host + ": " + gai_strerror(code));
  std::memcpy(&address.where, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

SSL_CTX* tls_context() {
  struct Free {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };
  static const std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
  return context.get();
}

// How read() and write() tell of what OpenSSL answers.
ssize_t answer(SSL* tls, int done) {
  if (done > 0) return done;
  switch (SSL_get_error(tls, done)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: errno = EIO; return -1;
  }
}

}  // namespace

std::string errno_text(const std::string& doing) { return doing + ": " + std::strerror(errno); }

void ClientSocket::FreeSsl::operator()(ssl_st* tls) const noexcept { SSL_free(tls); }

ClientSocket::ClientSocket(const Options& options, Mode mode) {
  const Address address = resolve(options);
  const int family = address.where.ss_family;
  const int flags = SOCK_STREAM | SOCK_CLOEXEC | (mode == Mode::connecting ? SOCK_NONBLOCK : 0);
  descriptor_ = socket(family, flags, 0);
  if (descriptor_ < 0) throw ConnectError(errno_text("socket"));
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address.where), address.size) !=
          0 &&
      !(mode == Mode::connecting && errno == EINPROGRESS)) {
    const std::string words = errno_text("connect");
    close(descriptor_);
    throw ConnectError(words);
  }
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &login_patience, sizeof(login_patience));
  const int on = 1;
  if (family != AF_UNIX) setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

ClientSocket::~ClientSocket() { close(descriptor_); }

void ClientSocket::start_tls() {
  tls_.reset(SSL_new(tls_context()));
  SSL_set_mode(tls_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_fd(tls_.get(), descriptor_);
  if (SSL_connect(tls_.get()) != 1) throw ConnectError("TLS handshake failed");
}

void ClientSocket::stop_blocking() {
  if (fcntl(descriptor_, F_SETFL, O_NONBLOCK) != 0) throw ConnectError(errno_text("fcntl"));
}

ssize_t ClientSocket::read(std::span<std::uint8_t> into) noexcept {
  if (tls_ == nullptr) return recv(descriptor_, into.data(), into.size(), 0);
  return answer(tls_.get(), SSL_read(tls_.get(), into.data(), static_cast<int>(into.size())));
}

ssize_t ClientSocket::write(protocol::Bytes bytes) noexcept {
  if (tls_ == nullptr) return ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return answer(tls_.get(), SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())));
}

bool ClientSocket::more_inside() const noexcept {
  return tls_ != nullptr && SSL_pending(tls_.get()) > 0;
}

}  // namespace sluice::load
