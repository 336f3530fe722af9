/// The file of a Unix socket that we are about to listen on.
///
/// Thread: any, before serving: it may wait for a connection to be refused.
#pragma once

#include <string>

namespace sluice::proxy {

/// Removes a socket file that nobody listens on, as a crash leaves behind. Anything
/// else at `path` stays, and binding will say that the address is in use.
void remove_stale_socket(const std::string& path);

}  // namespace sluice::proxy
