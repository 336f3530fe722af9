#include "proxy/admin_help.hpp"

#include <array>
#include <string>
#include <vector>

#include "config/nearest.hpp"
#include "proxy/admin_scanner.hpp"

namespace sluice::proxy {
namespace {

constexpr std::string_view show = "SHOW ";

constexpr auto topics = std::to_array<AdminTopic>({
    {"SHOW BACKENDS", "SHOW BACKENDS [LIKE 'pattern']",
     "the backends: role, state, health, lag, load, and why one serves no reads",
     "One row for each configured backend.\n"
     "  role       primary, replica or unknown, as discovered\n"
     "  state      what SET BACKEND said: ONLINE, DRAIN or OFFLINE; since, by and why go with it\n"
     "  health     up, suspect, down or unknown, as the probes and the traffic tell\n"
     "  lag_ms     how old a read here may be; NULL if that is not known\n"
     "  in_flight  commands sent whose reply is not complete\n"
     "  excluded   why it serves no reads now; empty if it does",
     "SHOW BACKENDS LIKE 'db%'\nSHOW PRIMARY\nSHOW REPLICAS"},
    {"SHOW PRIMARY", "SHOW PRIMARY", "the backend that takes the writes",
     "The primary's row of SHOW BACKENDS; no row if there is none.\nSHOW MASTER means the same.",
     "SHOW PRIMARY"},
    {"SHOW REPLICAS", "SHOW REPLICAS", "the backends that replicate from the primary",
     "The replicas' rows of SHOW BACKENDS.\nSHOW SLAVES means the same.", "SHOW REPLICAS"},
    {"SHOW SESSIONS", "SHOW SESSIONS [LIKE 'user']",
     "the clients: where each one is, and what keeps it there",
     "One row for each client session.\n"
     "  id       what KILL takes, and what CONNECTION_ID() says to the client\n"
     "  backend  of the statement under way or of the link it holds\n"
     "  pins     why the session must stay on its link; empty if it may move\n"
     "  pinned_since, pinned_until  when each of them began, and what the client has to do\n"
     "           for it to end, in the same order\n"
     "  reason   why its last statement went where it went",
     "SHOW SESSIONS\nSHOW SESSIONS LIKE 'app'"},
    {"SHOW STATUS", "SHOW STATUS [LIKE 'pattern']", "counters and facts, by name",
     "decisions_<reason> counts statements by why they went where they went; misroutes are\n"
     "statements that were taken for reads and that a replica refused as writes.",
     "SHOW STATUS LIKE 'decisions%'"},
    {"SHOW DECISIONS", "SHOW DECISIONS [LIKE 'reason']",
     "how many statements went where they went, and why", "Counted since the start.",
     "SHOW DECISIONS LIKE '%write%'"},
    {"SHOW ROUTE HISTORY", "SHOW ROUTE HISTORY [FOR SESSION id | LIKE 'user']",
     "where the last statements went, and why",
     "The last eight decisions of each session that is connected, newest first; a hundred rows\n"
     "at most. SHOW DECISIONS tells what the reasons mean.",
     "SHOW ROUTE HISTORY FOR SESSION 42"},
    {"SHOW LATENCY", "SHOW LATENCY [LIKE 'pattern']",
     "how long statements and replies take, in microseconds",
     "One row for reads and one for writes, as clients see them, waiting included; and one for\n"
     "the replies of each backend. Quantiles are estimates; counted since the start.",
     "SHOW LATENCY LIKE 'r%'"},
    {"SHOW TOPOLOGY", "SHOW TOPOLOGY [LIKE 'pattern']",
     "who replicates from whom, and why the primary is the primary",
     "One row for each backend and replication channel, as the last answered probe saw it.",
     "SHOW TOPOLOGY"},
    {"SHOW ALERTS", "SHOW ALERTS", "what is wrong with the cluster now",
     "No row means that nothing is wrong.", "SHOW ALERTS"},
    {"SHOW VARIABLES", "SHOW VARIABLES [LIKE 'pattern']", "the settings as they are running",
     "Names are those of the configuration file; secrets are masked. What clients expect of any\n"
     "server (version, sql_mode and the like) follows.",
     "SHOW VARIABLES LIKE 'routing.%'"},
    {"SHOW USERS", "SHOW USERS [LIKE 'pattern']", "the accounts that applications log in with", "",
     "SHOW USERS"},
    {"SHOW DIGESTS", "SHOW DIGESTS [LIKE 'pattern']",
     "the kinds of plain reads: how often, how long, how big, and which share links",
     "One row for each kind (the text without its values) and backend; LIKE is about the text.\n"
     "  avg_us     how long the backend takes, the last runs weighing most\n"
     "  avg_bytes  how big the replies are, the same way; max_bytes the biggest\n"
     "  shared     1 if it may share a link to this backend with other sessions' reads\n"
     "  why_not    unknown (too few runs), slow, big, or penalised (it kept others waiting)\n"
     "What is shown is bounded by limits.digest_memory; what ran last stays.",
     "SHOW DIGESTS\nSHOW DIGESTS LIKE '%orders%'"},
    {"RESET DIGESTS", "RESET DIGESTS", "forget what SHOW DIGESTS shows",
     "Each kind of read begins anew on links of its own.", "RESET DIGESTS"},
    {"SET BACKEND", "SET BACKEND name ONLINE | DRAIN | OFFLINE [BECAUSE 'text']",
     "take a backend out of traffic, or put it back",
     "  DRAIN    no new work; what is under way ends in its own time\n"
     "  OFFLINE  nothing at all\n"
     "  ONLINE   undoes both\n"
     "SHOW BACKENDS tells since when, by whom and why.",
     "SET BACKEND r1 DRAIN BECAUSE 'new disk'\nSET BACKEND r1 ONLINE"},
    {"KILL", "KILL [CONNECTION | QUERY] id", "end a session, or only its present statement",
     "The id is that of SHOW SESSIONS.", "KILL QUERY 42"},
    {"SHOW FAILOVER", "SHOW FAILOVER",
     "who is elected, what is under way, what would be done and why",
     "name and value: mode, elected, doing, trouble; for each backend what the account of\n"
     "failover.user lacks there; former primaries that are not back, with the transactions\n"
     "that only they have; and in the last row what would happen now.",
     "SHOW FAILOVER"},
    {"SHOW FAILOVER HISTORY", "SHOW FAILOVER HISTORY [LIKE 'kind']",
     "failovers, switchovers, fences and rejoins, and what was refused; newest first",
     "  result   done, undone (it failed and was put back), failed, refused\n"
     "  held_ms  how long writes had to wait\n"
     "  lost     committed transactions that were given up, or that only a stray has\n"
     "  text     why, and each step with its time",
     "SHOW FAILOVER HISTORY\nSHOW FAILOVER HISTORY LIKE 'switchover'"},
    {"FAILOVER PLAN", "FAILOVER PLAN",
     "what a failover would do now, step by step; nothing is done",
     "If all is well: what the loss of the primary would lead to.", "FAILOVER PLAN"},
    {"SWITCHOVER TO", "SWITCHOVER TO name", "make another backend primary, without loss",
     "New writes and transactions wait, open ones may end, the old primary becomes a replica.\n"
     "The answer is the plan; it has begun when you read it. SHOW FAILOVER HISTORY tells the end.\n"
     "While there is no primary, it makes one. Needs failover.mode = \"promote\".",
     "SWITCHOVER TO db2"},
    {"HELP", "HELP [command]", "this list, or more about one command", "", "HELP SET BACKEND"},
});

}  // namespace

std::span<const AdminTopic> admin_topics() { return topics; }

const AdminTopic* find_admin_topic(std::string_view name) {
  const std::string wanted = to_upper(name);
  for (const AdminTopic& topic : topics)
    if (topic.command == wanted) return &topic;
  for (const AdminTopic& topic : topics)
    if (!wanted.empty() && topic.command.ends_with(" " + wanted)) return &topic;
  return nullptr;
}

std::optional<std::string> nearest_admin_command(std::string_view first, std::string_view second) {
  std::vector<std::string> commands;
  for (const AdminTopic& topic : topics) commands.emplace_back(topic.command);
  std::string words(first);
  if (!second.empty()) words.append(" ").append(second);
  if (auto found = config::nearest(words, commands)) return found;
  // "BACKENDS" alone.
  std::vector<std::string> views;
  for (const AdminTopic& topic : topics)
    if (topic.command.starts_with(show)) views.emplace_back(topic.command.substr(show.size()));
  if (const auto found = config::nearest(first, views)) return std::string(show) + *found;
  return config::nearest(first, commands);
}

}  // namespace sluice::proxy
