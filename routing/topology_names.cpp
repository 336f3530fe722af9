// The words for topology.hpp's enumerators, as admin, metrics and logs show them.
#include "routing/topology.hpp"

namespace sluice::routing {

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::unknown: return "unknown";
    case Role::primary: return "primary";
    case Role::replica: return "replica";
  }
  return "?";
}

std::string_view to_string(AdminState state) noexcept {
  switch (state) {
    case AdminState::online: return "online";
    case AdminState::drain: return "drain";
    case AdminState::offline: return "offline";
  }
  return "?";
}

std::string_view to_string(Exclusion exclusion) noexcept {
  switch (exclusion) {
    case Exclusion::none: return "none";
    case Exclusion::offline: return "offline";
    case Exclusion::draining: return "draining";
    case Exclusion::never_seen: return "never_seen";
    case Exclusion::down: return "down";
    case Exclusion::suspect: return "suspect";
    case Exclusion::is_primary: return "is_primary";
    case Exclusion::second_writer: return "second_writer";
    case Exclusion::not_replicating: return "not_replicating";
    case Exclusion::other_source: return "other_source";
    case Exclusion::wrong_cluster: return "wrong_cluster";
    case Exclusion::lag_unknown: return "lag_unknown";
    case Exclusion::lagging: return "lagging";
    case Exclusion::gtid_behind: return "gtid_behind";
  }
  return "?";
}

std::string_view to_string(PrimaryReason reason) noexcept {
  switch (reason) {
    case PrimaryReason::nothing_seen: return "nothing_seen";
    case PrimaryReason::not_all_seen: return "not_all_seen";
    case PrimaryReason::sole_writable: return "sole_writable";
    case PrimaryReason::still_writable: return "still_writable";
    case PrimaryReason::kept_while_suspect: return "kept_while_suspect";
    case PrimaryReason::kept_fail_open: return "kept_fail_open";
    case PrimaryReason::followed_by_others: return "followed_by_others";
    case PrimaryReason::none_writable: return "none_writable";
    case PrimaryReason::ambiguous_writers: return "ambiguous_writers";
    case PrimaryReason::foreign_writer: return "foreign_writer";
    case PrimaryReason::not_appointed: return "not_appointed";
  }
  return "?";
}

std::string_view to_string(AlarmKind kind) noexcept {
  switch (kind) {
    case AlarmKind::two_writers: return "two_writers";
    case AlarmKind::wrong_cluster: return "wrong_cluster";
    case AlarmKind::fail_open: return "fail_open";
    case AlarmKind::no_primary: return "no_primary";
  }
  return "?";
}

std::string_view to_string(Membership membership) noexcept {
  switch (membership) {
    case Membership::unknown: return "unknown";
    case Membership::member: return "member";
    case Membership::foreign: return "foreign";
  }
  return "?";
}

}  // namespace sluice::routing
