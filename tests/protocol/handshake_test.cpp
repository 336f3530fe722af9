#include "protocol/handshake.hpp"

#include <gtest/gtest.h>

#include "tests/protocol/login_stage.hpp"

namespace sluice::protocol {
namespace {

constexpr Capabilities modern = capability::long_password | capability::protocol_41 |
                                capability::secure_connection | capability::plugin_auth |
                                capability::plugin_auth_lenenc_data | capability::connect_attrs |
                                capability::connect_with_db;

// MySQL 9.7.4 and MariaDB 10.11.19, as they greeted.
const std::string mysql_greeting =
    "0a392e372e342d3200220000000d2e470c081c2e5000ffffff0200ffdf15000000000000000000000d164235737d"
    "54635946224e0063616368696e675f736861325f70617373776f726400";
const std::string mariadb_greeting =
    "0a352e352e352d31302e31312e31392d4d6172696144422d302b646562313275312d6c6f67001700000041294a79"
    "452b455800feff080200ff81150000000000001d0000006c3664795475735f614a3153006d7973716c5f6e617469"
    "76655f70617373776f726400";

TEST(Greeting, OfMySqlIsReadAndWrittenBackByteByByte) {
  const Buffer payload = from_hex(mysql_greeting);
  const auto greeting = decode_greeting(payload);
  ASSERT_TRUE(greeting);
  EXPECT_EQ(greeting->server_version, "9.7.4-2");
  EXPECT_EQ(greeting->connection_id, 0x22U);
  EXPECT_EQ(greeting->collation, 255);
  EXPECT_EQ(greeting->status, status::autocommit);
  EXPECT_EQ(greeting->capabilities, 0xdfffffffU);
  EXPECT_EQ(greeting->auth_plugin, auth_plugin::caching_sha2);
  EXPECT_EQ(Buffer(greeting->nonce.begin(), greeting->nonce.end()),
            from_hex("0d2e470c081c2e500d164235737d54635946224e"));
  Buffer again;
  encode_greeting(*greeting, again);
  EXPECT_EQ(again, payload);
}

TEST(Greeting, OfMariaDbCarriesTheExtendedCapabilities) {
  const Buffer payload = from_hex(mariadb_greeting);
  const auto greeting = decode_greeting(payload);
  ASSERT_TRUE(greeting);
  EXPECT_EQ(greeting->server_version, "5.5.5-10.11.19-MariaDB-0+deb12u1-log");
  EXPECT_EQ(greeting->capabilities,
            0x81fffffeULL | capability::mariadb_progress | capability::mariadb_stmt_bulk |
                capability::mariadb_extended_metadata | capability::mariadb_cache_metadata);
  Buffer again;
  encode_greeting(*greeting, again);
  EXPECT_EQ(again, payload);
}

TEST(Greeting, WithTheMySqlBitHidesTheExtendedCapabilities) {
  Greeting greeting;
  greeting.capabilities = modern | capability::mariadb_progress;
  Buffer payload;
  encode_greeting(greeting, payload);
  EXPECT_EQ(decode_greeting(payload)->capabilities, modern);
}

TEST(Greeting, OfAnotherProtocolIsUnsupported) {
  EXPECT_EQ(decode_greeting(to_buffer(std::string("\x09"
                                                  "3.23.49\0rest",
                                                  13)))
                .error(),
            Errc::unsupported_protocol);
  Greeting old;
  old.capabilities = capability::long_password;
  Buffer payload;
  encode_greeting(old, payload);
  EXPECT_EQ(decode_greeting(payload).error(), Errc::unsupported_protocol);
}

TEST(Greeting, CutAnywhereBeforeThePluginIsTruncated) {
  for (const std::string& hex : {mysql_greeting, mariadb_greeting}) {
    const Buffer payload = from_hex(hex);
    const std::size_t name = decode_greeting(payload)->auth_plugin.size() + 1;
    for (std::size_t size = 0; size < payload.size() - name; ++size)
      EXPECT_EQ(decode_greeting(Bytes(payload).first(size)).error(), Errc::truncated) << size;
    for (std::size_t size = payload.size() - name; size <= payload.size(); ++size)
      EXPECT_TRUE(decode_greeting(Bytes(payload).first(size))) << size;
  }
}

HandshakeResponse response_with(Capabilities capabilities) {
  HandshakeResponse response;
  response.capabilities = capabilities;
  response.max_packet = 0x1234567;
  response.collation = 33;
  response.user = "app";
  response.auth_response = to_buffer("12345678901234567890");
  if ((capabilities & capability::connect_with_db) != 0) response.schema = "shop";
  if ((capabilities & capability::plugin_auth) != 0) response.auth_plugin = auth_plugin::native;
  if ((capabilities & capability::connect_attrs) != 0) {
    response.attributes = {{"program_name", "shop"}, {"_pid", "17"}, {"", ""}};
    encode_attributes(response.attributes, response.raw_attributes);
  }
  if ((capabilities & capability::zstd_compression) != 0) response.zstd_level = 3;
  return response;
}

TEST(HandshakeResponse, IsReadAsItWasWrittenUnderAllCapabilities) {
  constexpr Capabilities optional[] = {capability::long_password,
                                       capability::secure_connection,
                                       capability::plugin_auth,
                                       capability::connect_with_db,
                                       capability::connect_attrs,
                                       capability::zstd_compression,
                                       capability::plugin_auth_lenenc_data};
  for (unsigned set = 0; set < 1U << std::size(optional); ++set) {
    Capabilities capabilities = capability::protocol_41;
    for (std::size_t i = 0; i < std::size(optional); ++i)
      if ((set >> i & 1) != 0) capabilities |= optional[i];
    if ((capabilities & capability::long_password) == 0)
      capabilities |= capability::mariadb_extended_metadata;
    const HandshakeResponse response = response_with(capabilities);
    Buffer payload;
    encode_handshake_response(response, payload);
    const auto decoded = decode_handshake_response(payload);
    ASSERT_TRUE(decoded) << std::hex << capabilities;
    EXPECT_EQ(*decoded, response) << std::hex << capabilities;
  }
}

TEST(HandshakeResponse, CutAnywhereBeforeThePluginIsTruncated) {
  const HandshakeResponse response = response_with(modern);
  Buffer payload;
  encode_handshake_response(response, payload);
  const std::size_t rest =
      response.auth_plugin.size() + 1 + 1 + response.raw_attributes.size() + 5;  // "shop" NUL
  for (std::size_t size = 0; size < payload.size() - rest; ++size)
    EXPECT_EQ(decode_handshake_response(Bytes(payload).first(size)).error(), Errc::truncated)
        << size;
  for (std::size_t size = payload.size() - rest; size < payload.size(); ++size) {
    // A schema, plugin or attributes that are left out altogether are none.
    const auto decoded = decode_handshake_response(Bytes(payload).first(size));
    if (!decoded) continue;
    EXPECT_EQ(decoded->user, "app");
    EXPECT_EQ(decoded->auth_response, response.auth_response);
    EXPECT_TRUE(decoded->schema.empty() || decoded->schema == "shop") << size;
    EXPECT_TRUE(decoded->attributes.empty()) << size;
  }
}

TEST(HandshakeResponse, FromBefore41IsUnsupported) {
  EXPECT_EQ(decode_handshake_response(from_hex("8524000000726f6f7400")).error(),
            Errc::unsupported_protocol);
}

TEST(HandshakeResponse, WithTooManyAttributesIsTooLarge) {
  HandshakeResponse response = response_with(modern);
  response.attributes = {{"a", std::string(max_attributes_size, 'x')}};
  response.raw_attributes.clear();
  encode_attributes(response.attributes, response.raw_attributes);
  Buffer payload;
  encode_handshake_response(response, payload);
  EXPECT_EQ(decode_handshake_response(payload).error(), Errc::too_large);
}

TEST(HandshakeResponse, WithAttributesThatDoNotAddUpIsMalformed) {
  EXPECT_EQ(decode_attributes(from_hex("0161")).error(), Errc::malformed);
  EXPECT_EQ(decode_attributes(from_hex("016105")).error(), Errc::malformed);
  EXPECT_EQ(decode_attributes(from_hex("fb")).error(), Errc::malformed);
  EXPECT_TRUE(decode_attributes({})->empty());
}

TEST(SslRequest, IsReadAsItWasWrittenAndToldFromAResponse) {
  const SslRequest request{modern | capability::ssl, 1U << 20, 255};
  Buffer payload;
  encode_ssl_request(request, payload);
  EXPECT_EQ(payload.size(), 32U);
  EXPECT_TRUE(is_ssl_request(payload));
  EXPECT_EQ(*decode_ssl_request(payload), request);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(is_ssl_request(Bytes(payload).first(size)));
    EXPECT_FALSE(decode_ssl_request(Bytes(payload).first(size)));
  }
  Buffer response;
  encode_handshake_response(response_with(modern | capability::ssl), response);
  EXPECT_FALSE(is_ssl_request(response));
}

TEST(AuthSwitchRequest, IsReadAsItWasWritten) {
  const Nonce nonce = some_nonce();
  const AuthSwitchRequest request{std::string(auth_plugin::native),
                                  Buffer(nonce.begin(), nonce.end())};
  Buffer payload;
  encode_auth_switch_request(request, payload);
  EXPECT_EQ(payload.back(), 0);
  EXPECT_EQ(*decode_auth_switch_request(payload), request);
}

TEST(AuthSwitchRequest, OfOneByteMeansTheOldPassword) {
  EXPECT_EQ(decode_auth_switch_request(from_hex("fe"))->auth_plugin, auth_plugin::old);
}

TEST(AuthSwitchRequest, WithoutAnEndOfItsNameIsTruncated) {
  EXPECT_EQ(decode_auth_switch_request(from_hex("fe6d79")).error(), Errc::truncated);
  EXPECT_EQ(decode_auth_switch_request({}).error(), Errc::truncated);
  EXPECT_EQ(decode_auth_switch_request(from_hex("00")).error(), Errc::unexpected_packet);
}

TEST(AuthMoreData, IsReadAsItWasWritten) {
  Buffer payload;
  encode_auth_more_data(to_buffer("data"), payload);
  EXPECT_EQ(as_text(*decode_auth_more_data(payload)), "data");
  EXPECT_EQ(decode_auth_more_data({}).error(), Errc::truncated);
  EXPECT_EQ(decode_auth_more_data(from_hex("02")).error(), Errc::unexpected_packet);
}

TEST(ChangeUser, IsReadAsItWasWrittenUnderAllCapabilities) {
  for (const Capabilities left_out :
       {Capabilities{0}, capability::secure_connection, capability::plugin_auth,
        capability::connect_attrs, capability::plugin_auth | capability::connect_attrs}) {
    const Capabilities capabilities = modern & ~left_out;
    ChangeUser change;
    change.user = "app";
    change.auth_response = to_buffer("12345678901234567890");
    change.schema = "shop";
    change.collation = 309;
    if ((capabilities & capability::plugin_auth) != 0) change.auth_plugin = auth_plugin::native;
    if ((capabilities & capability::connect_attrs) != 0) {
      change.attributes = {{"k", "v"}};
      encode_attributes(change.attributes, change.raw_attributes);
    }
    Buffer payload;
    encode_change_user(change, capabilities, payload);
    EXPECT_EQ(*decode_change_user(payload, capabilities), change);
  }
}

TEST(ChangeUser, MayEndBehindTheSchema) {
  const auto change = decode_change_user(from_hex("116170700000"), modern);
  EXPECT_EQ(change.error(), Errc::truncated);
  const auto whole = decode_change_user(from_hex("11617070000000"), modern);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->user, "app");
  EXPECT_EQ(whole->collation, 0);
  EXPECT_EQ(whole->auth_plugin, "");
}

}  // namespace
}  // namespace sluice::protocol
