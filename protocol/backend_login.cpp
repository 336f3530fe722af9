#include "protocol/backend_login.hpp"

#include <algorithm>
#include <cassert>

#include "protocol/packet.hpp"
#include "protocol/response.hpp"

namespace sluice::protocol {
namespace {

// Requests and answers inside caching_sha2_password and sha256_password.
constexpr std::uint8_t request_public_key = 0x02;
constexpr std::uint8_t request_public_key_sha256 = 0x01;
constexpr std::uint8_t fast_auth_success = 0x03;
constexpr std::uint8_t perform_full_authentication = 0x04;

/// More packets than any honest login has; a peer that sends more is looping.
constexpr std::uint8_t max_rounds = 10;

/// utf8mb4_general_ci, which every server has known since 5.5.
constexpr std::uint8_t safe_collation = 45;
constexpr std::uint16_t mysql_only_collation = 255;  // utf8mb4_0900_ai_ci

constexpr std::string_view mariadb_prefix = "5.5.5-";

constexpr Capabilities login_capabilities =
    capability::long_password | capability::long_flag | capability::protocol_41 |
    capability::secure_connection | capability::plugin_auth | capability::plugin_auth_lenenc_data;

bool has(Capabilities capabilities, Capabilities bit) noexcept { return (capabilities & bit) != 0; }

std::string_view without_prefix(std::string_view version) noexcept {
  // MariaDB 10 fakes a 5.5.5 in front, for old replicas' sake.
  return version.starts_with(mariadb_prefix) ? version.substr(mariadb_prefix.size()) : version;
}

/// As many attributes as servers accept; the rest is dropped.
Buffer bounded_attributes(const Attributes& attributes) {
  Buffer raw;
  for (const auto& pair : attributes) {
    Buffer one;
    encode_attributes({pair}, one);
    if (raw.size() + one.size() > max_attributes_size) break;
    raw.insert(raw.end(), one.begin(), one.end());
  }
  return raw;
}

}  // namespace

std::uint32_t parse_version_number(std::string_view server_version) noexcept {
  std::string_view rest = without_prefix(server_version);
  std::uint32_t number = 0;
  for (int part = 0; part < 3; ++part) {
    std::uint32_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest.size() && digits < 3 && rest[digits] >= '0' && rest[digits] <= '9';
         ++digits)
      value = value * 10 + static_cast<std::uint32_t>(rest[digits] - '0');
    if (digits == 0) return 0;
    number = number * 100 + std::min(value, 99U);
    rest.remove_prefix(digits);
    if (part < 2) {
      if (!rest.starts_with('.')) return 0;
      rest.remove_prefix(1);
    }
  }
  return number;
}

BackendLogin::BackendLogin(BackendLoginParams params) : params_(std::move(params)) {
  facts_.channel = params_.channel;
  outgoing_.reserve(512);  // growing would leave a password behind in freed memory
}

BackendLogin::~BackendLogin() { clear_outgoing(); }

Want BackendLogin::start() {
  assert(state_ == State::idle && "a login starts once");
  // On the wire a NUL ends the text: the login would be someone else's.
  if (params_.user.find('\0') != std::string::npos ||
      params_.schema.find('\0') != std::string::npos) {
    return fail(Errc::malformed, "user and schema cannot hold a NUL");
  }
  state_ = State::greeting;
  return Want::read;
}

Want BackendLogin::on_written() {
  switch (state_) {
    case State::sending_ssl_request: state_ = State::tls_handshake; return Want::start_tls;
    case State::sending:
      clear_outgoing();
      state_ = State::reply;
      return Want::read;
    default: break;
  }
  assert(false && "on_written() without Want::write");
  return Want::failed;
}

Want BackendLogin::on_tls() {
  assert(state_ == State::tls_handshake && "on_tls() without Want::start_tls");
  facts_.channel = Channel::tls;
  return send_response();
}

Want BackendLogin::on_packet(Bytes payload, std::uint8_t sequence) {
  assert((state_ == State::greeting || state_ == State::reply) && "on_packet() without Want::read");
  if (payload.size() > max_login_payload) return fail(Errc::too_large);
  if (payload.empty()) return fail(Errc::truncated);
  // Servers number the ERRs of refused connections in several ways.
  if (payload[0] == header_err) return take_refusal(payload);
  if (sequence != sequence_) return fail(Errc::out_of_sequence);
  ++sequence_;
  if (++rounds_ > max_rounds) return fail(Errc::unexpected_packet, "the login does not end");
  return state_ == State::greeting ? take_greeting(payload) : take_reply(payload);
}

Want BackendLogin::take_greeting(Bytes payload) {
  const Result<Greeting> greeting = decode_greeting(payload);
  if (!greeting) return fail(greeting.error());
  nonce_ = greeting->nonce;
  facts_.connection_id = greeting->connection_id;
  facts_.server_version = without_prefix(greeting->server_version);
  facts_.version_number = parse_version_number(greeting->server_version);
  facts_.server_capabilities = greeting->capabilities;
  const bool is_mariadb = facts_.server_version.find("MariaDB") != std::string::npos ||
                          !has(greeting->capabilities, capability::long_password);
  facts_.flavour = is_mariadb ? Flavour::mariadb : Flavour::mysql;
  // Any plugin of ours will do to begin with: the server switches if the
  // account wants another.
  plugin_ = greeting->auth_plugin == auth_plugin::caching_sha2 ? auth_plugin::caching_sha2
                                                               : auth_plugin::native;

  login_collation_ = static_cast<std::uint8_t>(params_.collation);
  if (params_.collation == 0 || params_.collation > 0xff ||
      (is_mariadb && params_.collation == mysql_only_collation)) {
    login_collation_ = safe_collation;
    facts_.needs_set_names = params_.collation != 0;
  }

  Capabilities asked = (params_.wanted & result_shaping_capabilities) | login_capabilities;
  if (!params_.attributes.empty()) asked |= capability::connect_attrs;
  if (!params_.schema.empty()) asked |= capability::connect_with_db;
  const bool offers_tls = has(greeting->capabilities, capability::ssl);
  if (params_.channel == Channel::plain && params_.tls == TlsWish::require && !offers_tls)
    return fail(Errc::tls_required, "the backend offers no TLS");
  if (params_.channel == Channel::plain && params_.tls != TlsWish::off) asked |= capability::ssl;
  facts_.capabilities = asked & greeting->capabilities;

  if (!has(facts_.capabilities, capability::ssl)) return send_response();
  Buffer packet;
  encode_ssl_request({facts_.capabilities, params_.max_packet, login_collation_}, packet);
  return send(packet, State::sending_ssl_request);
}

Want BackendLogin::send_response() {
  Result<Secret> proof = make_proof();
  if (!proof) return fail(proof.error());
  HandshakeResponse response;
  response.capabilities = facts_.capabilities;
  response.max_packet = params_.max_packet;
  response.collation = login_collation_;
  response.user = params_.user;
  response.auth_response.assign(proof->bytes().begin(), proof->bytes().end());
  response.schema = params_.schema;
  response.auth_plugin = plugin_;
  response.raw_attributes = bounded_attributes(params_.attributes);
  Buffer packet;
  encode_handshake_response(response, packet);
  return send(packet, State::sending);
}

Want BackendLogin::take_reply(Bytes payload) {
  switch (payload[0]) {
    case header_ok: {
      const Result<OkPacket> ok = decode_ok(payload, facts_.capabilities);
      if (!ok) return fail(ok.error());
      facts_.status = ok->status;
      facts_.auth_plugin = plugin_;
      state_ = State::done;
      return Want::done;
    }
    case header_auth_switch: return take_switch(payload);
    case header_auth_more_data: return take_more_data(payload.subspan(1));
    default: return fail(Errc::unexpected_packet);
  }
}

Want BackendLogin::take_switch(Bytes payload) {
  Result<AuthSwitchRequest> request = decode_auth_switch_request(payload);
  if (!request) return fail(request.error());
  if (key_requested_ || password_sent_) return fail(Errc::unexpected_packet);
  plugin_ = std::move(request->auth_plugin);
  if (plugin_ == auth_plugin::native || plugin_ == auth_plugin::caching_sha2 ||
      plugin_ == auth_plugin::sha256) {
    if (request->data.size() < nonce_size) return fail(Errc::malformed, "a nonce is too short");
    std::copy_n(request->data.begin(), nonce_size, nonce_.begin());
  } else if (plugin_ != auth_plugin::clear) {
    return fail(Errc::unsupported_auth_plugin, plugin_);
  }
  if (plugin_ == auth_plugin::sha256) return send_full_password();
  const Result<Secret> proof = make_proof();
  if (!proof) return fail(proof.error(), plugin_ + " needs TLS");
  return send(proof->bytes(), State::sending);
}

Want BackendLogin::take_more_data(Bytes data) {
  if (key_requested_ && !password_sent_) return send_encrypted(as_text(data));
  if (plugin_ != auth_plugin::caching_sha2) return fail(Errc::unexpected_packet);
  if (password_sent_ || data.size() != 1) return fail(Errc::unexpected_packet);
  if (data[0] == fast_auth_success) return Want::read;
  if (data[0] == perform_full_authentication) return send_full_password();
  return fail(Errc::malformed);
}

Want BackendLogin::send_full_password() {
  if (is_secure(facts_.channel)) {
    Secret packet(params_.password.size() + 1);
    std::copy_n(params_.password.bytes().begin(), params_.password.size(), packet.data());
    password_sent_ = true;
    return send(packet.bytes(), State::sending);
  }
  if (!params_.public_key.empty()) return send_encrypted(params_.public_key);
  if (params_.key_retrieval == KeyRetrieval::forbidden) {
    return fail(Errc::tls_required,
                plugin_ + " needs TLS, or the permission to ask for a public key");
  }
  key_requested_ = true;
  const std::uint8_t request =
      plugin_ == auth_plugin::sha256 ? request_public_key_sha256 : request_public_key;
  return send(Bytes(&request, 1), State::sending);
}

Want BackendLogin::send_encrypted(std::string_view public_key_pem) {
  const Result<Buffer> ciphertext =
      encrypt_password(params_.password.text(), nonce_, public_key_pem);
  if (!ciphertext) return fail(ciphertext.error(), "cannot encrypt with the backend's public key");
  password_sent_ = true;
  return send(*ciphertext, State::sending);
}

Want BackendLogin::take_refusal(Bytes payload) {
  const Result<ErrPacket> err = decode_err(payload);
  if (!err) return fail(err.error());
  refusal_ = Refusal{err->code, std::string(err->sql_state.empty() ? "HY000" : err->sql_state),
                     std::string(err->message)};
  return fail(Errc::refused, refusal_->message);
}

Result<Secret> BackendLogin::make_proof() const {
  const std::string_view password = params_.password.text();
  if (plugin_ == auth_plugin::native) return Secret(Bytes(native_proof(password, nonce_)));
  if (plugin_ == auth_plugin::caching_sha2) return Secret(Bytes(sha2_proof(password, nonce_)));
  assert(plugin_ == auth_plugin::clear && "a plugin that was not checked");
  if (!is_secure(facts_.channel)) return Errc::tls_required;
  Secret text(password.size() + 1);
  std::copy(password.begin(), password.end(), text.data());
  return text;
}

Want BackendLogin::send(Bytes payload, State next) {
  clear_outgoing();
  sequence_ = append_packet(outgoing_, payload, sequence_);
  state_ = next;
  return Want::write;
}

Want BackendLogin::fail(boost::system::error_code error, std::string detail) {
  clear_outgoing();
  error_ = error;
  detail_ = std::move(detail);
  state_ = State::failed;
  return Want::failed;
}

void BackendLogin::clear_outgoing() noexcept {
  if (!outgoing_.empty()) OPENSSL_cleanse(outgoing_.data(), outgoing_.size());
  outgoing_.clear();
}

}  // namespace sluice::protocol
