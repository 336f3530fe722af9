/// Opens a link: connects, logs in, and sets up what Sluice needs on every link.
///
/// The set-up switches the session trackers on, and on a replica the guard that
/// makes a misrouted write fail there (transaction_read_only, P2).
///
/// Errors: `OpenFailure` tells a refusal by the backend (its ERR) from a backend
/// that cannot be reached; only the latter says anything about its health.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "proxy/link.hpp"

namespace sluice::proxy {

struct OpenRequest {
  std::size_t backend = 0;  ///< Topology index
  config::Address address;
  config::BackendTls tls = config::BackendTls::off;
  std::shared_ptr<TlsContext> tls_context;
  routing::LinkRole role = routing::LinkRole::primary;
  std::string user;
  config::Secret password;
  protocol::Capabilities capabilities = 0;  ///< result-shaping bits the client asked for
  std::uint16_t collation = 45;
  std::chrono::milliseconds deadline{5'000};
  SocketWatch* watch = nullptr;  ///< what tells when the link can be read; optional
};

struct OpenFailure {
  error_code error;
  std::optional<protocol::Refusal> refusal;  ///< the backend's own ERR
  std::string detail;
};

struct OpenOutcome {
  std::shared_ptr<Link> link;  ///< started; null on failure
  OpenFailure failure;
};

Task<OpenOutcome> open_link(Executor executor, OpenRequest request, BackendCounters& counters);

}  // namespace sluice::proxy
