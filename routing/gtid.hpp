/// What a backend has executed, as a value: MySQL GTID sets and MariaDB positions.
///
/// The two engines answer the same questions with different text:
///   MySQL    `UUID[:tag]:1-5:7, UUID:…`  a set of transactions, gaps allowed
///   MariaDB  `0-1-100,1-2-5`             per domain, the last transaction applied
/// A MariaDB position stands for every transaction of its domain up to that
/// sequence number; the server id in it says who wrote the last one and has no
/// part in the order.
///
/// A `GtidSet` holds a part of each kind, so that every operation is defined for
/// every pair: sets of different engines are simply disjoint. The empty set is
/// neutral: everything covers it. An *unknown* set is not an empty one; say it
/// with `std::optional` (P8: an unknown GTID is not covered).
///
/// The usual laws hold: `merge` is a union, `covers` a superset, `subtract` what
/// is missing, so that `b.covers(a) == a.subtract(b).empty()` and
/// `b.merge(a.subtract(b)) == a.merge(b)`.
///
/// Source: MySQL 9 manual, "GTID Format and Storage"; MariaDB knowledge base,
/// "Global Transaction ID".
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"

namespace sluice::routing {

/// Whose dialect a backend speaks.
enum class Flavour { mysql, mariadb };
[[nodiscard]] std::string_view to_string(Flavour flavour) noexcept;

/// How two sets stand to each other; a partial order, hence four answers.
enum class GtidOrder { equal, ahead, behind, incomparable };
[[nodiscard]] std::string_view to_string(GtidOrder order) noexcept;

/// Who a MySQL transaction comes from: a server's UUID and, from 8.3 on, a tag.
struct GtidSource {
  std::array<std::uint8_t, 16> uuid{};
  std::string tag;  ///< lower case; empty for the plain kind
  friend auto operator<=>(const GtidSource&, const GtidSource&) = default;
};

/// Transaction numbers from `first` to `last`, both included.
struct GtidInterval {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  friend auto operator<=>(const GtidInterval&, const GtidInterval&) = default;
};

/// All that is known of one MySQL source: sorted, with a gap between neighbours, never empty.
struct GtidIntervals {
  GtidSource source;
  std::vector<GtidInterval> intervals;
  friend bool operator==(const GtidIntervals&, const GtidIntervals&) = default;
};

/// The last transaction of one MariaDB domain.
struct GtidPosition {
  std::uint32_t domain = 0;
  std::uint32_t server_id = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const GtidPosition&, const GtidPosition&) = default;
};

/// Reads MariaDB positions as they are, several to a domain (`gtid_binlog_state`),
/// in the order of the text. Errors: Errc::malformed.
[[nodiscard]] protocol::Result<std::vector<GtidPosition>> parse_positions(std::string_view text);

class GtidSet {
 public:
  GtidSet() = default;

  /// Reads a set, or the single GTID of a session tracker (MySQL `OWN_GTID`:
  /// `uuid:5` or `uuid:tag:5`; MariaDB `last_gtid`: `0-1-100`). White space and
  /// line breaks may stand between any two tokens; upper and lower case are the
  /// same; empty text is the empty set. Where MariaDB text names a domain more
  /// than once (as gtid_binlog_state does), the highest sequence number stands.
  /// Errors: Errc::malformed.
  [[nodiscard]] static protocol::Result<GtidSet> parse(std::string_view text, Flavour flavour);

  [[nodiscard]] bool empty() const noexcept { return mysql_.empty() && mariadb_.empty(); }

  /// True if whoever has executed this set has executed all of `other`.
  [[nodiscard]] bool covers(const GtidSet& other) const noexcept;

  /// True if the two have a transaction (MySQL) or a domain (MariaDB) in common.
  /// On MySQL that proves a shared past; on MariaDB it only fails to disprove it.
  [[nodiscard]] bool shares_history(const GtidSet& other) const noexcept;

  /// Everything in either.
  [[nodiscard]] GtidSet merge(const GtidSet& other) const;

  /// Everything in any: quicker than one by one.
  [[nodiscard]] static GtidSet merge_all(std::span<const GtidSet> sets);

  /// What this has and `other` lacks. For MariaDB: the domains where this is
  /// further, at this position.
  [[nodiscard]] GtidSet subtract(const GtidSet& other) const;

  /// `ahead` means that this covers `other` and has more.
  [[nodiscard]] GtidOrder compare(const GtidSet& other) const noexcept;

  /// How many transactions are in the set; nullopt where positions cannot tell
  /// (a MariaDB domain may skip numbers).
  [[nodiscard]] std::optional<std::uint64_t> transaction_count() const noexcept;

  /// The canonical text, without white space, which `parse` reads back.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const std::vector<GtidIntervals>& mysql() const noexcept { return mysql_; }
  [[nodiscard]] const std::vector<GtidPosition>& mariadb() const noexcept { return mariadb_; }

  /// Equal as sets: MariaDB server ids do not count.
  friend bool operator==(const GtidSet& a, const GtidSet& b) noexcept {
    return a.compare(b) == GtidOrder::equal;
  }

 private:
  std::vector<GtidIntervals> mysql_;   // sorted by source
  std::vector<GtidPosition> mariadb_;  // sorted by domain, one each
};

}  // namespace sluice::routing
