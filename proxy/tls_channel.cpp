#include "proxy/tls_channel.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstring>

namespace sluice::proxy {

struct TlsChannel::Transport {
  static TlsChannel& of(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    TlsChannel& channel = of(bio);
    BIO_clear_retry_flags(bio);
    const std::size_t left = channel.early_.size() - channel.early_taken_;
    if (left > 0) {
      const std::size_t part = std::min(left, static_cast<std::size_t>(size));
      std::memcpy(into, channel.early_.data() + channel.early_taken_, part);
      channel.early_taken_ += part;
      if (part == left) channel.early_ = {};
      if (part == left) channel.early_taken_ = 0;
      return static_cast<int>(part);
    }
    // It had no more when it was last read: asking again would be a call for nothing.
    ssize_t got = -1;
    errno = EAGAIN;
    if (!channel.drained_)
      got = ::recv(channel.socket_, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
    channel.drained_ = got < size && got != 0;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      BIO_set_retry_read(bio);
    return static_cast<int>(got);
  }

  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t sent =
        ::send(of(bio).socket_, from, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      BIO_set_retry_write(bio);
    return static_cast<int>(sent);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

TlsChannel::TlsChannel(TlsContext& context, TlsRole role, int socket, protocol::Bytes early,
                       const std::string& name_to_verify)
    : socket_(socket), early_(early.begin(), early.end()), tls_(SSL_new(context.native_handle())) {
  if (!tls_) throw std::bad_alloc();
  BIO* bio = BIO_new(Transport::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);
  SSL_set_mode(tls_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_options(tls_.get(), SSL_OP_NO_RENEGOTIATION);
  // A record's header and body with one call.
  SSL_set_read_ahead(tls_.get(), 1);
  if (!name_to_verify.empty()) {
    X509_VERIFY_PARAM* wanted = SSL_get0_param(tls_.get());
    boost::system::error_code no_address;
    boost::asio::ip::make_address(name_to_verify, no_address);
    if (no_address) {
      SSL_set_tlsext_host_name(tls_.get(), name_to_verify.c_str());
      X509_VERIFY_PARAM_set1_host(wanted, name_to_verify.c_str(), name_to_verify.size());
    } else {
      X509_VERIFY_PARAM_set1_ip_asc(wanted, name_to_verify.c_str());
    }
  }
  if (role == TlsRole::client) {
    SSL_set_connect_state(tls_.get());
  } else {
    SSL_set_accept_state(tls_.get());
  }
}

TlsChannel::~TlsChannel() = default;

TlsChannel::Step TlsChannel::judge(int result, boost::system::error_code& error) {
  error.clear();
  if (result > 0) return Step::done;
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ: return Step::want_read;
    case SSL_ERROR_WANT_WRITE: return Step::want_write;
    case SSL_ERROR_ZERO_RETURN: error = boost::asio::error::eof; return Step::ended;
    case SSL_ERROR_SYSCALL:
      if (ERR_peek_error() == 0) {
        error = errno == 0 ? boost::system::error_code{boost::asio::error::eof}
                           : boost::system::error_code{errno, boost::system::system_category()};
        return Step::ended;
      }
      break;
    default: break;
  }
  error = boost::system::error_code(static_cast<int>(ERR_get_error()),
                                    boost::asio::error::get_ssl_category());
  if (!error) error = boost::asio::ssl::error::unspecified_system_error;
  return Step::failed;
}

TlsChannel::Step TlsChannel::handshake(boost::system::error_code& error) {
  ERR_clear_error();
  errno = 0;
  return judge(SSL_do_handshake(tls_.get()), error);
}

TlsChannel::Step TlsChannel::read(std::span<std::uint8_t> into, std::size_t& got,
                                  boost::system::error_code& error) {
  ERR_clear_error();
  errno = 0;
  got = 0;
  return judge(SSL_read_ex(tls_.get(), into.data(), into.size(), &got), error);
}

TlsChannel::Step TlsChannel::write(protocol::Bytes bytes, std::size_t& sent,
                                   boost::system::error_code& error) {
  ERR_clear_error();
  errno = 0;
  sent = 0;
  return judge(SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &sent), error);
}

}  // namespace sluice::proxy
