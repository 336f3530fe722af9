/// Who replicates from whom, as far as the configured backends are concerned.
///
/// Built from the last observations. A source is matched with a backend by, in
/// this order: host:port as text ("localhost" is 127.0.0.1, port 3306 the
/// default), UUID (MySQL), or server id if exactly one other backend has it
/// (MariaDB; names and addresses differ behind NAT or containers). While the IO
/// thread runs, its UUID and server id are fresh, and an address whose backend has
/// another one is not believed: "127.0.0.1:3306" is someone else on each machine.
///
/// Lifetime: keeps no reference to the inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/topology.hpp"

namespace sluice::routing {

/// An address taken apart for comparing; nullopt for Unix sockets and nonsense.
struct HostPort {
  std::string host;  ///< lower case, without brackets
  std::uint16_t port = 3306;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view address);

class ReplicationGraph {
 public:
  explicit ReplicationGraph(std::span<const BackendInput> inputs);

  /// True if `from` replicates from `to`, directly or through other backends.
  /// False for `from == to`.
  [[nodiscard]] bool leads_to(std::size_t from, std::size_t to) const;

  /// True if `from` has `to` among its own sources.
  [[nodiscard]] bool follows(std::size_t from, std::size_t to) const;

  /// True if a channel of `from` that leads to `to` applies what it receives.
  [[nodiscard]] bool applies(std::size_t from, std::size_t to) const;

  /// True if a source of this backend is a configured backend.
  [[nodiscard]] bool has_known_source(std::size_t of) const { return !edges_[of].empty(); }

  /// True if a source of this backend is not a configured one.
  [[nodiscard]] bool has_unknown_source(std::size_t of) const { return unknown_[of]; }

  /// The one backend at which all chains end; nullopt if there are several or none.
  [[nodiscard]] std::optional<std::size_t> sole_root() const;

 private:
  struct Edge {
    std::size_t to;
    bool sql_running;
  };

  std::vector<std::vector<Edge>> edges_;
  std::vector<bool> unknown_;
};

}  // namespace sluice::routing
