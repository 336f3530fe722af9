/// What makes two statements the same but for their values: a fingerprint of
/// the normal form of their text.
///
/// In the normal form literals (with their sign), and parameters are `?`, lists
/// of them are `?, ...` however long, rows of them `(?), ...`, comments, hints
/// and white space are gone, and reserved words are in upper case. Names stay as
/// they are written: whether `T` and `t` are one table is the server's choice.
///
///   select c from sbtest1 where id = -42      SELECT c FROM sbtest1 WHERE id = ?
///   INSERT INTO t(a,b) VALUES (1,'x'),(2,'y') INSERT INTO t(a, b) VALUES (?, ...), ...
///
/// digest() and normalised() agree: equal digests mean equal normal forms, but
/// for the collisions of 64 bits. A normal form never holds a literal, so it may
/// be shown and logged. Text that cannot be read to its end (an unfinished
/// string, say) ends in `...` where that begins.
///
/// Cost: one pass over the tokens; digest() allocates nothing.
/// Errors: none; any byte sequence has a digest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/statement.hpp"

namespace sluice::routing {

using Digest = std::uint64_t;

[[nodiscard]] Digest digest(std::string_view sql, const Dialect& dialect) noexcept;

/// No normal form that is kept or shown is longer, in bytes.
inline constexpr std::size_t normalised_limit = 1024;

/// The normal form, cut to `limit` bytes; a cut one ends in `...`. Control
/// characters in names become `?`.
[[nodiscard]] std::string normalised(std::string_view sql, const Dialect& dialect,
                                     std::size_t limit = normalised_limit);

}  // namespace sluice::routing
