/// TLS contexts from the configuration: for clients and for each backend.
///
/// Clients are offered TLS 1.2 and 1.3 with the configured certificate, or with a
/// self-signed one made at start-up, as servers do.
/// Errors: StartupError naming the file.
#pragma once

#include <memory>

#include "config/settings.hpp"
#include "proxy/packet_stream.hpp"

namespace sluice::proxy {

/// Null if TLS is off.
[[nodiscard]] std::shared_ptr<TlsContext> make_client_tls(const config::Listen& listen);
/// Null if TLS is off for this backend.
[[nodiscard]] std::shared_ptr<TlsContext> make_backend_tls(const config::Backend& backend);

}  // namespace sluice::proxy
