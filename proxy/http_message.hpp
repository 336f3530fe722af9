/// What an HTTP client asks and hears, as values: no sockets in here.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::proxy {

struct HttpRequest {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::string method = "GET";
  std::string path = "/";  ///< decoded, without the query; begins with '/'
  Pairs query;             ///< decoded
  Pairs fields;            ///< the header, as sent
  std::string body;
  std::string peer;  ///< the client's host; "localhost" over a Unix socket

  /// Splits and decodes "/api/backends?like=r%25". False: it is malformed.
  [[nodiscard]] bool set_target(std::string_view target);

  /// The header field of this name, whatever its case; empty if there is none.
  [[nodiscard]] std::string_view field(std::string_view name) const noexcept;
  /// The query's parameter of this name; empty if there is none.
  [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept;
};

struct HttpResponse {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  HttpRequest::Pairs fields;           ///< beside those that every response has
  std::chrono::milliseconds delay{0};  ///< before it is sent: guessing must not be cheap
};

/// Equal but for the case of ASCII letters?
[[nodiscard]] bool same_word(std::string_view a, std::string_view b) noexcept;

/// A line of text with its status, for errors.
[[nodiscard]] HttpResponse http_text(unsigned status, std::string_view line);

/// Answers a request; does not wait. A HEAD is answered like a GET: the server
/// leaves out the body.
using HttpRouter = std::function<HttpResponse(const HttpRequest&)>;

}  // namespace sluice::proxy
