/// What is behind each address of the HTTP port.
///
///   GET  /                 the dashboard: a page without data; it asks /api/overview
///   GET  /metrics          Prometheus
///   GET  /healthz          200: the process is alive
///   GET  /readyz           200: a primary or a replica serves; else 503 and why
///   GET  /api              the views that there are
///   GET  /api/VIEW         what SHOW VIEW shows: /api/backends, /api/status?like=…, …
///   GET  /api/overview     all that the dashboard shows
///   GET  /api/login        who is asking, and the token that changes take
///   POST /api/backends/NAME  {"state": "drain", "why": "…"}: SET BACKEND
///
/// The first four are for everybody but /metrics; for the others see http_access.hpp.
/// A view is answered by what answers the admin port, so they cannot differ.
///
/// Errors: 401, 403, 404, 405, 415 and 400 with a line, below /api as {"error": …}.
/// Thread: the control thread, whose AdminTarget it asks. Does not wait.
#pragma once

#include "proxy/admin_target.hpp"
#include "proxy/admin_views.hpp"
#include "proxy/http_access.hpp"
#include "proxy/http_message.hpp"

namespace sluice::proxy {

class HttpRoutes {
 public:
  /// `target` and its settings outlive it.
  explicit HttpRoutes(AdminTarget& target) : target_(target), access_(target.settings()) {}

  [[nodiscard]] HttpResponse answer(const HttpRequest& request, Moment now) const;

 private:
  [[nodiscard]] HttpResponse api(const HttpRequest& request, const HttpCaller& caller,
                                 Moment now) const;
  [[nodiscard]] HttpResponse view(const HttpRequest& request, Moment now) const;
  [[nodiscard]] HttpResponse change(const HttpRequest& request, const HttpCaller& caller,
                                    std::string_view backend, Moment now) const;

  AdminTarget& target_;
  HttpAccess access_;
};

}  // namespace sluice::proxy
