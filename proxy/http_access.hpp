/// Who may do what on the HTTP port: logins, and proof that a change is meant.
///
/// Looking is free unless `http.login_required`; then it takes http.token (Bearer) or
/// an account of [admin] (Basic). Changing takes admin.user with its password, and
/// is never allowed by what a browser sends by itself:
///  - the change carries a token that only a page of ours could read (X-Sluice-Change);
///  - its Origin, if it has one, is the host that it was sent to.
///
/// On an address that only this machine reaches, requests without a login must
/// name this machine in Host: a foreign page whose name resolves to 127.0.0.1 (DNS
/// rebinding) names its own.
///
/// Secrets are compared in constant time and never logged.
/// Thread: any; immutable. Lifetime: `settings` outlives it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "proxy/http_message.hpp"

namespace sluice::proxy {

struct HttpCaller {
  enum class Rights : std::uint8_t { none, look, change };
  Rights rights = Rights::none;
  std::string user;  ///< of the account; empty: nobody has logged in
};

class HttpAccess {
 public:
  explicit HttpAccess(const config::Settings& settings);

  /// nullopt: a login was tried and is wrong.
  [[nodiscard]] std::optional<HttpCaller> identify(const HttpRequest& request) const;

  /// What a page sends back with a change by this account.
  [[nodiscard]] std::string change_token(const HttpCaller& caller) const;

  /// Why this request may not change anything; nullopt: it may.
  [[nodiscard]] std::optional<HttpResponse> refuse_change(const HttpRequest& request,
                                                          const HttpCaller& caller) const;

 private:
  [[nodiscard]] std::optional<HttpCaller> basic(std::string_view credentials) const;

  const config::Settings& settings_;
  std::array<unsigned char, 32> key_{};  // of this process's change tokens
};

/// 401, with the ways to log in.
[[nodiscard]] HttpResponse ask_for_login(std::string_view line);
/// For a login that was tried; slow, so that guessing is.
[[nodiscard]] HttpResponse wrong_login();

/// Equal? Takes the same time whatever the answer, and however long they are.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b) noexcept;

}  // namespace sluice::proxy
