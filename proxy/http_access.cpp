#include "proxy/http_access.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "proxy/log.hpp"

namespace sluice::proxy {
namespace {

using Rights = HttpCaller::Rights;
using Digest = std::array<unsigned char, 32>;

constexpr std::size_t longest_credentials = 4096;
constexpr std::chrono::milliseconds guess_delay{500};

Digest sha256(std::string_view text) noexcept {
  Digest digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.empty() || text.size() > longest_credentials) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  // EVP_DecodeBlock counts the padding as if it stood for zeros.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

/// "127.0.0.1:6080", "[::1]:6080" or "localhost" without its port.
std::string_view name_in(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool names_this_machine(std::string_view host, const config::Address& address) {
  const std::string_view name = name_in(host);
  // An address is not looked up, so nobody can point it here.
  const bool literal =
      name.starts_with('[') ||
      (!name.empty() && name.find_first_not_of("0123456789.") == std::string_view::npos);
  return literal || name == "localhost" || name.ends_with(".localhost") || name == address.host;
}

/// Is it the scheme and host that the request was sent to?
bool same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return !host.empty() && origin.substr(scheme.size()) == host;
  return false;
}

}  // namespace

bool same_secret(std::string_view a, std::string_view b) noexcept {
  const Digest left = sha256(a);
  const Digest right = sha256(b);
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

HttpResponse ask_for_login(std::string_view line) {
  HttpResponse response = http_text(401, line);
  response.fields = {{"WWW-Authenticate", R"(Basic realm="Sluice", charset="UTF-8")"},
                     {"WWW-Authenticate", "Bearer"}};
  return response;
}

HttpResponse wrong_login() {
  HttpResponse response = ask_for_login("wrong user, password or token");
  response.delay = guess_delay;
  return response;
}

HttpAccess::HttpAccess(const config::Settings& settings) : settings_(settings) {
  RAND_bytes(key_.data(), static_cast<int>(key_.size()));
}

std::optional<HttpCaller> HttpAccess::identify(const HttpRequest& request) const {
  const config::Http& http = settings_.http;
  const std::string_view given = request.field("Authorization");
  if (given.empty()) {
    const bool elsewhere = http.address && config::is_local(*http.address) &&
                           !names_this_machine(request.field("Host"), *http.address);
    return HttpCaller{http.login_required || elsewhere ? Rights::none : Rights::look, {}};
  }
  std::optional<HttpCaller> caller;
  const std::size_t blank = std::min(given.find(' '), given.size());
  const std::string_view rest = given.substr(std::min(blank + 1, given.size()));
  const std::string_view scheme = given.substr(0, blank);
  if (same_word(scheme, "Bearer")) {
    if (!http.token.empty() && same_secret(rest, http.token.reveal()))
      caller = HttpCaller{Rights::look, {}};
  } else if (same_word(scheme, "Basic")) {
    caller = basic(rest);
  }
  if (!caller) log::warning("http", "a login from {} was denied", request.peer);
  return caller;
}

std::optional<HttpCaller> HttpAccess::basic(std::string_view credentials) const {
  std::optional<std::string> decoded = decode_base64(credentials);
  if (!decoded) return {};
  const config::Secret login{*decoded};  // wiped when it goes
  config::wipe(*decoded);
  const std::string_view text = login.reveal();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view user = text.substr(0, colon);
  const std::string_view password = text.substr(colon + 1);
  const config::Admin& admin = settings_.admin;
  // Both are compared, always, so that time does not tell whether an account exists.
  const bool may_change = same_secret(password, admin.password.reveal());
  const bool may_look = same_secret(password, admin.readonly_password.reveal());
  if (user == admin.user && may_change && !admin.password.empty())
    return HttpCaller{Rights::change, admin.user};
  if (user == admin.readonly_user && may_look && !admin.readonly_password.empty())
    return HttpCaller{Rights::look, admin.readonly_user};
  return {};
}

std::string HttpAccess::change_token(const HttpCaller& caller) const {
  Digest digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(caller.user.data()), caller.user.size(),
       digest.data(), &size);
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::optional<HttpResponse> HttpAccess::refuse_change(const HttpRequest& request,
                                                      const HttpCaller& caller) const {
  if (caller.rights != Rights::change) {
    if (settings_.admin.password.empty())
      return http_text(403, "changes take an account; admin.password is not set");
    if (caller.user.empty())
      return ask_for_login(fmt::format("changes take the account '{}'", settings_.admin.user));
    return http_text(403, fmt::format("'{}' may look but not change, this needs the account '{}'",
                                      caller.user, settings_.admin.user));
  }
  const std::string_view origin = request.field("Origin");
  if (!origin.empty() && !same_origin(origin, request.field("Host")))
    return http_text(403, "changes are taken from Sluice's own page only (Origin)");
  const std::string_view site = request.field("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none")
    return http_text(403, "changes are taken from Sluice's own page only (Sec-Fetch-Site)");
  if (!same_secret(request.field("X-Sluice-Change"), change_token(caller)))
    return http_text(403, "X-Sluice-Change must have the change_token of GET /api/login");
  return {};
}

}  // namespace sluice::proxy
