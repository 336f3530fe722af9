// Whatever a peer sends in the connection phase: no decoder reads past it, and
// what was understood is understood again once it has been written back.

#include <cstdlib>

#include "protocol/handshake.hpp"

using namespace sluice::protocol;

namespace {

template <class Value, class Encode, class Decode>
void check(const Result<Value>& value, Encode encode, Decode decode) {
  if (!value) return;
  Buffer payload;
  encode(*value, payload);
  const Result<Value> again = decode(payload);
  if (!again || !(*again == *value)) std::abort();
}

/// Written back with a length: the older forms cannot hold every proof.
void check_response(Result<HandshakeResponse> response) {
  if (response) response->capabilities |= capability::plugin_auth_lenenc_data;
  check(response, encode_handshake_response, decode_handshake_response);
}

void check_change_user(Bytes payload, Capabilities capabilities) {
  check(
      decode_change_user(payload, capabilities),
      [&](const ChangeUser& change, Buffer& out) { encode_change_user(change, capabilities, out); },
      [&](Bytes again) { return decode_change_user(again, capabilities); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes payload(data, size);
  check(decode_greeting(payload), encode_greeting, decode_greeting);
  check_response(decode_handshake_response(payload));
  if (is_ssl_request(payload))
    check(decode_ssl_request(payload), encode_ssl_request, decode_ssl_request);
  if (auto request = decode_auth_switch_request(payload); request && size > 1)
    check(request, encode_auth_switch_request, decode_auth_switch_request);
  check_change_user(
      payload, capability::secure_connection | capability::plugin_auth | capability::connect_attrs);
  check_change_user(payload, capability::secure_connection);
  check_change_user(payload, 0);
  if (const auto attributes = decode_attributes(payload))
    check(attributes, encode_attributes, decode_attributes);
  return 0;
}
