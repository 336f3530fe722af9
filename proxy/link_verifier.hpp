/// The paranoid mode: asks the backend whether a link's state is what its image says.
///
/// Call `verify_link` whenever a link has been obtained for a session. On its first call
/// for a link it takes the snapshot that later ones compare with; from then on,
/// every `session.verify_every`-th call reads schema, session variables and user variables
/// back. If one differs, the link is closed, an alarm with the names (never the
/// values) goes to the log, and `Counters::state_mismatches` counts it: the caller
/// obtains another, and the client sees nothing.
///
/// Thread: the link's worker.
#pragma once

#include <memory>

#include "config/settings.hpp"
#include "proxy/counters.hpp"
#include "proxy/link.hpp"

namespace sluice::proxy {

/// False if the link must not be used: it has been closed. Without
/// `session.verify_every` true, at once.
Task<bool> verify_link(std::shared_ptr<Link> link, const config::Settings& settings,
                       Counters& counters);

}  // namespace sluice::proxy
