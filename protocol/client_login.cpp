#include "protocol/client_login.hpp"

#include <algorithm>
#include <cassert>

#include "protocol/packet.hpp"
#include "protocol/response.hpp"

namespace sluice::protocol {
namespace {

// Bytes inside caching_sha2_password's dialogue.
constexpr std::uint8_t request_public_key = 0x02;
constexpr std::uint8_t fast_auth_success = 0x03;
constexpr std::uint8_t perform_full_authentication = 0x04;

constexpr Capabilities always_offered =
    capability::protocol_41 | capability::secure_connection | capability::plugin_auth;
constexpr Capabilities mariadb_bits = ~Capabilities{0xffffffff};

bool is_known(std::string_view plugin) noexcept {
  return plugin == auth_plugin::native || plugin == auth_plugin::caching_sha2;
}

/// Clients prove the empty password with nothing, or with a NUL.
bool is_empty_proof(Bytes proof) noexcept {
  return proof.empty() || (proof.size() == 1 && proof[0] == 0);
}

bool has_size_of(std::string_view plugin, Bytes proof) noexcept {
  return proof.size() == (plugin == auth_plugin::native ? sizeof(NativeProof) : sizeof(Sha2Proof));
}

}  // namespace

ClientLogin::ClientLogin(ClientLoginParams params, const Accounts& accounts)
    : params_(std::move(params)), accounts_(accounts) {
  Capabilities& offered = params_.greeting.capabilities;
  offered |= always_offered;
  offered &= ~capability::ssl;
  if (params_.tls != ClientTls::off && params_.channel == Channel::plain)
    offered |= capability::ssl;
  if ((offered & capability::long_password) != 0) offered &= ~mariadb_bits;
  if (!is_known(params_.greeting.auth_plugin))
    params_.greeting.auth_plugin = auth_plugin::caching_sha2;
  identity_.channel = params_.channel;
}

Want ClientLogin::start() {
  assert(state_ == State::idle && "a login starts once");
  Buffer payload;
  encode_greeting(params_.greeting, payload);
  return send(payload, State::greeting);
}

Want ClientLogin::start_change_user(Bytes payload, std::uint8_t sequence,
                                    const ClientIdentity& login) {
  assert(state_ == State::idle && "a login starts once");
  sequence_ = static_cast<std::uint8_t>(sequence + 1);
  changing_user_ = true;
  identity_.capabilities = login.capabilities;
  identity_.max_packet = login.max_packet;
  Result<ChangeUser> change = decode_change_user(payload, login.capabilities);
  if (!change) return refuse_handshake(change.error());
  identity_.user = std::move(change->user);
  identity_.schema = std::move(change->schema);
  identity_.collation = change->collation != 0 ? change->collation : login.collation;
  identity_.attributes = std::move(change->attributes);
  plugin_ = std::move(change->auth_plugin);
  proof_ = std::move(change->auth_response);
  return authenticate();
}

Want ClientLogin::on_written() {
  switch (state_) {
    case State::greeting: state_ = State::response; return Want::read;
    case State::switching: state_ = State::switch_response; return Want::read;
    case State::asking_full: state_ = State::full_response; return Want::read;
    case State::sending_key: state_ = State::ciphertext; return Want::read;
    case State::answered: return Want::done;
    case State::failed: return Want::failed;
    default: break;
  }
  assert(false && "on_written() without Want::write");
  return Want::failed;
}

Want ClientLogin::on_tls() {
  assert(state_ == State::tls_handshake && "on_tls() without Want::start_tls");
  identity_.channel = Channel::tls;
  state_ = State::response_over_tls;
  return Want::read;
}

Want ClientLogin::on_packet(Bytes payload, std::uint8_t sequence) {
  const bool in_order = sequence == sequence_;
  sequence_ = static_cast<std::uint8_t>(sequence + 1);
  if (!in_order) {
    return refuse(Errc::out_of_sequence, server_error::packets_out_of_order, "08S01",
                  "Got packets out of order");
  }
  if (payload.size() > max_login_payload) return refuse_handshake(Errc::too_large);
  switch (state_) {
    case State::response:
    case State::response_over_tls: return take_response(payload);
    case State::switch_response:
      proof_.assign(payload.begin(), payload.end());
      return authenticate();
    case State::full_response: return take_full(payload);
    case State::ciphertext: return take_ciphertext(payload);
    default: break;
  }
  assert(false && "on_packet() without Want::read");
  return Want::failed;
}

Want ClientLogin::take_response(Bytes payload) {
  const Capabilities offered = params_.greeting.capabilities;
  if (state_ == State::response && is_ssl_request(payload)) {
    if ((offered & capability::ssl) == 0) return refuse_handshake(Errc::unexpected_packet);
    state_ = State::tls_handshake;
    return Want::start_tls;
  }
  Result<HandshakeResponse> response = decode_handshake_response(payload);
  if (!response) return refuse_handshake(response.error());
  identity_.capabilities = response->capabilities & offered;
  identity_.user = std::move(response->user);
  identity_.schema = std::move(response->schema);
  identity_.collation = response->collation;
  identity_.max_packet = response->max_packet;
  identity_.attributes = std::move(response->attributes);
  // A client that announces TLS and then does not start it is broken, or its
  // SSLRequest was taken out on the way.
  if (identity_.channel != Channel::tls && (response->capabilities & capability::ssl) != 0)
    return refuse_handshake(Errc::unexpected_packet);
  if (params_.tls == ClientTls::required && !is_secure(identity_.channel)) {
    return refuse(Errc::tls_required, server_error::secure_transport_required, "HY000",
                  "Connections using insecure transport are prohibited while "
                  "--require_secure_transport=ON.");
  }
  plugin_ = std::move(response->auth_plugin);
  proof_ = std::move(response->auth_response);
  return authenticate();
}

/// Takes the proof if it can be one for this account; else asks for another.
Want ClientLogin::authenticate() {
  const bool can_switch = (identity_.capabilities & capability::plugin_auth) != 0;
  if (!switched_) {
    verifier_ = accounts_.find(identity_.user);
    if (!can_switch) plugin_ = auth_plugin::native;
  }
  const bool empty = is_empty_proof(proof_);
  password_given_ = !empty;
  const bool fits = is_known(plugin_) && can_verify(plugin_);
  if (fits && empty && accepts_empty_password()) return succeed();
  if (fits && has_size_of(plugin_, proof_)) return take_proof(proof_);
  if (switched_) return deny();
  if (!can_switch) {
    if (fits) return deny();
    return refuse(Errc::unsupported_auth_plugin, server_error::not_supported_auth_mode, "08004",
                  "Client does not support authentication protocol requested by server; "
                  "consider upgrading MySQL client");
  }
  // An empty answer to the plugin that we greeted with means no password. To
  // another one, or in COM_CHANGE_USER, it may only mean "I had no nonce yet".
  if (fits && empty && !changing_user_ && plugin_ == params_.greeting.auth_plugin) return deny();
  if (fits) return switch_plugin(plugin_);
  if (can_verify(params_.greeting.auth_plugin)) return switch_plugin(params_.greeting.auth_plugin);
  return switch_plugin(can_verify(auth_plugin::native) ? auth_plugin::native
                                                       : auth_plugin::caching_sha2);
}

Want ClientLogin::take_proof(Bytes proof) {
  const bool native = plugin_ == auth_plugin::native;
  if (!native && params_.full_authentication == FullAuthentication::always) return ask_full();
  if (verify(proof)) {
    fast_path_proven_ = !native;
    return succeed();
  }
  // A salted hash knows better than a cached one, or is all there is. And some
  // clients hash the NUL behind a switch request's nonce too: they live off
  // servers that go on to full authentication (PyMySQL 1.0).
  const bool salted = verifier_.sha2_crypt || (verifier_.native && !verifier_.sha2);
  const bool can_ask = is_secure(identity_.channel) || params_.rsa_key != nullptr;
  if (!native && can_ask && (switched_ || (salted && !verifier_.password))) return ask_full();
  // Made with another nonce, perhaps: servers always ask again here.
  if (changing_user_ && !switched_ && (identity_.capabilities & capability::plugin_auth) != 0)
    return switch_plugin(plugin_);
  return deny();
}

Want ClientLogin::take_full(Bytes payload) {
  const bool wants_key = payload.size() == 1 && payload[0] == request_public_key;
  if (wants_key && params_.rsa_key != nullptr) {
    Buffer packet;
    encode_auth_more_data(as_bytes(params_.rsa_key->public_pem()), packet);
    return send(packet, State::sending_key);
  }
  if (!is_secure(identity_.channel)) return take_ciphertext(payload);
  if (payload.empty()) return deny();
  const bool terminated = payload.back() == 0;
  return check_password(Secret(payload.first(payload.size() - (terminated ? 1 : 0))));
}

Want ClientLogin::take_ciphertext(Bytes payload) {
  if (params_.rsa_key == nullptr || payload.size() != params_.rsa_key->size()) return deny();
  Result<Secret> password = params_.rsa_key->decrypt_password(payload, params_.greeting.nonce);
  if (!password) return deny();
  return check_password(std::move(*password));
}

Want ClientLogin::check_password(Secret password) {
  if (password.size() > max_password_size) return deny();
  const std::string_view text = password.text();
  const bool proven =
      (verifier_.password &&
       equal_in_constant_time(verifier_.password->bytes(), password.bytes())) ||
      (verifier_.sha2 && equal_in_constant_time(*verifier_.sha2, sha2_hash(text))) ||
      (verifier_.native && equal_in_constant_time(*verifier_.native, native_hash(text))) ||
      (verifier_.sha2_crypt && verify_sha2_crypt(text, *verifier_.sha2_crypt));
  if (!proven) return deny();
  identity_.password = std::move(password);
  return succeed();
}

Want ClientLogin::ask_full() {
  Buffer packet;
  encode_auth_more_data(Bytes(&perform_full_authentication, 1), packet);
  return send(packet, State::asking_full);
}

Want ClientLogin::switch_plugin(std::string_view plugin) {
  plugin_ = plugin;
  switched_ = true;
  const Nonce& nonce = params_.greeting.nonce;
  Buffer packet;
  encode_auth_switch_request({plugin_, Buffer(nonce.begin(), nonce.end())}, packet);
  return send(packet, State::switching);
}

Want ClientLogin::succeed() {
  identity_.auth_plugin = plugin_;
  outgoing_.clear();
  state_ = State::verified;
  return Want::done;
}

void ClientLogin::accept(std::uint16_t status, Bytes session_state) {
  Buffer packet;
  const OkPacket ok{.status = status, .session_state = session_state};
  append_ok(packet, ok, identity_.capabilities, 0);
  answer(Bytes(packet).subspan(packet_header_size));
}

void ClientLogin::reject(std::uint16_t code, std::string_view sqlstate, std::string_view message) {
  Buffer packet;
  append_err(packet, ErrPacket{code, sqlstate, message}, identity_.capabilities, 0);
  answer(Bytes(packet).subspan(packet_header_size));
}

void ClientLogin::answer(Bytes payload) {
  assert(state_ == State::verified && "only a verified client gets an answer, and only one");
  outgoing_.clear();
  if (fast_path_proven_) {
    const std::uint8_t packet[] = {header_auth_more_data, fast_auth_success};
    sequence_ = append_packet(outgoing_, packet, sequence_);
  }
  sequence_ = append_packet(outgoing_, payload, sequence_);
  state_ = State::answered;
}

Want ClientLogin::deny() {
  std::string message = "Access denied for user '" + identity_.user + "'@'" + params_.client_host;
  message += password_given_ ? "' (using password: YES)" : "' (using password: NO)";
  return refuse(Errc::authentication_failed, server_error::access_denied, "28000", message);
}

Want ClientLogin::refuse_handshake(boost::system::error_code error) {
  if (changing_user_)
    return refuse(error, server_error::unknown_command, "08S01", "Unknown command");
  return refuse(error, server_error::bad_handshake, "08S01", "Bad handshake");
}

Want ClientLogin::refuse(boost::system::error_code error, std::uint16_t code,
                         std::string_view sqlstate, std::string_view message) {
  // Before the client has said that it knows protocol 4.1 there is no SQL state.
  outgoing_.clear();
  sequence_ =
      append_err(outgoing_, ErrPacket{code, sqlstate, message}, identity_.capabilities, sequence_);
  error_ = error;
  state_ = State::failed;
  return Want::failed;
}

Want ClientLogin::send(Bytes payload, State next) {
  outgoing_.clear();
  sequence_ = append_packet(outgoing_, payload, sequence_);
  state_ = next;
  return Want::write;
}

bool ClientLogin::can_verify(std::string_view plugin) const noexcept {
  // For an account that does not exist any plugin will do to find that out.
  if (!verifier_.exists() || verifier_.password) return true;
  if (plugin == auth_plugin::native) return verifier_.native.has_value();
  if (verifier_.sha2) return true;
  // The rest takes full authentication. Without TLS many clients will not ask
  // for a key, so an account that has a native hash is better off with that.
  if (is_secure(identity_.channel)) return true;
  return verifier_.sha2_crypt && params_.rsa_key != nullptr;
}

bool ClientLogin::verify(Bytes proof) const {
  const Nonce& nonce = params_.greeting.nonce;
  // The same work for an account that does not exist: time must not tell.
  if (plugin_ == auth_plugin::native) {
    NativeHash hash{};
    if (verifier_.password) {
      hash = native_hash(verifier_.password->text());
    } else if (verifier_.native) {
      hash = *verifier_.native;
    }
    return verify_native(proof, hash, nonce) && (verifier_.password || verifier_.native);
  }
  Sha2Hash hash{};
  if (verifier_.password) {
    hash = sha2_hash(verifier_.password->text());
  } else if (verifier_.sha2) {
    hash = *verifier_.sha2;
  }
  return verify_sha2(proof, hash, nonce) && (verifier_.password || verifier_.sha2);
}

bool ClientLogin::accepts_empty_password() const {
  return verifier_.password && verifier_.password->empty();
}

}  // namespace sluice::protocol
