/// What a client sends: decode_command and what reads on from there.
#include <cstdlib>

#include "protocol/command.hpp"

using namespace sluice::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Capabilities capabilities = capability::protocol_41 | capability::mariadb_stmt_bulk;
  if ((data[0] & 1) != 0) capabilities |= capability::query_attributes;
  const std::uint16_t prepared = data[1];

  const Result<ClientCommand> command = decode_command({data + 2, size - 2}, capabilities);
  if (!command) return 0;
  (void)command->attributes.text("sluice.target");
  if (command->command != Command::stmt_execute) return 0;

  const auto parameters = parse_execute_parameters(*command, prepared, capabilities);
  if (!parameters || !parameters->types_bound) return 0;
  // Bound to the types it has, an execute comes out as it was.
  Buffer out;
  append_execute_with_types(out, *command, *parameters, command->statement, parameters->types);
  const Result<ClientCommand> again = decode_command(out, capabilities);
  if (!again) std::abort();
  const auto found = parse_execute_parameters(*again, prepared, capabilities);
  if (!found || found->count != parameters->count ||
      as_text(found->values) != as_text(parameters->values))
    std::abort();
  return 0;
}
