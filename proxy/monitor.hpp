/// Watches all backends and publishes who is who: the one source of `Topology`.
///
/// Each backend has a probe thread with its own clock, for libmysqlclient may
/// block and one that hangs must delay no other. All judging happens on the
/// control thread: results are posted to it, it keeps health, lag and the last
/// observation of each backend, derives the next snapshot and publishes it. A
/// probe that does not come back is failed there at its deadline, whatever its
/// thread is stuck in. A probe that is late or fails while the backend answers
/// clients says that the machine is busy, or that connections have run out, not
/// that the backend is gone: it is not counted.
///
/// Backends are known by their index in `settings->backends`.
/// Thread: all on the control thread, but traffic_error(), which is for anyone.
/// Lifetime: stop() before `control` and `topology` go; the destructor does it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "proxy/async.hpp"
#include "proxy/published.hpp"
#include "routing/topology.hpp"

namespace sluice::proxy {

class Monitor {
 public:
  using OnChange =
      std::function<void(const routing::Topology& before, const routing::Topology& after)>;

  /// How much a backend has answered on clients' links; only its growth is looked at.
  using Answered = std::function<std::uint64_t(std::size_t backend)>;

  /// `control` is the control thread's io_context. `on_change` runs on the control
  /// thread after each publication that matters to the data plane (primary, epoch,
  /// health, role, standing, admin state, fail-open), not after every sample. It may
  /// call set_admin_state(), but not stop().
  Monitor(asio::io_context& control, std::shared_ptr<const config::Settings> settings,
          Published<routing::Topology>& topology, OnChange on_change, Answered answered);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Publishes a first snapshot in which nothing has been seen, and starts probing.
  void start();
  /// Ends probing and joins the probe threads. Bounded: one that does not return
  /// from name resolution within a second is left to end by itself.
  void stop();

  /// A link to this backend was refused or reset. From any thread, cheap, and
  /// rate-limited: probes it at once and makes it suspect until that is answered.
  void traffic_error(std::size_t backend) noexcept;

  /// False if there is no such backend.
  bool set_admin_state(std::string_view backend, routing::AdminState state, std::string by,
                       std::string why);

  /// Who alone may be primary, and whether new writes wait: see TopologyPolicy. The
  /// next snapshot is published before it returns.
  void rule(std::string appointed, bool writes_held);
  /// Probes it at once, not when its turn comes.
  void probe_now(std::string_view backend);

  /// Each backend has answered or failed once.
  [[nodiscard]] bool first_round_done() const;

 private:
  class Core;
  // Shared with what is posted to the control thread and may run after us.
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::proxy
