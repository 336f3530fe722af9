#include "protocol/backend_login.hpp"

#include <gtest/gtest.h>

#include "protocol/response.hpp"
#include "tests/protocol/login_stage.hpp"

namespace sluice::protocol {
namespace {

constexpr Capabilities mysql_8 = 0xdfffffff;

BackendLoginParams params_for(std::string_view password = "secret", TlsWish tls = TlsWish::off) {
  BackendLoginParams params;
  params.user = "app";
  params.password = Secret(password);
  params.schema = "shop";
  params.tls = tls;
  params.wanted = capability::deprecate_eof | capability::session_track;
  params.attributes = {{"program_name", "sluice"}};
  return params;
}

Greeting greeting_of(std::string_view plugin, Capabilities capabilities = mysql_8,
                     std::string_view version = "8.0.36") {
  Greeting greeting;
  greeting.server_version = version;
  greeting.connection_id = 42;
  greeting.nonce = some_nonce();
  greeting.capabilities = capabilities;
  greeting.auth_plugin = plugin;
  return greeting;
}

Packet packet_of(const Greeting& greeting) {
  Packet packet;
  encode_greeting(greeting, packet.payload);
  return packet;
}

Packet switch_to(std::string_view plugin, std::uint8_t sequence) {
  const Nonce nonce = some_nonce();
  Packet packet{sequence, {}};
  encode_auth_switch_request({std::string(plugin), Buffer(nonce.begin(), nonce.end())},
                             packet.payload);
  return packet;
}

Packet more(Bytes data, std::uint8_t sequence) {
  Packet packet{sequence, {}};
  encode_auth_more_data(data, packet.payload);
  return packet;
}

const Buffer full = {4};
const Buffer fast = {3};

Packet ok(std::uint8_t sequence) { return {sequence, from_hex("00000002000000")}; }

TEST(BackendLogin, ReadsVersionNumbers) {
  const std::pair<std::string_view, std::uint32_t> table[] = {
      {"5.5.5-10.11.19-MariaDB-0+deb12u1-log", 101119},
      {"11.4.2-MariaDB", 110402},
      {"9.7.4-2", 90704},
      {"8.0.36", 80036},
      {"5.7.44-log", 50744},
      {"8.0", 0},
      {"8.0.", 0},
      {"", 0},
      {"vitess", 0},
      {"5.5.5-", 0},
  };
  for (const auto& [text, number] : table) EXPECT_EQ(parse_version_number(text), number) << text;
}

TEST(BackendLogin, AnswersTheGreetingWithAProofForItsPlugin) {
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    BackendLogin login(params_for());
    Buffer sent;
    EXPECT_EQ(play(login, login.start(), {packet_of(greeting_of(plugin)), ok(2)}, &sent),
              Want::done);
    const auto packets = split(sent);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].sequence, 1);
    const auto response = decode_handshake_response(packets[0].payload);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->user, "app");
    EXPECT_EQ(response->schema, "shop");
    EXPECT_EQ(response->auth_plugin, plugin);
    EXPECT_EQ(response->attributes, (Attributes{{"program_name", "sluice"}}));
    EXPECT_EQ(response->auth_response, plugin == auth_plugin::native
                                           ? native_proof("secret", some_nonce())
                                           : sha2_proof("secret", some_nonce()));
  }
}

TEST(BackendLogin, TellsWhatItLearnt) {
  BackendLogin login(params_for());
  const Capabilities mariadb = (mysql_8 & ~capability::long_password & ~capability::deprecate_eof) |
                               capability::mariadb_progress;
  const auto greeting = greeting_of(auth_plugin::native, mariadb, "5.5.5-10.11.19-MariaDB");
  ASSERT_EQ(play(login, login.start(), {packet_of(greeting), ok(2)}), Want::done);
  const BackendFacts& facts = login.facts();
  EXPECT_EQ(facts.connection_id, 42U);
  EXPECT_EQ(facts.server_version, "10.11.19-MariaDB");
  EXPECT_EQ(facts.version_number, 101119U);
  EXPECT_EQ(facts.flavour, Flavour::mariadb);
  EXPECT_EQ(facts.server_capabilities, mariadb);
  EXPECT_EQ(facts.status, status::autocommit);
  EXPECT_EQ(facts.auth_plugin, auth_plugin::native);
  EXPECT_EQ(facts.capabilities & result_shaping_capabilities, capability::session_track);
}

TEST(BackendLogin, AsksForExactlyTheShapingBitsWantedAndOffered) {
  for (const Capabilities wanted :
       {Capabilities{0}, capability::deprecate_eof, capability::found_rows,
        capability::query_attributes | capability::multi_statements,
        capability::mariadb_cache_metadata | capability::mariadb_progress, ~Capabilities{0}}) {
    for (const Capabilities offered :
         {mysql_8, mysql_8 & ~capability::query_attributes,
          (mysql_8 & ~capability::long_password) | capability::mariadb_cache_metadata}) {
      BackendLoginParams params = params_for();
      params.wanted = wanted;
      BackendLogin login(std::move(params));
      Buffer sent;
      ASSERT_EQ(play(login, login.start(),
                     {packet_of(greeting_of(auth_plugin::native, offered)), ok(2)}, &sent),
                Want::done);
      const auto response = decode_handshake_response(split(sent)[0].payload);
      EXPECT_EQ(response->capabilities & result_shaping_capabilities,
                wanted & offered & result_shaping_capabilities);
      EXPECT_EQ(response->capabilities, login.facts().capabilities);
      EXPECT_EQ(response->capabilities & (capability::compress | capability::zstd_compression), 0U);
    }
  }
}

TEST(BackendLogin, NeverCutsACollationToOneByte) {
  struct Case {
    std::uint16_t wanted;
    std::string_view version;
    std::uint8_t sent;
    bool due;
  };
  for (const Case& row : {Case{33, "8.0.36", 33, false}, Case{255, "8.0.36", 255, false},
                          Case{309, "8.0.36", 45, true}, Case{255, "11.4.2-MariaDB", 45, true},
                          Case{2048, "11.4.2-MariaDB", 45, true}, Case{0, "8.0.36", 45, false}}) {
    BackendLoginParams params = params_for();
    params.collation = row.wanted;
    BackendLogin login(std::move(params));
    Buffer sent;
    ASSERT_EQ(
        play(login, login.start(),
             {packet_of(greeting_of(auth_plugin::native, mysql_8, row.version)), ok(2)}, &sent),
        Want::done);
    EXPECT_EQ(decode_handshake_response(split(sent)[0].payload)->collation, row.sent);
    EXPECT_EQ(login.facts().needs_set_names, row.due) << row.wanted;
  }
}

TEST(BackendLogin, StartsTlsBeforeItSaysWhoItIs) {
  for (const TlsWish wish : {TlsWish::prefer, TlsWish::require}) {
    BackendLogin login(params_for("secret", wish));
    Buffer sent;
    ASSERT_EQ(
        play(login, login.start(), {packet_of(greeting_of(auth_plugin::native)), ok(3)}, &sent),
        Want::done);
    const auto packets = split(sent);
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_TRUE(is_ssl_request(packets[0].payload));
    EXPECT_EQ(packets[1].sequence, 2);
    EXPECT_NE(decode_handshake_response(packets[1].payload)->capabilities & capability::ssl, 0U);
    EXPECT_EQ(login.facts().channel, Channel::tls);
  }
}

TEST(BackendLogin, GivesUpWhereTlsIsRequiredAndNotOffered) {
  const auto greeting = greeting_of(auth_plugin::native, mysql_8 & ~capability::ssl);
  BackendLogin login(params_for("secret", TlsWish::require));
  EXPECT_EQ(play(login, login.start(), {packet_of(greeting)}), Want::failed);
  EXPECT_EQ(login.error(), Errc::tls_required);
  BackendLogin content(params_for("secret", TlsWish::prefer));
  EXPECT_EQ(play(content, content.start(), {packet_of(greeting), ok(2)}), Want::done);
}

TEST(BackendLogin, ReadsAnErrInPlaceOfTheGreeting) {
  for (const std::uint8_t sequence : {std::uint8_t{0}, std::uint8_t{1}}) {
    Packet packet{sequence, {}};
    Writer(packet.payload).int1(header_err).int2(1040).text("Too many connections");
    BackendLogin login(params_for());
    EXPECT_EQ(play(login, login.start(), {packet}), Want::failed);
    EXPECT_EQ(login.error(), Errc::refused);
    EXPECT_EQ(login.refusal(), (Refusal{1040, "HY000", "Too many connections"}));
  }
}

TEST(BackendLogin, HandsOverTheErrThatEndsALogin) {
  Packet packet{2, {}};
  Writer(packet.payload).int1(header_err).int2(1049).text("#42000Unknown database 'shop'");
  BackendLogin login(params_for());
  EXPECT_EQ(play(login, login.start(), {packet_of(greeting_of(auth_plugin::native)), packet}),
            Want::failed);
  EXPECT_EQ(login.refusal(), (Refusal{1049, "42000", "Unknown database 'shop'"}));
  EXPECT_EQ(login.facts().connection_id, 42U);
}

TEST(BackendLogin, RefusesAnotherProtocol) {
  BackendLogin login(params_for());
  EXPECT_EQ(play(login, login.start(),
                 {Packet{0, to_buffer("\x09"
                                      "3.23.49")}}),
            Want::failed);
  EXPECT_EQ(login.error(), Errc::unsupported_protocol);
}

TEST(BackendLogin, FollowsASwitchToEachPluginItKnows) {
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    BackendLogin login(params_for());
    Buffer sent;
    EXPECT_EQ(
        play(login, login.start(),
             {packet_of(greeting_of("auth_gssapi_client")), switch_to(plugin, 2), ok(4)}, &sent),
        Want::done);
    EXPECT_EQ(split(sent)[1].payload, plugin == auth_plugin::native
                                          ? native_proof("secret", some_nonce())
                                          : sha2_proof("secret", some_nonce()));
    EXPECT_EQ(login.facts().auth_plugin, plugin);
  }
}

TEST(BackendLogin, NamesThePluginThatItDoesNotHave) {
  for (const std::string_view plugin : {"client_ed25519", "mysql_old_password", "dialog"}) {
    BackendLogin login(params_for());
    EXPECT_EQ(play(login, login.start(),
                   {packet_of(greeting_of(auth_plugin::native)), switch_to(plugin, 2)}),
              Want::failed);
    EXPECT_EQ(login.error(), Errc::unsupported_auth_plugin);
    EXPECT_EQ(login.detail(), plugin);
  }
  BackendLogin login(params_for());
  EXPECT_EQ(play(login, login.start(),
                 {packet_of(greeting_of(auth_plugin::native)), Packet{2, from_hex("fe")}}),
            Want::failed);
  EXPECT_EQ(login.detail(), auth_plugin::old);
}

TEST(BackendLogin, SendsClearPasswordsOverSecureChannelsOnly) {
  for (const std::string_view plugin : {auth_plugin::clear, auth_plugin::sha256}) {
    for (const Channel channel : {Channel::plain, Channel::tls, Channel::unix_socket}) {
      BackendLoginParams params = params_for();
      params.channel = channel;
      params.key_retrieval = KeyRetrieval::forbidden;
      BackendLogin login(std::move(params));
      Buffer sent;
      const Want last =
          play(login, login.start(),
               {packet_of(greeting_of(auth_plugin::native)), switch_to(plugin, 2), ok(4)}, &sent);
      if (channel == Channel::plain) {
        EXPECT_EQ(last, Want::failed);
        EXPECT_EQ(login.error(), Errc::tls_required);
        EXPECT_EQ(as_text(sent).find("secret"), std::string_view::npos);
        EXPECT_TRUE(login.outgoing().empty());
      } else {
        EXPECT_EQ(last, Want::done);
        EXPECT_EQ(split(sent)[1].payload, (Buffer{'s', 'e', 'c', 'r', 'e', 't', 0}));
      }
    }
  }
}

TEST(BackendLogin, WaitsForOkAfterTheFastPath) {
  BackendLogin login(params_for());
  const std::vector<Packet> packets = {packet_of(greeting_of(auth_plugin::caching_sha2)),
                                       more(fast, 2), ok(3)};
  EXPECT_EQ(play(login, login.start(), packets), Want::done);
  BackendLogin waiting(params_for());
  EXPECT_EQ(play(waiting, waiting.start(), {packets[0], packets[1]}), Want::read);
}

TEST(BackendLogin, EncryptsThePasswordWithTheKeyItAskedFor) {
  for (const std::string_view plugin : {auth_plugin::caching_sha2, auth_plugin::sha256}) {
    const bool sha256 = plugin == auth_plugin::sha256;
    BackendLogin login(params_for());
    Buffer sent;
    ASSERT_EQ(play(login, login.start(),
                   {packet_of(greeting_of(auth_plugin::caching_sha2)),
                    sha256 ? switch_to(plugin, 2) : more(full, 2),
                    more(as_bytes(test_key().public_pem()), 4), ok(6)},
                   &sent),
              Want::done);
    const auto packets = split(sent);
    ASSERT_EQ(packets.size(), 3U);
    EXPECT_EQ(packets[1].payload, from_hex(sha256 ? "01" : "02"));
    const auto password = test_key().decrypt_password(packets[2].payload, some_nonce());
    ASSERT_TRUE(password);
    EXPECT_EQ(password->text(), "secret");
  }
}

TEST(BackendLogin, AsksForNoKeyWhereItHasOne) {
  BackendLoginParams params = params_for();
  params.key_retrieval = KeyRetrieval::forbidden;
  params.public_key = test_key().public_pem();
  BackendLogin login(std::move(params));
  Buffer sent;
  ASSERT_EQ(play(login, login.start(),
                 {packet_of(greeting_of(auth_plugin::caching_sha2)), more(full, 2), ok(4)}, &sent),
            Want::done);
  EXPECT_EQ(test_key().decrypt_password(split(sent)[1].payload, some_nonce())->text(), "secret");
}

TEST(BackendLogin, AsksForNoKeyWhereThatIsForbidden) {
  BackendLoginParams params = params_for();
  params.key_retrieval = KeyRetrieval::forbidden;
  BackendLogin login(std::move(params));
  EXPECT_EQ(play(login, login.start(),
                 {packet_of(greeting_of(auth_plugin::caching_sha2)), more(full, 2)}),
            Want::failed);
  EXPECT_EQ(login.error(), Errc::tls_required);
}

TEST(BackendLogin, AnswersForAnEmptyPasswordWithNothing) {
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    BackendLogin login(params_for(""));
    Buffer sent;
    ASSERT_EQ(play(login, login.start(), {packet_of(greeting_of(plugin)), ok(2)}, &sent),
              Want::done);
    EXPECT_TRUE(decode_handshake_response(split(sent)[0].payload)->auth_response.empty());
  }
}

TEST(BackendLogin, ABackendThatLiesGetsAnError) {
  const Packet hello = packet_of(greeting_of(auth_plugin::caching_sha2));
  const Buffer no_key = to_buffer("-----BEGIN PUBLIC KEY-----\nno\n");
  struct Lie {
    std::vector<Packet> packets;
    Errc error;
  };
  const Lie lies[] = {
      {{Packet{1, hello.payload}}, Errc::out_of_sequence},
      {{Packet{0, {}}}, Errc::truncated},
      {{Packet{0, Buffer(max_login_payload + 1, 10)}}, Errc::too_large},
      {{hello, ok(3)}, Errc::out_of_sequence},
      {{hello, Packet{2, from_hex("05")}}, Errc::unexpected_packet},
      {{hello, Packet{2, from_hex("0000")}}, Errc::truncated},
      {{hello, Packet{2, from_hex("ff")}}, Errc::truncated},
      {{hello, Packet{2, from_hex("fe6d")}}, Errc::truncated},
      {{hello, Packet{2, from_hex("fe6d7973716c5f6e61746976655f70617373776f72640061")}},
       Errc::malformed},
      {{hello, more({}, 2)}, Errc::unexpected_packet},
      {{hello, more(Buffer{5}, 2)}, Errc::malformed},
      {{hello, more(full, 2), more(no_key, 4)}, Errc::crypto_failed},
      {{hello, more(full, 2), more(as_bytes(test_key().public_pem()), 4), more(full, 6)},
       Errc::unexpected_packet},
      {{hello, more(full, 2), switch_to(auth_plugin::native, 4)}, Errc::unexpected_packet},
      {{packet_of(greeting_of(auth_plugin::native)), more(full, 2)}, Errc::unexpected_packet},
  };
  for (const Lie& lie : lies) {
    BackendLogin login(params_for());
    EXPECT_EQ(play(login, login.start(), lie.packets), Want::failed) << &lie - lies;
    EXPECT_EQ(login.error(), lie.error) << &lie - lies;
    EXPECT_TRUE(login.outgoing().empty());
  }
}

TEST(BackendLogin, ALoginThatGoesRoundAndRoundEnds) {
  std::vector<Packet> packets = {packet_of(greeting_of(auth_plugin::caching_sha2))};
  for (std::uint8_t i = 0; i < 100; ++i)
    packets.push_back(switch_to(auth_plugin::native, static_cast<std::uint8_t>(2 + 2 * i)));
  BackendLogin login(params_for());
  EXPECT_EQ(play(login, login.start(), packets), Want::failed);
  EXPECT_EQ(login.error(), Errc::unexpected_packet);

  packets.resize(1);
  for (std::uint8_t i = 0; i < 100; ++i)
    packets.push_back(more(fast, static_cast<std::uint8_t>(2 + i)));
  BackendLogin other(params_for());
  EXPECT_EQ(play(other, other.start(), packets), Want::failed);
}

TEST(BackendLogin, LogsInAsNobodyWhoseNameTheWireWouldCut) {
  BackendLoginParams by_user = params_for();
  by_user.user = std::string("root\0x", 6);
  BackendLogin login(std::move(by_user));
  EXPECT_EQ(login.start(), Want::failed);
  BackendLoginParams by_schema = params_for();
  by_schema.schema = std::string("mysql\0x", 7);
  BackendLogin other(std::move(by_schema));
  EXPECT_EQ(other.start(), Want::failed);
  EXPECT_EQ(other.error(), Errc::malformed);
}

TEST(BackendLogin, SendsNoMoreAttributesThanServersTake) {
  BackendLoginParams params = params_for();
  params.attributes = {{"a", std::string(40000, 'x')}, {"b", std::string(40000, 'y')}};
  BackendLogin login(std::move(params));
  Buffer sent;
  ASSERT_EQ(play(login, login.start(), {packet_of(greeting_of(auth_plugin::native)), ok(2)}, &sent),
            Want::done);
  EXPECT_EQ(decode_handshake_response(split(sent)[0].payload)->attributes.size(), 1U);
}

}  // namespace
}  // namespace sluice::protocol
