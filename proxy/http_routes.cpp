#include "proxy/http_routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "proxy/admin_answer.hpp"
#include "proxy/admin_help.hpp"
#include "proxy/admin_scanner.hpp"
#include "proxy/dashboard.hpp"
#include "proxy/exposition.hpp"
#include "proxy/http_json.hpp"
#include "proxy/log.hpp"
#include "proxy/metrics.hpp"
#include "proxy/process_facts.hpp"
#include "proxy/readiness.hpp"

namespace sluice::proxy {
namespace {

using Rights = HttpCaller::Rights;

constexpr std::string_view api_prefix = "/api/";
constexpr std::string_view backends_prefix = "/api/backends/";
constexpr std::string_view show = "SHOW ";
constexpr std::uint16_t denied = 1227;

HttpResponse json_response(std::string body, unsigned status = 200) {
  HttpResponse response;
  response.status = status;
  response.type = "application/json";
  response.body = std::move(body);
  return response;
}

HttpResponse not_allowed(std::string methods) {
  HttpResponse response = http_text(405, fmt::format("this takes {}", methods));
  response.fields = {{"Allow", std::move(methods)}};
  return response;
}

bool is_get(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

bool below_api(const HttpRequest& request) {
  return request.path == "/api" || request.path.starts_with(api_prefix);
}

/// "/api/failover/history" asks what "SHOW FAILOVER HISTORY" does; nullopt: nothing can.
std::optional<ShowCommand> view_of(std::string_view path) {
  std::string words(path.substr(api_prefix.size()));
  for (char& c : words) {
    if (c == '/') c = ' ';
    const bool letter = (c >= 'a' && c <= 'z') || c == ' ';
    if (!letter) return {};
  }
  const auto parsed = parse_admin(std::string(show) + words);
  const auto* command = std::get_if<AdminCommand>(&parsed);
  const auto* found = command != nullptr ? std::get_if<ShowCommand>(command) : nullptr;
  // What only drivers ask for is no view.
  if (found == nullptr || found->view >= AdminView::databases) return {};
  return *found;
}

std::vector<std::string> view_names() {
  std::vector<std::string> names;
  for (const AdminTopic& topic : admin_topics()) {
    if (!topic.command.starts_with(show)) continue;
    std::string name = to_lower(topic.command.substr(show.size()));
    std::replace(name.begin(), name.end(), ' ', '/');
    if (view_of(std::string(api_prefix) + name)) names.push_back(std::move(name));
  }
  return names;
}

AdminClient client_of(const HttpRequest& request, const HttpCaller& caller) {
  AdminClient client;
  client.user = caller.user;
  client.host = request.peer;
  if (caller.rights == Rights::change) client.rights = AdminClient::Rights::change;
  return client;
}

HttpResponse page() {
  HttpResponse response;
  response.type = "text/html; charset=utf-8";
  response.body = dashboard_page();
  response.fields = {{"Content-Security-Policy", dashboard_policy()},
                     {"X-Frame-Options", "DENY"},
                     {"Referrer-Policy", "no-referrer"},
                     {"Cross-Origin-Opener-Policy", "same-origin"},
                     {"Cache-Control", "no-cache"}};
  return response;
}

HttpResponse metrics(const AdminTarget& target, Moment now) {
  HttpResponse response;
  response.type = Exposition::content_type;
  response.body = metrics_text(target, read_process_facts(), now.steady);
  return response;
}

HttpResponse ready(const AdminTarget& target, Moment now) {
  const Readiness state = readiness(target, now.steady);
  return http_text(state.ready ? 200 : 503, state.why);
}

std::optional<routing::AdminState> admin_state(std::string_view word) {
  using routing::AdminState;
  for (const AdminState state : {AdminState::online, AdminState::drain, AdminState::offline})
    if (same_word(word, routing::to_string(state))) return state;
  return {};
}

}  // namespace

HttpResponse HttpRoutes::answer(const HttpRequest& request, Moment now) const {
  const bool open = request.path == "/" || request.path == "/healthz" || request.path == "/readyz";
  if (!open && request.path != "/metrics" && !below_api(request))
    return http_text(404, "there is nothing here; try /, /metrics, /healthz, /readyz, /api");
  const bool post = request.path.starts_with(backends_prefix);
  if (post && request.method != "POST") return not_allowed("POST");
  if (!post && !is_get(request)) return not_allowed("GET, HEAD");
  if (request.path == "/") return page();
  if (request.path == "/healthz") return http_text(200, "alive");
  if (request.path == "/readyz") return ready(target_, now);

  const std::optional<HttpCaller> caller = access_.identify(request);
  HttpResponse response;
  if (!caller) {
    response = wrong_login();
  } else if (caller->rights == Rights::none) {
    response = ask_for_login("this takes a login");
  } else if (request.path == "/metrics") {
    response = metrics(target_, now);
  } else {
    response = api(request, *caller, now);
  }
  if (below_api(request) && response.type != "application/json") {
    while (response.body.ends_with('\n')) response.body.pop_back();
    response.type = "application/json";
    response.body = error_json(response.body);
  }
  response.fields.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse HttpRoutes::api(const HttpRequest& request, const HttpCaller& caller,
                             Moment now) const {
  if (request.path.starts_with(backends_prefix))
    return change(request, caller, std::string_view(request.path).substr(backends_prefix.size()),
                  now);
  if (request.path == "/api" || request.path == api_prefix)
    return json_response(list_json("views", view_names()));
  if (request.path == "/api/overview") return json_response(overview_json(target_, caller, now));
  if (request.path == "/api/login")
    return json_response(login_json(caller, access_.change_token(caller)));
  return view(request, now);
}

HttpResponse HttpRoutes::view(const HttpRequest& request, Moment now) const {
  std::optional<ShowCommand> asked = view_of(request.path);
  if (!asked) return http_text(404, "there is no such view; GET /api lists them");
  const std::string_view pattern = request.parameter("like");
  if (!pattern.empty()) asked->filter = AdminFilter({std::string(pattern)});
  if (const std::string_view id = request.parameter("session"); !id.empty()) {
    asked->session = 0;  // nobody's
    std::from_chars(id.data(), id.data() + id.size(), *asked->session);
  }
  AdminClient client = client_of(request, {});
  const AdminReply reply = proxy::answer(AdminCommand(*asked), client, target_, now);
  if (const auto* table = std::get_if<AdminTable>(&reply)) return json_response(table_json(*table));
  const auto* error = std::get_if<AdminError>(&reply);
  return http_text(404, error != nullptr ? error->message : "this is no view");
}

HttpResponse HttpRoutes::change(const HttpRequest& request, const HttpCaller& caller,
                                std::string_view backend, Moment now) const {
  if (auto refusal = access_.refuse_change(request, caller)) return *refusal;
  const std::string_view type = request.field("Content-Type");
  if (!same_word(type.substr(0, type.find(';')), "application/json"))
    return http_text(415, "the body must be application/json");
  const auto body = parse_change(request.body);
  const auto state = body ? admin_state(body->state) : std::nullopt;
  if (!state)
    return http_text(400,
                     R"(the body must be {"state": "online" | "drain" | "offline", "why": …})");
  const SetBackendCommand command{std::string(backend), *state, body->why};
  AdminClient client = client_of(request, caller);
  const AdminReply reply = proxy::answer(AdminCommand(command), client, target_, now);
  if (const auto* error = std::get_if<AdminError>(&reply))
    return http_text(error->code == denied ? 403 : 404, error->message);
  log::info("http", "{}@{} set backend {} to {}", caller.user, request.peer, backend,
            routing::to_string(*state));
  return json_response("{}\n");
}

}  // namespace sluice::proxy
