#include "routing/replication_graph.hpp"

#include <algorithm>
#include <charconv>

namespace sluice::routing {
namespace {

std::string normal_host(std::string_view host) {
  std::string out(host);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out == "localhost" ? "127.0.0.1" : out;
}

/// True if what a running IO thread says of its source contradicts this backend.
bool contradicts(const ReplicationSource& source, const BackendInput& backend) {
  if (!source.io_running || !backend.seen) return false;
  if (!source.uuid.empty() && !backend.seen->server_uuid.empty())
    return normal_host(source.uuid) != normal_host(backend.seen->server_uuid);
  return source.server_id != 0 && backend.seen->server_id != 0 &&
         source.server_id != backend.seen->server_id;
}

std::optional<std::size_t> resolve(const ReplicationSource& source, std::size_t self,
                                   std::span<const BackendInput> inputs) {
  const HostPort wanted{normal_host(source.host), source.port};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i != self && parse_host_port(inputs[i].address) == wanted &&
        !contradicts(source, inputs[i]))
      return i;
  }
  if (!source.uuid.empty()) {
    const std::string uuid = normal_host(source.uuid);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (i != self && inputs[i].seen && normal_host(inputs[i].seen->server_uuid) == uuid) return i;
    }
    return std::nullopt;
  }
  if (source.server_id == 0) return std::nullopt;
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i == self || !inputs[i].seen || inputs[i].seen->server_id != source.server_id) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

}  // namespace

std::optional<HostPort> parse_host_port(std::string_view address) {
  if (address.empty() || address.starts_with("unix:") || address.front() == '/')
    return std::nullopt;
  std::string_view host = address;
  std::string_view port;
  if (address.front() == '[') {
    const auto close = address.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = address.substr(1, close - 1);
    const auto rest = address.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
  } else if (const auto colon = address.find(':');
             colon != std::string_view::npos && colon == address.rfind(':')) {
    host = address.substr(0, colon);
    port = address.substr(colon + 1);
  }
  HostPort parsed{normal_host(host)};
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (error != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  }
  return parsed;
}

ReplicationGraph::ReplicationGraph(std::span<const BackendInput> inputs)
    : edges_(inputs.size()), unknown_(inputs.size(), false) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].seen) continue;
    for (const auto& source : inputs[i].seen->sources) {
      if (const auto to = resolve(source, i, inputs))
        edges_[i].push_back({*to, source.sql_running});
      else
        unknown_[i] = true;
    }
  }
}

bool ReplicationGraph::leads_to(std::size_t from, std::size_t to) const {
  if (from == to) return false;
  std::vector<bool> visited(edges_.size(), false);
  std::vector<std::size_t> open{from};
  visited[from] = true;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    for (const auto& edge : edges_[at]) {
      if (edge.to == to) return true;
      if (visited[edge.to]) continue;
      visited[edge.to] = true;
      open.push_back(edge.to);
    }
  }
  return false;
}

bool ReplicationGraph::follows(std::size_t from, std::size_t to) const {
  return std::any_of(edges_[from].begin(), edges_[from].end(),
                     [&](const Edge& edge) { return edge.to == to; });
}

bool ReplicationGraph::applies(std::size_t from, std::size_t to) const {
  return std::any_of(edges_[from].begin(), edges_[from].end(), [&](const Edge& edge) {
    return edge.sql_running && (edge.to == to || leads_to(edge.to, to));
  });
}

std::optional<std::size_t> ReplicationGraph::sole_root() const {
  std::optional<std::size_t> root;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    for (const auto& edge : edges_[i]) {
      if (!edges_[edge.to].empty()) continue;
      if (root && *root != edge.to) return std::nullopt;
      root = edge.to;
    }
  }
  return root;
}

}  // namespace sluice::routing
