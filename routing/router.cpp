#include "routing/router.hpp"

#include <array>

namespace sluice::routing {
namespace {

/// More backends than this are not compared for one read; nobody has them.
constexpr std::size_t max_candidates = 64;

struct Choice {
  std::optional<std::size_t> backend;
  Exclusion mildest = Exclusion::never_seen;  // why the best of the refused was refused
};

[[nodiscard]] bool avoided(const RouteInput& in, std::size_t backend) noexcept {
  return backend < 64 && ((in.avoid >> backend) & 1) != 0;
}

/// True if what the primary had when it was probed after the session's unlearnt
/// write is known, so that a replica can be held against it.
[[nodiscard]] bool unknown_write_is_bounded(const RouteInput& in) noexcept {
  return in.topology.primary_gtid && in.topology.primary_gtid->read_at > *in.bonds.unknown_write;
}

[[nodiscard]] bool has_own_writes(const RouteInput& in, const BackendView& backend) noexcept {
  if (!in.policy.read_your_writes) return true;
  const GtidSet* executed = backend.gtid();
  if (in.bonds.required != nullptr &&
      (executed == nullptr || !executed->covers(*in.bonds.required))) {
    return false;
  }
  if (!in.bonds.unknown_write) return true;
  return unknown_write_is_bounded(in) && executed != nullptr &&
         executed->covers(in.topology.primary_gtid->gtid);
}

template <class Accept>
[[nodiscard]] Choice choose_among(const RouteInput& in, Accept accept) noexcept {
  std::array<Candidate, max_candidates> candidates;
  std::size_t count = 0;
  Choice choice;
  for (const BackendView& backend : in.topology.backends) {
    if (count == max_candidates || avoided(in, backend.id)) continue;
    const Exclusion exclusion = accept(backend);
    if (exclusion != Exclusion::none) {
      // The order of the enumerators is the order of gravity: later is milder.
      if (exclusion > choice.mildest) choice.mildest = exclusion;
      continue;
    }
    const Load load = backend.id < in.load.size() ? in.load[backend.id] : Load{};
    candidates[count++] = {.backend = backend.id,
                           .in_flight = load.in_flight,
                           .weight = backend.weight,
                           .warmth = backend.health.warmth(in.now),
                           .latency_us = load.latency_us};
  }
  if (const auto best = choose(std::span(candidates.data(), count), in.seed)) {
    choice.backend = candidates[*best].backend;
  }
  return choice;
}

[[nodiscard]] bool primary_usable(const RouteInput& in) noexcept {
  const BackendView* primary = in.topology.primary_view();
  return primary != nullptr && primary->admin.state != AdminState::offline &&
         !avoided(in, primary->id);
}

[[nodiscard]] Decision to_primary(const RouteInput& in, Reason reason) noexcept {
  if (!primary_usable(in)) return {Target::wait, 0, Reason::no_primary};
  return {Target::primary, *in.topology.primary, reason};
}

/// For what may write, or begins a transaction that may.
[[nodiscard]] Decision to_writer(const RouteInput& in, Reason reason) noexcept {
  if (in.topology.writes_held) return {Target::wait, 0, Reason::no_primary};
  return to_primary(in, reason);
}

/// Nobody fit serves and the primary is gone: what is right may still be had
/// from a backend that is merely suspect or of unknown age.
[[nodiscard]] Choice last_resort(const RouteInput& in) noexcept {
  return choose_among(in, [&](const BackendView& backend) {
    const Exclusion exclusion = verdict(backend, {.max_lag = std::nullopt}, in.now);
    if (exclusion != Exclusion::none && !is_last_resort(exclusion)) return exclusion;
    return has_own_writes(in, backend) ? Exclusion::none : Exclusion::gtid_behind;
  });
}

[[nodiscard]] Decision route_read(const RouteInput& in, Reason reason) noexcept {
  const Choice choice = choose_among(in, [&](const BackendView& backend) {
    if (in.policy.share_reads_with_primary && in.topology.primary == backend.id &&
        backend.admin.state == AdminState::online &&
        (backend.health.state == Health::up || backend.health_distrusted)) {
      return Exclusion::none;
    }
    const bool has_own = backend.id < in.policy.backend_max_lag.size() &&
                         in.policy.backend_max_lag[backend.id].has_value();
    const auto bound = has_own ? in.policy.backend_max_lag[backend.id] : in.policy.max_lag;
    const Exclusion exclusion = verdict(backend, {.max_lag = bound}, in.now);
    if (exclusion != Exclusion::none) return exclusion;
    return has_own_writes(in, backend) ? Exclusion::none : Exclusion::gtid_behind;
  });
  if (choice.backend) {
    const bool on_primary = in.topology.primary == *choice.backend;
    return {on_primary ? Target::primary : Target::replica, *choice.backend, reason};
  }
  const Reason why =
      choice.mildest == Exclusion::gtid_behind ? Reason::own_write
      : choice.mildest == Exclusion::lagging || choice.mildest == Exclusion::lag_unknown
          ? Reason::lagging
          : Reason::no_replica;
  const BackendView* primary = in.topology.primary_view();
  const bool primary_in_doubt = primary != nullptr && primary->health.state != Health::up;
  if (primary_usable(in) && !primary_in_doubt) return to_primary(in, why);
  if (const Choice any = last_resort(in); any.backend) {
    return {Target::replica, *any.backend, Reason::no_primary};
  }
  return to_primary(in, why);
}

}  // namespace

std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::plain_read: return "plain_read";
    case Reason::read_only_transaction: return "read_only_transaction";
    case Reason::in_transaction: return "in_transaction";
    case Reason::autocommit_off: return "autocommit_off";
    case Reason::pinned: return "pinned";
    case Reason::previous_statement: return "previous_statement";
    case Reason::write: return "write";
    case Reason::hint_primary: return "hint_primary";
    case Reason::own_write: return "own_write";
    case Reason::no_replica: return "no_replica";
    case Reason::lagging: return "lagging";
    case Reason::no_primary: return "no_primary";
    case Reason::misrouted: return "misrouted";
    case Reason::moved: return "moved";
  }
  return "?";
}

Decision route(const RouteInput& in) noexcept {
  const Bonds& bonds = in.bonds;
  if (bonds.holds_link) {
    if (bonds.in_transaction) return {Target::held, 0, Reason::in_transaction};
    if (bonds.pinned) return {Target::held, 0, Reason::pinned};
    if (in.statement.effects.has(Effect::speaks_of_previous)) {
      return {Target::held, 0, Reason::previous_statement};
    }
  }
  // Autocommit off: the next statement begins a transaction, whatever it is.
  if (bonds.in_transaction || bonds.autocommit_off) return to_writer(in, Reason::autocommit_off);
  if (bonds.pinned) return to_writer(in, Reason::pinned);
  if (in.statement.hint == Hint::primary && in.statement.access == Access::write)
    return to_writer(in, Reason::hint_primary);
  if (in.statement.hint == Hint::primary) return to_primary(in, Reason::hint_primary);
  if (in.statement.effects.has(Effect::begins_read_only_transaction) &&
      !in.statement.effects.has(Effect::several) && !bonds.serializable) {
    return route_read(in, Reason::read_only_transaction);
  }
  if (in.statement.access == Access::write) return to_writer(in, Reason::write);
  return route_read(in, Reason::plain_read);
}

}  // namespace sluice::routing
