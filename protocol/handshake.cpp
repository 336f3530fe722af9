#include "protocol/handshake.hpp"

#include <cassert>

namespace sluice::protocol {
namespace {

constexpr std::uint8_t protocol_version = 10;
constexpr std::size_t nonce_head = 8;
constexpr std::size_t ssl_request_size = 32;
constexpr Capabilities low_32 = 0xffffffff;

bool has(Capabilities capabilities, Capabilities bit) noexcept { return (capabilities & bit) != 0; }

Buffer copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

/// Up to a NUL or the end: the last text of a login packet comes from some
/// clients without its NUL, and from others not at all.
std::string_view last_text(Reader& in) {
  const std::string_view rest = as_text(in.rest());
  return rest.find('\0') == std::string_view::npos ? as_text(in.take_rest()) : in.nul_text();
}

/// The fields that SSLRequest and HandshakeResponse begin with.
void encode_head(Capabilities capabilities, std::uint32_t max_packet, std::uint8_t collation,
                 Writer& out) {
  out.int4(capabilities & low_32).int4(max_packet).int1(collation).zeros(19);
  out.int4(has(capabilities, capability::long_password) ? 0 : capabilities >> 32);
}

Result<SslRequest> decode_head(Reader& in) {
  SslRequest head;
  // Clients from before 4.1 sent two bytes of capabilities.
  if (Reader first(in.rest()); !has(first.int2(), capability::protocol_41) && first.ok())
    return Errc::unsupported_protocol;
  head.capabilities = in.int4();
  head.max_packet = in.int4();
  head.collation = in.int1();
  in.take(19);
  const std::uint32_t extended = in.int4();
  if (!in.ok()) return Errc::truncated;
  if (!has(head.capabilities, capability::long_password))
    head.capabilities |= Capabilities{extended} << 32;
  return head;
}

/// Reads the length and the pairs behind it; nothing at all stands for none.
template <class Packet>
boost::system::error_code read_attributes(Reader& in, Packet& packet) {
  if (in.empty()) return {};
  const Bytes raw = in.lenenc_bytes();
  if (!in.ok()) return Errc::truncated;
  if (raw.size() > max_attributes_size) return Errc::too_large;
  Result<Attributes> attributes = decode_attributes(raw);
  if (!attributes) return attributes.error();
  packet.raw_attributes = copy(raw);
  packet.attributes = std::move(*attributes);
  return {};
}

}  // namespace

void encode_greeting(const Greeting& greeting, Buffer& out) {
  const Bytes nonce(greeting.nonce);
  const bool plugins = has(greeting.capabilities, capability::plugin_auth);
  Writer writer(out);
  writer.int1(protocol_version).nul_text(greeting.server_version).int4(greeting.connection_id);
  writer.bytes(nonce.first(nonce_head)).int1(0);
  writer.int2(greeting.capabilities & 0xffff).int1(greeting.collation).int2(greeting.status);
  writer.int2(greeting.capabilities >> 16 & 0xffff);
  writer.int1(plugins ? nonce_size + 1 : 0).zeros(6);
  writer.int4(has(greeting.capabilities, capability::long_password) ? 0
                                                                    : greeting.capabilities >> 32);
  writer.bytes(nonce.subspan(nonce_head)).int1(0);
  if (plugins) writer.nul_text(greeting.auth_plugin);
}

Result<Greeting> decode_greeting(Bytes payload) {
  Reader in(payload);
  const std::uint8_t version = in.int1();
  if (!in.ok()) return Errc::truncated;
  if (version != protocol_version) return Errc::unsupported_protocol;
  Greeting greeting;
  greeting.server_version = in.nul_text();
  greeting.connection_id = in.int4();
  const Bytes head = in.take(nonce_head);
  in.take(1);
  greeting.capabilities = in.int2();
  greeting.collation = in.int1();
  greeting.status = in.int2();
  greeting.capabilities |= Capabilities{in.int2()} << 16;
  const std::size_t auth_size = in.int1();
  in.take(6);
  const std::uint32_t extended = in.int4();
  if (!in.ok()) return Errc::truncated;
  if (!has(greeting.capabilities, capability::protocol_41) ||
      !has(greeting.capabilities, capability::secure_connection)) {
    return Errc::unsupported_protocol;
  }
  if (!has(greeting.capabilities, capability::long_password))
    greeting.capabilities |= Capabilities{extended} << 32;

  // At least 13 bytes (12 and a NUL), more if the plugin's data is longer.
  constexpr std::size_t least = nonce_size - nonce_head + 1;
  const Bytes tail = in.take(auth_size > nonce_head + least ? auth_size - nonce_head : least);
  if (!in.ok()) return Errc::truncated;
  std::copy(head.begin(), head.end(), greeting.nonce.begin());
  std::copy_n(tail.begin(), nonce_size - nonce_head, greeting.nonce.begin() + nonce_head);
  // Servers before 5.5.10 forgot the NUL behind the name (bug 59453).
  if (has(greeting.capabilities, capability::plugin_auth)) greeting.auth_plugin = last_text(in);
  return greeting;
}

void encode_attributes(const Attributes& attributes, Buffer& out) {
  Writer writer(out);
  for (const auto& [name, value] : attributes) writer.lenenc_text(name).lenenc_text(value);
}

Result<Attributes> decode_attributes(Bytes raw) {
  if (raw.size() > max_attributes_size) return Errc::too_large;
  Attributes attributes;
  Reader in(raw);
  while (!in.empty()) {
    const std::string_view name = in.lenenc_text();
    const std::string_view value = in.lenenc_text();
    if (!in.ok()) return Errc::malformed;
    attributes.emplace_back(name, value);
  }
  return attributes;
}

void encode_handshake_response(const HandshakeResponse& response, Buffer& out) {
  const Capabilities bits = response.capabilities;
  Writer writer(out);
  encode_head(bits, response.max_packet, response.collation, writer);
  writer.nul_text(response.user);
  if (has(bits, capability::plugin_auth_lenenc_data)) {
    writer.lenenc_bytes(response.auth_response);
  } else if (has(bits, capability::secure_connection)) {
    assert(response.auth_response.size() <= 0xff && "needs plugin_auth_lenenc_data");
    writer.int1(response.auth_response.size()).bytes(response.auth_response);
  } else {
    writer.bytes(response.auth_response).int1(0);
  }
  if (has(bits, capability::connect_with_db)) writer.nul_text(response.schema);
  if (has(bits, capability::plugin_auth)) writer.nul_text(response.auth_plugin);
  if (has(bits, capability::connect_attrs)) writer.lenenc_bytes(response.raw_attributes);
  if (has(bits, capability::zstd_compression)) writer.int1(response.zstd_level);
}

Result<HandshakeResponse> decode_handshake_response(Bytes payload) {
  Reader in(payload);
  const Result<SslRequest> head = decode_head(in);
  if (!head) return head.error();
  HandshakeResponse response;
  const Capabilities bits = response.capabilities = head->capabilities;
  response.max_packet = head->max_packet;
  response.collation = head->collation;
  response.user = in.nul_text();
  if (has(bits, capability::plugin_auth_lenenc_data)) {
    response.auth_response = copy(in.lenenc_bytes());
  } else if (has(bits, capability::secure_connection)) {
    response.auth_response = copy(in.take(in.int1()));
  } else {
    response.auth_response = copy(as_bytes(in.nul_text()));
  }
  // Some clients set the bit and leave the schema out when they have none.
  if (has(bits, capability::connect_with_db) && !in.empty()) response.schema = in.nul_text();
  if (!in.ok()) return Errc::truncated;
  if (has(bits, capability::plugin_auth)) response.auth_plugin = last_text(in);
  if (has(bits, capability::connect_attrs)) {
    if (const auto error = read_attributes(in, response)) return error;
  }
  if (has(bits, capability::zstd_compression) && !in.empty()) response.zstd_level = in.int1();
  return response;
}

bool is_ssl_request(Bytes payload) noexcept {
  return payload.size() == ssl_request_size && has(Reader(payload).int4(), capability::ssl);
}

void encode_ssl_request(const SslRequest& request, Buffer& out) {
  Writer writer(out);
  encode_head(request.capabilities | capability::ssl, request.max_packet, request.collation,
              writer);
}

Result<SslRequest> decode_ssl_request(Bytes payload) {
  Reader in(payload);
  Result<SslRequest> request = decode_head(in);
  if (request && !is_ssl_request(payload)) return Errc::malformed;
  return request;
}

void encode_auth_switch_request(const AuthSwitchRequest& request, Buffer& out) {
  Writer writer(out);
  writer.int1(header_auth_switch).nul_text(request.auth_plugin).bytes(request.data).int1(0);
}

Result<AuthSwitchRequest> decode_auth_switch_request(Bytes payload) {
  Reader in(payload);
  const std::uint8_t header = in.int1();
  if (!in.ok()) return Errc::truncated;
  if (header != header_auth_switch) return Errc::unexpected_packet;
  AuthSwitchRequest request;
  if (in.empty()) {
    request.auth_plugin = auth_plugin::old;
    return request;
  }
  request.auth_plugin = in.nul_text();
  if (!in.ok()) return Errc::truncated;
  request.data = copy(in.take_rest());
  if (!request.data.empty() && request.data.back() == 0) request.data.pop_back();
  return request;
}

void encode_auth_more_data(Bytes data, Buffer& out) {
  Writer(out).int1(header_auth_more_data).bytes(data);
}

Result<Bytes> decode_auth_more_data(Bytes payload) {
  if (payload.empty()) return Errc::truncated;
  if (payload[0] != header_auth_more_data) return Errc::unexpected_packet;
  return payload.subspan(1);
}

void encode_change_user(const ChangeUser& change, Capabilities capabilities, Buffer& out) {
  Writer writer(out);
  writer.int1(static_cast<std::uint8_t>(Command::change_user)).nul_text(change.user);
  if (has(capabilities, capability::secure_connection)) {
    assert(change.auth_response.size() <= 0xff && "its length travels in one byte");
    writer.int1(change.auth_response.size()).bytes(change.auth_response);
  } else {
    writer.bytes(change.auth_response).int1(0);
  }
  writer.nul_text(change.schema).int2(change.collation);
  if (has(capabilities, capability::plugin_auth)) writer.nul_text(change.auth_plugin);
  if (has(capabilities, capability::connect_attrs)) writer.lenenc_bytes(change.raw_attributes);
}

Result<ChangeUser> decode_change_user(Bytes payload, Capabilities capabilities) {
  Reader in(payload);
  const std::uint8_t command = in.int1();
  if (!in.ok()) return Errc::truncated;
  if (command != static_cast<std::uint8_t>(Command::change_user)) return Errc::unexpected_packet;
  ChangeUser change;
  change.user = in.nul_text();
  change.auth_response = has(capabilities, capability::secure_connection)
                             ? copy(in.take(in.int1()))
                             : copy(as_bytes(in.nul_text()));
  change.schema = in.nul_text();
  // Old clients end here.
  change.collation = in.empty() ? std::uint16_t{0} : in.int2();
  if (!in.ok()) return Errc::truncated;
  if (has(capabilities, capability::plugin_auth)) change.auth_plugin = last_text(in);
  if (has(capabilities, capability::connect_attrs)) {
    if (const auto error = read_attributes(in, change)) return error;
  }
  return change;
}

}  // namespace sluice::protocol
