#include "protocol/bulk.hpp"

namespace sluice::protocol {

bool binds_types(const ClientCommand& bulk) noexcept {
  return (bulk.bulk_flags & bulk_flag::types_to_server) != 0;
}

Bytes bulk_types(const ClientCommand& bulk, std::uint16_t parameters) noexcept {
  const std::size_t size = std::size_t{2} * parameters;
  return binds_types(bulk) && bulk.rest.size() >= size ? bulk.rest.first(size) : Bytes();
}

void append_bulk_with_types(Buffer& out, const ClientCommand& bulk, std::uint32_t statement,
                            Bytes types) {
  Writer writer(out);
  writer.int1(static_cast<std::uint8_t>(Command::mariadb_stmt_bulk_execute)).int4(statement);
  writer.int2(static_cast<std::uint16_t>(bulk.bulk_flags | bulk_flag::types_to_server));
  writer.bytes(types).bytes(bulk.rest);
}

}  // namespace sluice::protocol
