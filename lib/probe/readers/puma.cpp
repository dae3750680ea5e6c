// Puma's control application: a server of its own in the master (in single mode a thread of the only process), so no worker is taken. Its address and
// token stand in the configuration, on the command line or in the state file (lib/puma/state_file.rb, app/status.rb@5.6.5); what it knows of its
// workers is as old as their last ping, at most 5 s. The token is sent, and kept nowhere.
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "parse/json/document.hpp"
#include "probe/status.hpp"
#include "probe/status_json.hpp"

namespace probe {

namespace {

using nlohmann::json;

std::string quoted_in(std::string_view text) {
  const std::size_t open = text.find_first_of("'\"");
  if (open == std::string_view::npos) return {};
  const std::size_t close = text.find(text[open], open + 1);
  return close == std::string_view::npos ? std::string() : std::string(text.substr(open + 1, close - open - 1));
}

std::string of_yaml(std::string_view text, std::string_view name) {
  for (const auto line : base::split(text, '\n'))
    if (base::starts_with(line, name) && line.size() > name.size() && line[name.size()] == ':') {
      const std::string_view value = base::trim(line.substr(name.size() + 1));
      const std::string inside = quoted_in(value);
      return inside.empty() ? std::string(value) : inside;
    }
  return {};
}

// A token is hex by default; one that would need more than its own bytes in a URL is escaped.
std::string escaped(std::string_view token) {
  std::string out;
  for (const char c : token) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    constexpr std::string_view digits = "0123456789ABCDEF";
    if (plain) out += c;
    else out += {'%', digits[static_cast<unsigned char>(c) >> 4], digits[static_cast<unsigned char>(c) & 15]};
  }
  return out;
}

std::vector<Endpoint> endpoints(const Asked& asked) {
  std::string url = asked.option({"--control-url", "--control"}), token = asked.option({"--control-token"}), state = asked.option({"-S", "--state"});
  for (const auto& entry : asked.settings) {
    if (entry.key == "state_path" && state.empty()) state = quoted_in(entry.value);
    if (entry.key != "activate_control_app" || !url.empty()) continue;
    url = quoted_in(entry.value);
    if (const auto rest = base::between(entry.value, "auth_token", "")) token = quoted_in(*rest);
  }
  // The state file says what it really is: the address of "auto", a token that was made up at the start.
  if (!state.empty())
    if (const auto text = asked.host.read(asked.server.path(state), 64 << 10)) {
      if (std::string value = of_yaml(*text, "control_url"); !value.empty()) url = std::move(value);
      if (std::string value = of_yaml(*text, "control_auth_token"); !value.empty()) token = std::move(value);
    }
  const std::string address = address_of(url);
  if (address.empty()) return {};
  const std::string query = token.empty() || token == "none" ? "" : "?token=" + escaped(token);
  return {{address, "GET /stats" + query + " HTTP/1.0\r\nHost: localhost\r\n\r\n", "", state.empty() ? "pumactl -C " + url + " -T TOKEN stats" : "pumactl -S " + state + " stats", ""}};
}

// max_threads, and of them what is not free: pool_capacity counts idle threads and those that may still be started (thread_pool.rb).
void fill(evidence::WorkerStatus& status, const json& one) {
  status.places = count_of(one, "max_threads");
  const std::uint64_t free = count_of(one, "pool_capacity");
  status.busy = status.places > free ? status.places - free : 0;
  status.queue = count_of(one, "backlog");
  status.handled = count_of(one, "requests_count");
}

std::optional<Told> understand(std::string_view answer, double) {
  const auto document = status_json(body_of(answer));
  if (!document) return std::nullopt;
  using parse::json::member;
  Told told;
  const json& workers = member(*document, "worker_status");
  if (workers.is_array()) {
    for (const json& one : workers) {
      Told::Worker worker;
      worker.pid = static_cast<int>(count_of(one, "pid"));
      worker.status.state = parse::json::truth_of(member(one, "booted")) ? "booted" : "booting";
      fill(worker.status, member(one, "last_status"));
      ++told.server.workers;
      told.server.places += worker.status.places;
      told.server.busy += worker.status.busy;
      told.server.queue += worker.status.queue;
      told.workers.push_back(std::move(worker));
    }
  } else if (document->contains("pool_capacity")) {
    evidence::WorkerStatus only;
    fill(only, *document);
    told.server.workers = 1;
    told.server.places = only.places;
    told.server.busy = only.busy;
    told.server.queue = only.queue;
  } else {
    return std::nullopt;
  }
  return told;
}

}  // namespace

namespace readers_of {
extern const Reader puma = {"puma control", "puma", endpoints, understand};
}
}  // namespace probe
