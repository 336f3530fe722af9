#include "protocol/error.hpp"

#include <string>

namespace sluice::protocol {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "sluice.protocol"; }

  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::truncated: return "payload is truncated";
      case Errc::malformed: return "malformed packet";
      case Errc::out_of_sequence: return "packets out of order";
      case Errc::too_large: return "packet is too large";
      case Errc::unexpected_packet: return "unexpected packet";
      case Errc::unsupported_protocol: return "unsupported protocol version";
      case Errc::unsupported_auth_plugin: return "unsupported authentication plugin";
      case Errc::authentication_failed: return "authentication failed";
      case Errc::tls_required: return "TLS is required";
      case Errc::crypto_failed: return "cryptographic operation failed";
      case Errc::refused: return "the backend refused the login";
    }
    return "unknown protocol error";
  }
};

}  // namespace

const boost::system::error_category& protocol_category() noexcept {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), protocol_category()};
}

}  // namespace sluice::protocol
