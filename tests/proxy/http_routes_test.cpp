#include "proxy/http_routes.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "proxy/dashboard.hpp"
#include "proxy/http_json.hpp"
#include "tests/proxy/admin_stage.hpp"

namespace sluice::proxy {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;
namespace json = boost::json;

// base64 of "admin:secret", "stats:glass", "admin:wrong", "nobody:secret"
constexpr const char* admin = "Basic YWRtaW46c2VjcmV0";
constexpr const char* stats = "Basic c3RhdHM6Z2xhc3M=";
constexpr const char* wrong = "Basic YWRtaW46d3Jvbmc=";
constexpr const char* nobody = "Basic bm9ib2R5OnNlY3JldA==";

class HttpRoutesTest : public testing::Test {
 protected:
  HttpRoutesTest() { stage_.settings_.http.token = config::Secret("scrape-me"); }

  HttpResponse ask(std::string_view target, HttpRequest::Pairs fields = {},
                   std::string_view method = "GET", std::string body = {}) {
    HttpRequest request;
    request.method = method;
    EXPECT_TRUE(request.set_target(target));
    request.fields = std::move(fields);
    if (request.field("Host").empty()) request.fields.emplace_back("Host", "127.0.0.1:6080");
    request.body = std::move(body);
    request.peer = "10.0.0.9";
    return routes_.answer(request, now_);
  }
  json::value get(std::string_view target, HttpRequest::Pairs fields = {}) {
    const HttpResponse response = ask(target, std::move(fields));
    EXPECT_EQ(response.status, 200U) << response.body;
    EXPECT_EQ(response.type, "application/json");
    return json::parse(response.body);
  }
  // A change as the dashboard sends it, but for what `fields` overrule.
  HttpResponse change(HttpRequest::Pairs fields = {},
                      std::string body = R"({"state": "offline", "why": "a \"disk\""})",
                      std::string_view target = "/api/backends/db1") {
    HttpRequest::Pairs all{{"Content-Type", "application/json"},
                           {"Authorization", admin},
                           {"Origin", "http://127.0.0.1:6080"},
                           {"Sec-Fetch-Site", "same-origin"},
                           {"X-Sluice-Change", token()}};
    for (auto& [name, value] : fields)
      for (auto& [own, present] : all)
        if (own == name) present = value;
    return ask(target, all, "POST", std::move(body));
  }
  std::string token() {
    return std::string(
        get("/api/login", {{"Authorization", admin}}).at("change_token").as_string());
  }
  [[nodiscard]] routing::AdminState state(std::size_t backend) const {
    return stage_.topology_->backends[backend].admin.state;
  }

  AdminStage stage_;
  HttpRoutes routes_{stage_};
  Moment now_{stage_.topology_->backends[1].lag_known_at,
              std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000))};
};

TEST_F(HttpRoutesTest, AnswerUnknownPathsAndMethodsClearly) {
  EXPECT_EQ(ask("/nothing").status, 404U);
  EXPECT_EQ(ask("/api/nothing").status, 404U);
  const HttpResponse posted = ask("/metrics", {}, "POST");
  EXPECT_EQ(posted.status, 405U);
  EXPECT_THAT(posted.fields, testing::Contains(testing::Pair("Allow", "GET, HEAD")));
  EXPECT_EQ(ask("/api/backends/db1", {}, "GET").status, 405U);
  EXPECT_EQ(ask("/api/backends", {}, "OPTIONS").status, 405U);
  EXPECT_EQ(ask("/metrics", {}, "HEAD").status, 200U);
}

TEST_F(HttpRoutesTest, SayOnHealthzAndReadyzWhatALoadBalancerAsks) {
  stage_.settings_.http.login_required = true;
  EXPECT_EQ(ask("/healthz").status, 200U);
  EXPECT_EQ(ask("/readyz").body, "primary db1 (sole_writable)\n");
  stage_.phase_ = Phase::draining;
  EXPECT_EQ(ask("/readyz").status, 503U);
  EXPECT_EQ(ask("/healthz").status, 200U);
}

TEST_F(HttpRoutesTest, ShowWhatTheAdminPortShows) {
  const json::value rows = get("/api/backends");
  ASSERT_EQ(rows.as_array().size(), 2U);
  EXPECT_EQ(rows.at(1).at("name"), "r1");
  EXPECT_EQ(rows.at(1).at("reads"), 7);
  EXPECT_EQ(rows.at(1).at("why"), "new disk");
  EXPECT_TRUE(rows.at(0).at("since").is_null());
  EXPECT_EQ(get("/api/backends?like=r%25").as_array().size(), 1U);
  const json::value views = get("/api").at("views");
  for (const json::value& view : views.as_array())
    EXPECT_TRUE(get("/api/" + std::string(view.as_string())).is_array()) << view;
  EXPECT_THAT(json::serialize(views), HasSubstr("\"decisions\""));
}

TEST_F(HttpRoutesTest, KeepWhatIsNoViewOut) {
  for (const char* target : {"/api/databases", "/api/BACKENDS", "/api/backends;", "/api/status%27",
                             "/api/status%20like%20%27x%27", "/api/", "/api/collation"})
    EXPECT_THAT((std::vector<unsigned>{200, 404}), testing::Contains(ask(target).status)) << target;
  EXPECT_EQ(ask("/api/databases").status, 404U);
  EXPECT_EQ(ask("/api/backends;").status, 404U);
}

TEST_F(HttpRoutesTest, NeverTellASecret) {
  for (const char* target : {"/api/variables", "/api/users", "/api/overview", "/metrics"})
    for (const char* secret : {"secret", "glass", "hidden", "scrape-me"})
      EXPECT_THAT(ask(target).body, Not(HasSubstr(secret))) << target;
}

TEST_F(HttpRoutesTest, LetEverybodyLookUnlessALoginIsRequired) {
  for (const char* target : {"/metrics", "/api", "/api/backends", "/api/overview", "/api/login"}) {
    stage_.settings_.http.login_required = false;
    EXPECT_EQ(ask(target).status, 200U) << target;
    stage_.settings_.http.login_required = true;
    const HttpResponse refused = ask(target);
    EXPECT_EQ(refused.status, 401U) << target;
    EXPECT_THAT(refused.fields, testing::Contains(testing::Key("WWW-Authenticate")));
    for (const char* login : {admin, stats, "bearer scrape-me", "Bearer scrape-me"})
      EXPECT_EQ(ask(target, {{"Authorization", login}}).status, 200U) << target << login;
  }
}

TEST_F(HttpRoutesTest, RefuseAWrongLoginSlowlyEvenWhereNoneIsNeeded) {
  for (const char* login : {wrong, nobody, "Basic", "Basic ", "Basic !!!!", "Basic YQ==", "Bearer",
                            "Bearer x", "Bearer ", "Digest x", "Basic Og=="}) {
    const HttpResponse refused = ask("/api/backends", {{"Authorization", login}});
    EXPECT_EQ(refused.status, 401U) << login;
    EXPECT_GT(refused.delay, std::chrono::milliseconds{100}) << login;
  }
}

TEST_F(HttpRoutesTest, KnowNoAccountWithoutAPassword) {
  stage_.settings_.admin.readonly_password = config::Secret();
  stage_.settings_.http.token = config::Secret();
  // "stats:" and an empty token
  EXPECT_EQ(ask("/api", {{"Authorization", "Basic c3RhdHM6"}}).status, 401U);
  EXPECT_EQ(ask("/api", {{"Authorization", "Bearer "}}).status, 401U);
}

TEST_F(HttpRoutesTest, ShowNothingToAPageThatHasItsNamePointHere) {
  EXPECT_EQ(ask("/api/backends", {{"Host", "evil.example:6080"}}).status, 401U);
  EXPECT_EQ(ask("/api/backends", {{"Host", "127.0.0.1.evil.example"}}).status, 401U);
  for (const char* host : {"127.0.0.1:6080", "localhost:6080", "[::1]:6080", "localhost"})
    EXPECT_EQ(ask("/api/backends", {{"Host", host}}).status, 200U) << host;
  EXPECT_EQ(ask("/api/backends", {{"Host", "db.example"}, {"Authorization", stats}}).status, 200U);
  // Where others may come from anyway, they may call it what they like.
  stage_.settings_.http.address = config::Address::tcp("0.0.0.0", 6080);
  EXPECT_EQ(ask("/api/backends", {{"Host", "sluice.example:6080"}}).status, 200U);
}

TEST_F(HttpRoutesTest, ChangeABackendLikeTheAdminPort) {
  const HttpResponse done = change();
  EXPECT_EQ(done.status, 200U) << done.body;
  EXPECT_EQ(state(0), routing::AdminState::offline);
  EXPECT_EQ(stage_.topology_->backends[0].admin.by, "admin@10.0.0.9");
  EXPECT_EQ(stage_.topology_->backends[0].admin.why, "a \"disk\"");
  EXPECT_EQ(change({}, R"({"state":"ONLINE"})").status, 200U);
  EXPECT_EQ(state(0), routing::AdminState::online);
}

TEST_F(HttpRoutesTest, TakeChangesOnlyFromTheirOwnPage) {
  for (const auto& [field, value] : HttpRequest::Pairs{
           {"Origin", "http://evil.example"},
           {"Origin", "null"},
           {"Origin", "http://127.0.0.1:6081"},
           {"Origin", "ftp://127.0.0.1:6080"},
           {"Sec-Fetch-Site", "cross-site"},
           {"Sec-Fetch-Site", "same-site"},
           {"X-Sluice-Change", ""},
           {"X-Sluice-Change", "0123"},
       }) {
    const HttpResponse refused = change({{field, value}});
    EXPECT_EQ(refused.status, 403U) << field << " " << value;
    EXPECT_EQ(refused.type, "application/json");
  }
  EXPECT_EQ(change({{"Content-Type", "text/plain"}}).status, 415U);
  EXPECT_EQ(state(0), routing::AdminState::online);
  EXPECT_EQ(change({{"Origin", "https://127.0.0.1:6080"}}).status, 200U) << "TLS in front of it";
}

TEST_F(HttpRoutesTest, TakeChangesOnlyFromTheAdminsAccount) {
  EXPECT_EQ(change({{"Authorization", ""}}).status, 401U);
  EXPECT_EQ(change({{"Authorization", wrong}}).status, 401U);
  EXPECT_EQ(change({{"Authorization", stats}}).status, 403U);
  EXPECT_EQ(change({{"Authorization", "Bearer scrape-me"}}).status, 401U);
  EXPECT_EQ(state(0), routing::AdminState::online);
  EXPECT_TRUE(get("/api/login", {{"Authorization", stats}}).at("change_token").is_null());
  const HttpRoutes other(stage_);  // as after a restart
  EXPECT_NE(token(), "");
}

TEST_F(HttpRoutesTest, SayWhatIsWrongWithAChange) {
  for (const char* body : {"", "{}", "[]", "1", "{\"state\":\"asleep\"}", "{\"state\":1}",
                           "{\"state\":\"drain\",\"x\":\"y\"}", "{\"state\":\"drain\""})
    EXPECT_EQ(change({}, body).status, 400U) << body;
  const HttpResponse unknown = change({}, R"({"state":"drain"})", "/api/backends/db11");
  EXPECT_EQ(unknown.status, 404U);
  EXPECT_THAT(unknown.body, HasSubstr("did you mean 'db1'"));
}

TEST_F(HttpRoutesTest, GiveTheDashboardAllOfItAtOneMoment) {
  const json::value all = get("/api/overview", {{"Authorization", admin}});
  EXPECT_EQ(all.at("rights"), "change");
  EXPECT_EQ(all.at("ready"), true);
  EXPECT_EQ(all.at("sessions_total"), 1);
  EXPECT_EQ(all.at("sessions").at(0).at("user"), "app");
  EXPECT_EQ(all.at("latency").at("backends").at("r1").at("counts").as_array().size(),
            all.at("latency").at("bounds_us").as_array().size() + 1);
}

TEST_F(HttpRoutesTest, SendJsonThatIsUtf8WhateverTheNamesAre) {
  stage_.session_->set_names({"a\xFF\xC3\xA9\xED\xA0\x80\"<", "sh\xE2\x82"});
  const json::value sessions = get("/api/sessions");
  EXPECT_EQ(sessions.at(0).at("user"),
            "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"<");
  EXPECT_EQ(sessions.at(0).at("schema"), "sh\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(HttpRoutesTest, LetThePageRunNothingButItsOwnScript) {
  const HttpResponse page = ask("/");
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body, testing::StartsWith("<!doctype html>"));
  EXPECT_THAT(page.body, Each(testing::Lt('\x7f'))) << "the page is ASCII";
  EXPECT_THAT(page.body, Not(HasSubstr("style=\""))) << "the policy would ignore it";
  EXPECT_THAT(page.body, Not(HasSubstr("innerHTML"))) << "names come from the network";
  EXPECT_THAT(dashboard_policy(), Not(HasSubstr("unsafe")));
  EXPECT_THAT(page.fields,
              testing::Contains(testing::Pair("Content-Security-Policy", dashboard_policy())));
  // printf %s 1 | openssl dgst -sha256 -binary | base64
  EXPECT_THAT(policy_for("<script>1</script>"),
              HasSubstr("script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"));
}

}  // namespace
}  // namespace sluice::proxy
