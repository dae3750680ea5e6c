// `docker inspect NAME` (moby api/types/container, podman prints the same names): an array of containers. How it was started is kept when
// that starts a server; of its environment only the three variables that set a server's defaults.
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "parse/command/words.hpp"
#include "parse/json/document.hpp"

namespace parse {
namespace {

using Json = nlohmann::json;
using json::int_of, json::member, json::Places, json::read_document, json::text_of, json::time_of, json::truth_of;

constexpr std::size_t most_containers = 5000;

int sure(std::string_view, std::string_view head) {
  head = base::trim(head);
  if (head.empty() || (head.front() != '[' && head.front() != '{')) return 0;
  const bool state = base::contains(head, "\"State\"") && (base::contains(head, "\"OOMKilled\"") || base::contains(head, "\"ExitCode\""));
  return state && base::contains(head, "\"Id\"") ? 92 : 0;
}

void add_command(const Json& container, const Json& config, const std::string& name, const Record& record, Sink& sink) {
  std::vector<std::string> words;
  if (const std::string path = text_of(member(container, "Path")); !path.empty()) words.push_back(path);
  if (const Json& args = member(container, "Args"); args.is_array())
    for (const Json& word : args)
      if (words.size() < 1000) words.push_back(text_of(word));
  const std::string line = command::shell_line(words);
  auto starts = command::read_command(line);
  if (!starts) return;
  std::string environment;
  if (const Json& list = member(config, "Env"); list.is_array())
    for (const Json& one : list)
      if (const std::string assignment = text_of(one); command::keeps(assignment)) environment += (environment.empty() ? "" : "\n") + assignment;
  if (starts->environment.empty()) starts->environment = std::move(environment);
  else if (!environment.empty()) starts->environment = environment + '\n' + starts->environment;
  evidence::Subject about;
  about.unit = name;
  Record quiet = record;
  quiet.line = quiet.text = {};  // the command line may hold a password; args is redacted where it is shown
  sink.add(std::move(*starts), std::move(about), quiet);
}

void add_container(const Json& container, Places& places, Sink& sink) {
  const Json& state = member(container, "State");
  if (!state.is_object()) return;
  evidence::ContainerState fact;
  fact.id = text_of(member(container, "Id"));
  places.part("\"" + fact.id + "\"");
  fact.container = text_of(member(container, "Name"));
  if (base::starts_with(fact.container, "/")) fact.container.erase(0, 1);
  const std::string status = text_of(member(state, "Status"));
  const bool running = status == "running" || truth_of(member(state, "Running"));
  fact.state = running ? "running" : status == "created" || status == "restarting" || status == "paused" ? "waiting" : "terminated";
  fact.oom_killed = truth_of(member(state, "OOMKilled"));
  fact.reason = text_of(member(state, "Error"));
  if (fact.reason.empty() && fact.oom_killed) fact.reason = "OOMKilled";
  if (!running) fact.exit_code = int_of(member(state, "ExitCode"));
  fact.restarts = int_of(member(container, "RestartCount")).value_or(0);
  const Json& memory = member(member(container, "HostConfig"), "Memory");
  if (memory.is_number_unsigned()) fact.memory_limit = memory.get<std::uint64_t>();
  fact.started = text_of(member(state, "StartedAt"));
  fact.finished = text_of(member(state, "FinishedAt"));
  const auto started = time_of(fact.started), finished = time_of(fact.finished);
  if (!started) fact.started.clear();
  if (!finished) fact.finished.clear();
  evidence::Subject about;
  about.unit = fact.container;
  about.space = evidence::PidSpace::host;  // the daemon's own namespace, which is the host's
  about.pid = int_of(member(state, "Pid")).value_or(0);
  const std::string name = fact.container;
  std::string excerpt = "\"State\": " + state.dump(-1, ' ', false, Json::error_handler_t::replace);
  excerpt.resize(std::min(excerpt.size(), evidence::excerpt_limit));
  const Record record = places.at("\"State\"", excerpt);
  sink.add(std::move(fact), std::move(about), record, running ? started : finished ? finished : started);
  add_command(container, member(container, "Config"), name, record, sink);
}

void read(std::string_view text, Sink& sink) {
  const auto document = read_document(text, "containers", sink);
  if (!document) return;
  Places places(text);
  if (document->is_object()) {
    add_container(*document, places, sink);
    return;
  }
  std::size_t seen = 0;
  if (document->is_array())
    for (const Json& container : *document) {
      if (++seen > most_containers) return;
      add_container(container, places, sink);
    }
}

}  // namespace

namespace configs_of {
extern const Document docker_inspect = {"docker inspect", evidence::SourceKind::container, sure, read};
}

}  // namespace parse
