/// sluice_load: the load generator that costs little, so that it is not what is measured.
#include <sys/resource.h>

#include <cstdio>

#include "bench/load/load_run.hpp"
#include "bench/load/storm_run.hpp"

namespace {

using namespace sluice::load;

/// For error words: quotes, backslashes and control characters escaped.
std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return out + "\"";
}

double microseconds(Histogram::Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

void print_latency(const char* name, const Histogram& latency) {
  std::printf(
      "  \"%s\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p95\": %.1f, "
      "\"p99\": %.1f, \"p99_9\": %.1f, \"p99_99\": %.1f, \"max\": %.1f},\n",
      name, microseconds(latency.mean()), microseconds(latency.percentile(50)),
      microseconds(latency.percentile(90)), microseconds(latency.percentile(95)),
      microseconds(latency.percentile(99)), microseconds(latency.percentile(99.9)),
      microseconds(latency.percentile(99.99)), microseconds(latency.max()));
}

void print(const Options& options, const Figures& figures) {
  std::printf(
      "{\n"
      "  \"protocol\": \"%s\",\n"
      "  \"loop\": \"%s\",\n"
      "  \"rate_asked\": %.1f,\n"
      "  \"connections\": %u,\n"
      "  \"statements\": %llu,\n"
      "  \"seconds\": %.4f,\n"
      "  \"statements_per_second\": %.1f,\n"
      "  \"replies\": %llu,\n"
      "  \"errors\": %llu,\n"
      "  \"unfinished\": %llu,\n"
      "  \"lost_connections\": %u,\n"
      "  \"first_error\": %s,\n"
      "  \"rows\": %llu,\n"
      "  \"bytes\": %llu,\n"
      "  \"login_seconds\": %.4f,\n",
      options.protocol == Protocol::text ? "text" : "prepared",
      options.storm      ? "storm"
      : options.rate > 0 ? "open"
                         : "closed",
      options.rate, options.connections, static_cast<unsigned long long>(figures.statements),
      figures.seconds,
      figures.seconds > 0 ? static_cast<double>(figures.statements) / figures.seconds : 0.0,
      static_cast<unsigned long long>(figures.replies),
      static_cast<unsigned long long>(figures.errors),
      static_cast<unsigned long long>(figures.unfinished), figures.lost_connections,
      json_text(figures.first_error).c_str(), static_cast<unsigned long long>(figures.rows),
      static_cast<unsigned long long>(figures.bytes), figures.login_seconds);
  print_latency("latency_us", figures.latency);
  if (figures.slow_latency.count() > 0) print_latency("slow_latency_us", figures.slow_latency);
  std::printf(
      "  \"cpu_seconds\": {\"user\": %.4f, \"system\": %.4f},\n"
      "  \"context_switches\": {\"voluntary\": %ld, \"involuntary\": %ld}\n"
      "}\n",
      figures.usage.user_seconds, figures.usage.system_seconds, figures.usage.voluntary_switches,
      figures.usage.involuntary_switches);
}

/// As many descriptors as we are allowed: one a connection.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int count, char** values) {
  try {
    const Options options = parse_options({values + 1, values + count});
    if (options.help) {
      std::fputs(usage_text, stdout);
      return 0;
    }
    raise_descriptor_limit();
    print(options, options.storm ? StormRun(options).run() : LoadRun(options).run());
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "sluice_load: %s\n\n%s", error.what(), usage_text);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice_load: %s\n", error.what());
    return 1;
  }
}
