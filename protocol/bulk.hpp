/// COM_STMT_BULK_EXECUTE: many rows of parameters for one prepared statement.
///
/// Shapes: the payload is command, statement id, flags, the parameters' types if the
/// flags say so (two bytes each), then row after row. A link that has heard no types, or
/// others, must be told them where the client leaves them out.
///
/// Source: MariaDB knowledge base, "COM_STMT_BULK_EXECUTE".
#pragma once

#include "protocol/command.hpp"

namespace sluice::protocol {

namespace bulk_flag {
inline constexpr std::uint16_t unit_results = 64;
inline constexpr std::uint16_t types_to_server = 128;
}  // namespace bulk_flag

[[nodiscard]] bool binds_types(const ClientCommand& bulk) noexcept;

/// Those in the command; empty if it has none, or not all. Point into it.
[[nodiscard]] Bytes bulk_types(const ClientCommand& bulk, std::uint16_t parameters) noexcept;

/// The payload of `bulk`, which binds no types, with `types`, for the server's `statement`.
void append_bulk_with_types(Buffer& out, const ClientCommand& bulk, std::uint32_t statement,
                            Bytes types);

}  // namespace sluice::protocol
