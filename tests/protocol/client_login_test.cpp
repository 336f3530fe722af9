#include "protocol/client_login.hpp"

#include <gtest/gtest.h>

#include "protocol/response.hpp"
#include "tests/protocol/login_stage.hpp"

namespace sluice::protocol {
namespace {

constexpr Capabilities offered = capability::long_password | capability::connect_with_db |
                                 capability::connect_attrs | capability::plugin_auth_lenenc_data |
                                 capability::transactions | capability::multi_results;

ClientLoginParams params_for(ClientTls tls = ClientTls::off, Channel channel = Channel::plain) {
  ClientLoginParams params;
  params.greeting.server_version = "8.0.36-Sluice";
  params.greeting.connection_id = 7;
  params.greeting.nonce = some_nonce();
  params.greeting.capabilities = offered;
  params.greeting.auth_plugin = auth_plugin::caching_sha2;
  params.tls = tls;
  params.channel = channel;
  params.client_host = "10.0.0.9";
  params.rsa_key = &test_key();
  return params;
}

HandshakeResponse response_of(std::string_view user, std::string_view plugin, Buffer proof) {
  HandshakeResponse response;
  response.capabilities = offered | capability::protocol_41 | capability::secure_connection |
                          capability::plugin_auth | capability::session_track;
  response.user = user;
  response.auth_response = std::move(proof);
  response.schema = "shop";
  response.auth_plugin = plugin;
  return response;
}

Packet packet_of(const HandshakeResponse& response, std::uint8_t sequence = 1) {
  Packet packet{sequence, {}};
  encode_handshake_response(response, packet.payload);
  return packet;
}

/// What the machine has sent, each packet's payload.
std::vector<Packet> said(ClientLogin& login, Want want, const std::vector<Packet>& incoming,
                         Want expected) {
  Buffer sent;
  const Want last = play(login, want, incoming, &sent);
  EXPECT_EQ(last, expected);
  if (last == Want::done) login.accept();
  if (last == Want::done || last == Want::failed)
    sent.insert(sent.end(), login.outgoing().begin(), login.outgoing().end());
  return split(sent);
}

/// The last packet as an ERR: "1045 28000 Access denied …".
std::string last_error(const std::vector<Packet>& packets) {
  const auto err = decode_err(packets.back().payload);
  if (!err) return "no ERR";
  std::string text = std::to_string(err->code) + " ";
  if (!err->sql_state.empty()) text.append(err->sql_state).append(" ");
  return text.append(err->message);
}

const std::string denied = "1045 28000 Access denied for user 'app'@'10.0.0.9' (using password: ";

TEST(ClientLogin, GreetsWithWhatItWasTold) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(ClientTls::offered), accounts);
  ASSERT_EQ(login.start(), Want::write);
  const auto packets = split(login.outgoing());
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].sequence, 0);
  const auto greeting = decode_greeting(packets[0].payload);
  ASSERT_TRUE(greeting);
  EXPECT_EQ(greeting->server_version, "8.0.36-Sluice");
  EXPECT_EQ(greeting->connection_id, 7U);
  EXPECT_EQ(greeting->nonce, some_nonce());
  EXPECT_EQ(greeting->capabilities, offered | capability::ssl | capability::protocol_41 |
                                        capability::secure_connection | capability::plugin_auth);
}

TEST(ClientLogin, OffersTlsOnlyWhereItCanBegin) {
  const OneAccount accounts(by_password("secret"));
  for (const auto& [tls, channel] : {std::pair{ClientTls::off, Channel::plain},
                                     std::pair{ClientTls::offered, Channel::unix_socket},
                                     std::pair{ClientTls::required, Channel::tls}}) {
    ClientLogin login(params_for(tls, channel), accounts);
    ASSERT_EQ(login.start(), Want::write);
    EXPECT_EQ(decode_greeting(split(login.outgoing())[0].payload)->capabilities & capability::ssl,
              0U);
  }
}

TEST(ClientLogin, HoldsOkBackUntilAccepted) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  Buffer sent;
  const auto proof = native_proof("secret", some_nonce());
  ASSERT_EQ(play(login, login.start(), {packet_of(response_of("app", auth_plugin::native, proof))},
                 &sent),
            Want::done);
  EXPECT_EQ(split(sent).size(), 1U);  // the greeting
  EXPECT_TRUE(login.outgoing().empty());
  login.accept(status::autocommit | status::in_transaction);
  const auto answer = split(login.outgoing());
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0].sequence, 2);
  const auto ok = decode_ok(answer[0].payload, login.identity().capabilities);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->status, status::autocommit | status::in_transaction);
  EXPECT_EQ(login.on_written(), Want::done);
}

TEST(ClientLogin, TellsWhoLoggedInAndWhatWasAgreed) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  HandshakeResponse response =
      response_of("app", auth_plugin::caching_sha2, sha2_proof("secret", some_nonce()));
  response.collation = 33;
  response.max_packet = 1U << 20;
  encode_attributes({{"program_name", "shop"}}, response.raw_attributes);
  ASSERT_EQ(play(login, login.start(), {packet_of(response)}), Want::done);
  const ClientIdentity& identity = login.identity();
  EXPECT_EQ(identity.user, "app");
  EXPECT_EQ(identity.schema, "shop");
  EXPECT_EQ(identity.collation, 33);
  EXPECT_EQ(identity.max_packet, 1U << 20);
  EXPECT_EQ(identity.attributes, (Attributes{{"program_name", "shop"}}));
  EXPECT_EQ(identity.auth_plugin, auth_plugin::caching_sha2);
  EXPECT_EQ(identity.channel, Channel::plain);
  EXPECT_FALSE(identity.password);
  // session_track was asked for, but not offered.
  EXPECT_EQ(identity.capabilities, offered | capability::protocol_41 |
                                       capability::secure_connection | capability::plugin_auth);
}

TEST(ClientLogin, SaysThatTheFastPathWorkedAheadOfTheAnswer) {
  const OneAccount accounts(by_password("secret"));
  for (const bool accepts : {true, false}) {
    ClientLogin login(params_for(), accounts);
    const auto proof = sha2_proof("secret", some_nonce());
    ASSERT_EQ(play(login, login.start(),
                   {packet_of(response_of("app", auth_plugin::caching_sha2, proof))}),
              Want::done);
    if (accepts) {
      login.accept();
    } else {
      login.reject(server_error::unknown_database, "42000", "Unknown database 'shop'");
    }
    const auto answer = split(login.outgoing());
    ASSERT_EQ(answer.size(), 2U);
    EXPECT_EQ(answer[0].payload, from_hex("0103"));
    EXPECT_EQ(answer[1].sequence, 3);
    EXPECT_EQ(last_error(answer), accepts ? "no ERR" : "1049 42000 Unknown database 'shop'");
  }
}

TEST(ClientLogin, ForwardsAnAnswerMadeElsewhere) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  const auto proof = native_proof("secret", some_nonce());
  ASSERT_EQ(play(login, login.start(), {packet_of(response_of("app", auth_plugin::native, proof))}),
            Want::done);
  const Buffer payload = from_hex("ff1904233432303030");
  login.answer(payload);
  EXPECT_EQ(split(login.outgoing())[0].payload, payload);
}

TEST(ClientLogin, AnswersWrongPasswordWithError1045) {
  const OneAccount accounts(by_password("secret"));
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    ClientLogin login(params_for(), accounts);
    const auto proof = plugin == auth_plugin::native ? native_proof("wrong", some_nonce())
                                                     : sha2_proof("wrong", some_nonce());
    const auto packets =
        said(login, login.start(), {packet_of(response_of("app", plugin, proof))}, Want::failed);
    EXPECT_EQ(last_error(packets), denied + "YES)");
    EXPECT_EQ(packets.back().sequence, 2);
    EXPECT_EQ(login.error(), Errc::authentication_failed);
    EXPECT_EQ(login.on_written(), Want::failed);
  }
}

TEST(ClientLogin, AnswersAMissingPasswordWithError1045) {
  const OneAccount accounts(by_password("secret"));
  for (const Buffer& nothing : {Buffer{}, Buffer{0}}) {
    ClientLogin login(params_for(), accounts);
    EXPECT_EQ(last_error(said(login, login.start(),
                              {packet_of(response_of("app", auth_plugin::caching_sha2, nothing))},
                              Want::failed)),
              denied + "NO)");
  }
}

TEST(ClientLogin, AnswersAnUnknownUserAsItAnswersAWrongPassword) {
  const OneAccount accounts(by_password("secret"));
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    for (const std::string_view password : {"secret", ""}) {
      ClientLogin login(params_for(), accounts);
      const auto proof = plugin == auth_plugin::native ? native_proof(password, some_nonce())
                                                       : sha2_proof(password, some_nonce());
      const std::vector<Packet> incoming = {packet_of(response_of("eve", plugin, proof)),
                                            Packet{3, {}}};
      EXPECT_EQ(
          last_error(said(login, login.start(), incoming, Want::failed)),
          std::string("1045 28000 Access denied for user 'eve'@'10.0.0.9' (using password: ") +
              (password.empty() ? "NO)" : "YES)"));
    }
  }
}

TEST(ClientLogin, NoProofIsGoodForAnAccountThatDoesNotExist) {
  // All zeros is what the machine computes with when there is nothing to verify by.
  const OneAccount accounts(Verifier{});
  for (const std::string_view plugin : {auth_plugin::native, auth_plugin::caching_sha2}) {
    ClientLogin login(params_for(), accounts);
    const std::size_t size = plugin == auth_plugin::native ? 20 : 32;
    EXPECT_EQ(play(login, login.start(), {packet_of(response_of("app", plugin, Buffer(size, 0)))}),
              Want::failed);
  }
}

TEST(ClientLogin, SwitchesAClientWithAnotherPlugin) {
  const OneAccount accounts(by_password("secret"));
  for (const std::string_view plugin : {"mysql_clear_password", "dialog", ""}) {
    ClientLogin login(params_for(), accounts);
    const auto packets = said(login, login.start(),
                              {packet_of(response_of("app", plugin, to_buffer("whatever"))),
                               Packet{3, sha2_proof("secret", some_nonce())}},
                              Want::done);
    ASSERT_EQ(packets.size(), 4U);  // greeting, switch, fast path, OK
    const auto request = decode_auth_switch_request(packets[1].payload);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->auth_plugin, auth_plugin::caching_sha2);
    const Nonce nonce = some_nonce();
    EXPECT_EQ(request->data, Buffer(nonce.begin(), nonce.end()));
  }
}

TEST(ClientLogin, SwitchesToThePluginThatTheAccountCanBeVerifiedBy) {
  Verifier native;
  native.native = native_hash("secret");
  const OneAccount native_account(native);
  ClientLogin login(params_for(), native_account);
  auto packets = said(
      login, login.start(),
      {packet_of(response_of("app", auth_plugin::caching_sha2, sha2_proof("secret", some_nonce()))),
       Packet{3, native_proof("secret", some_nonce())}},
      Want::done);
  EXPECT_EQ(decode_auth_switch_request(packets[1].payload)->auth_plugin, auth_plugin::native);

  Verifier sha2;
  sha2.sha2 = sha2_hash("secret");
  const OneAccount sha2_account(sha2);
  ClientLogin other(params_for(), sha2_account);
  packets = said(
      other, other.start(),
      {packet_of(response_of("app", auth_plugin::native, native_proof("secret", some_nonce()))),
       Packet{3, sha2_proof("secret", some_nonce())}},
      Want::done);
  EXPECT_EQ(decode_auth_switch_request(packets[1].payload)->auth_plugin, auth_plugin::caching_sha2);
  EXPECT_EQ(other.identity().auth_plugin, auth_plugin::caching_sha2);
}

TEST(ClientLogin, SwitchesAClientThatHadNoNonceForItsPluginYet) {
  // libmysqlclient answers a greeting for another plugin with nothing.
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  const auto packets = said(login, login.start(),
                            {packet_of(response_of("app", auth_plugin::native, {})),
                             Packet{3, native_proof("secret", some_nonce())}},
                            Want::done);
  EXPECT_EQ(decode_auth_switch_request(packets[1].payload)->auth_plugin, auth_plugin::native);
}

TEST(ClientLogin, SwitchesOnlyOnce) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  EXPECT_EQ(last_error(said(login, login.start(),
                            {packet_of(response_of("app", "dialog", to_buffer("x"))),
                             Packet{3, to_buffer("still no proof")}},
                            Want::failed)),
            denied + "YES)");
}

TEST(ClientLogin, TakesAnOldClientByTheNativePluginOnly) {
  HandshakeResponse response =
      response_of("app", auth_plugin::native, native_proof("secret", some_nonce()));
  response.capabilities &= ~capability::plugin_auth;
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  EXPECT_EQ(play(login, login.start(), {packet_of(response)}), Want::done);

  Verifier sha2;
  sha2.sha2 = sha2_hash("secret");
  const OneAccount sha2_account(sha2);
  ClientLogin other(params_for(), sha2_account);
  EXPECT_EQ(last_error(said(other, other.start(), {packet_of(response)}, Want::failed)),
            "1251 08004 Client does not support authentication protocol requested by server; "
            "consider upgrading MySQL client");
  EXPECT_EQ(other.error(), Errc::unsupported_auth_plugin);
}

TEST(ClientLogin, GoesOnToFullAuthenticationAfterAnOddlyHashedSwitch) {
  // PyMySQL 1.0 hashes the NUL behind the nonce of a switch request.
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(ClientTls::off, Channel::unix_socket), accounts);
  const auto packets = said(login, login.start(),
                            {packet_of(response_of("app", "dialog", to_buffer("x"))),
                             Packet{3, Buffer(32, 1)}, Packet{5, to_buffer("secret")}},
                            Want::done);
  ASSERT_EQ(packets.size(), 4U);  // greeting, switch, full, OK
  EXPECT_EQ(packets[2].payload, from_hex("0104"));
}

TEST(ClientLogin, LearnsThePasswordWhereFullAuthenticationIsForced) {
  const OneAccount accounts(by_password("secret"));
  ClientLoginParams params = params_for();
  params.full_authentication = FullAuthentication::always;
  ClientLogin login(std::move(params), accounts);
  const auto proof = sha2_proof("secret", some_nonce());
  const auto ciphertext = *encrypt_password("secret", some_nonce(), test_key().public_pem());
  const auto packets = said(login, login.start(),
                            {packet_of(response_of("app", auth_plugin::caching_sha2, proof)),
                             Packet{3, from_hex("02")}, Packet{5, ciphertext}},
                            Want::done);
  ASSERT_EQ(packets.size(), 4U);  // greeting, full, key, OK
  EXPECT_EQ(as_text(*decode_auth_more_data(packets[2].payload)), test_key().public_pem());
  ASSERT_TRUE(login.identity().password);
  EXPECT_EQ(login.identity().password->text(), "secret");
  EXPECT_EQ(login.take_identity().password->text(), "secret");
}

TEST(ClientLogin, TakesACiphertextFromAClientThatHasTheKey) {
  Verifier verifier;
  verifier.sha2_crypt = sha2_crypt("secret", "abcdefghijklmnopqrst", 1);
  const OneAccount accounts(verifier);
  const auto proof = sha2_proof("secret", some_nonce());
  const auto ciphertext = *encrypt_password("secret", some_nonce(), test_key().public_pem());
  ClientLogin login(params_for(), accounts);
  EXPECT_EQ(play(login, login.start(),
                 {packet_of(response_of("app", auth_plugin::caching_sha2, proof)),
                  Packet{3, ciphertext}}),
            Want::done);
}

TEST(ClientLogin, TakesNoPasswordInClearWithoutASecureChannel) {
  const OneAccount accounts(by_password("secret"));
  ClientLoginParams params = params_for();
  params.full_authentication = FullAuthentication::always;
  ClientLogin login(std::move(params), accounts);
  const auto proof = sha2_proof("secret", some_nonce());
  EXPECT_EQ(play(login, login.start(),
                 {packet_of(response_of("app", auth_plugin::caching_sha2, proof)),
                  Packet{3, Buffer{'s', 'e', 'c', 'r', 'e', 't', 0}}}),
            Want::failed);
  EXPECT_EQ(login.error(), Errc::authentication_failed);
}

TEST(ClientLogin, WithoutAKeyRefusesFullAuthenticationInThePlain) {
  const OneAccount accounts(by_password("secret"));
  ClientLoginParams params = params_for();
  params.rsa_key = nullptr;
  params.full_authentication = FullAuthentication::always;
  ClientLogin login(std::move(params), accounts);
  const auto proof = sha2_proof("secret", some_nonce());
  EXPECT_EQ(last_error(said(login, login.start(),
                            {packet_of(response_of("app", auth_plugin::caching_sha2, proof)),
                             Packet{3, from_hex("02")}},
                            Want::failed)),
            denied + "YES)");
}

TEST(ClientLogin, StartsTlsWhenAskedAndReadsTheResponseAgain) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(ClientTls::required), accounts);
  ASSERT_EQ(login.start(), Want::write);
  ASSERT_EQ(login.on_written(), Want::read);
  Buffer request;
  encode_ssl_request({offered | capability::protocol_41 | capability::ssl}, request);
  ASSERT_EQ(login.on_packet(request, 1), Want::start_tls);
  ASSERT_EQ(login.on_tls(), Want::read);
  HandshakeResponse response =
      response_of("app", auth_plugin::native, native_proof("secret", some_nonce()));
  response.capabilities |= capability::ssl;
  EXPECT_EQ(login.on_packet(packet_of(response).payload, 2), Want::done);
  EXPECT_EQ(login.identity().channel, Channel::tls);
}

TEST(ClientLogin, RefusesPlainConnectionsWhereTlsIsRequired) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(ClientTls::required), accounts);
  const auto proof = native_proof("secret", some_nonce());
  EXPECT_EQ(
      last_error(said(login, login.start(),
                      {packet_of(response_of("app", auth_plugin::native, proof))}, Want::failed)),
      "3159 HY000 Connections using insecure transport are prohibited while "
      "--require_secure_transport=ON.");
  EXPECT_EQ(login.error(), Errc::tls_required);
}

TEST(ClientLogin, RefusesTlsThatIsNotOfferedOrNotStarted) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  Buffer request;
  encode_ssl_request({offered | capability::protocol_41 | capability::ssl}, request);
  EXPECT_EQ(last_error(said(login, login.start(), {Packet{1, request}}, Want::failed)),
            "1043 Bad handshake");  // capabilities are not known yet: no SQL state

  HandshakeResponse response =
      response_of("app", auth_plugin::native, native_proof("secret", some_nonce()));
  response.capabilities |= capability::ssl;
  ClientLogin other(params_for(ClientTls::offered), accounts);
  EXPECT_EQ(last_error(said(other, other.start(), {packet_of(response)}, Want::failed)),
            "1043 08S01 Bad handshake");
}

TEST(ClientLogin, AnswersWhatIsNoHandshakeWithError1043) {
  const OneAccount accounts(by_password("secret"));
  for (const Buffer& payload : {Buffer{}, to_buffer("GET / HTTP/1.1"), from_hex("852400000061"),
                                Buffer(max_login_payload + 1, 0xff)}) {
    ClientLogin login(params_for(), accounts);
    EXPECT_EQ(last_error(said(login, login.start(), {Packet{1, payload}}, Want::failed)),
              "1043 Bad handshake");
  }
}

TEST(ClientLogin, AnswersAWrongSequenceNumberWithError1156) {
  const OneAccount accounts(by_password("secret"));
  const auto proof = native_proof("secret", some_nonce());
  for (const int number : {0, 2, 255}) {
    ClientLogin login(params_for(), accounts);
    EXPECT_EQ(last_error(said(login, login.start(),
                              {packet_of(response_of("app", auth_plugin::native, proof),
                                         static_cast<std::uint8_t>(number))},
                              Want::failed)),
              "1156 Got packets out of order");
    EXPECT_EQ(login.error(), Errc::out_of_sequence);
  }
}

// COM_CHANGE_USER

ClientIdentity logged_in() {
  ClientIdentity login;
  login.user = "other";
  login.capabilities =
      offered | capability::protocol_41 | capability::secure_connection | capability::plugin_auth;
  login.collation = 33;
  login.max_packet = 99;
  return login;
}

Buffer change_to(std::string_view user, std::string_view plugin, Buffer proof) {
  ChangeUser change;
  change.user = user;
  change.schema = "shop";
  change.collation = 255;
  change.auth_plugin = plugin;
  change.auth_response = std::move(proof);
  Buffer payload;
  encode_change_user(change, logged_in().capabilities, payload);
  return payload;
}

TEST(ClientLogin, ChangesUserByAProofForTheLoginsNonce) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  const auto payload = change_to("app", auth_plugin::native, native_proof("secret", some_nonce()));
  ASSERT_EQ(login.start_change_user(payload, 0, logged_in()), Want::done);
  EXPECT_EQ(login.identity().user, "app");
  EXPECT_EQ(login.identity().schema, "shop");
  EXPECT_EQ(login.identity().collation, 255);
  EXPECT_EQ(login.identity().max_packet, 99U);
  EXPECT_EQ(login.identity().capabilities, logged_in().capabilities);
  login.accept();
  EXPECT_EQ(split(login.outgoing())[0].sequence, 1);
}

TEST(ClientLogin, ChangesUserAfterASwitchWhereTheFirstProofDoesNotFit) {
  const OneAccount accounts(by_password("secret"));
  for (const Buffer& first : {Buffer{}, native_proof("secret", Nonce{}), Buffer(32, 1)}) {
    ClientLogin login(params_for(), accounts);
    const auto packets =
        said(login,
             login.start_change_user(change_to("app", auth_plugin::native, first), 0, logged_in()),
             {Packet{2, native_proof("secret", some_nonce())}}, Want::done);
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(packets[0].sequence, 1);
    EXPECT_EQ(decode_auth_switch_request(packets[0].payload)->auth_plugin, auth_plugin::native);
  }
}

TEST(ClientLogin, ChangesNoUserWithoutAProof) {
  const OneAccount accounts(by_password("secret"));
  ClientLogin login(params_for(), accounts);
  const auto packets = said(
      login, login.start_change_user(change_to("app", auth_plugin::native, {}), 0, logged_in()),
      {Packet{2, native_proof("wrong", some_nonce())}}, Want::failed);
  EXPECT_EQ(last_error(packets), denied + "YES)");
}

TEST(ClientLogin, AnswersABrokenChangeUserWithError1047) {
  const OneAccount accounts(by_password("secret"));
  const auto payload = change_to("app", auth_plugin::native, native_proof("secret", some_nonce()));
  for (std::size_t size = 0; size < 1 + 4 + 21 + 5; ++size) {
    ClientLogin login(params_for(), accounts);
    ASSERT_EQ(login.start_change_user(Bytes(payload).first(size), 0, logged_in()), Want::failed);
    EXPECT_EQ(last_error(split(login.outgoing())), "1047 08S01 Unknown command") << size;
  }
}

}  // namespace
}  // namespace sluice::protocol
