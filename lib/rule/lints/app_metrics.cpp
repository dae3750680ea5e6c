// A metrics port that every worker binds for itself: the second worker cannot, "[Errno 98] Address already in use", and where that is caught one
// worker's figures stand for all.
#include <algorithm>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Spot;
using parse::python::Call;
using parse::python::Module;

constexpr auto rule_name = "gunicorn.metrics-port-per-worker";

bool opens_port(const Module& module, const Call& call) {
  const std::string full = module.full(call.callee);
  return full == "prometheus_client.start_http_server" || full == "prometheus_client.exposition.start_http_server" || full == "prometheus_client.start_wsgi_server";
}

// A port that is computed, or 0, may well differ from worker to worker.
bool fixed_port(const Call& call) {
  const std::string_view first = base::trim(std::string_view(call.arguments).substr(0, call.arguments.find(',')));
  const auto number = base::read_number(base::starts_with(first, "port=") ? first.substr(5) : first);
  return number && *number > 0;
}

// Does the module, while it is imported, call this function of its own, or one of these that import it?
bool called_at_import(const Deployment& all, const Backend& server, const std::string& function) {
  for (const int i : server.application->imported)
    for (const Call& call : all.sources[static_cast<std::size_t>(i)].what.calls)
      if (call.function.empty() && (call.callee == function || call.callee.ends_with("." + function))) return true;
  return false;
}

void say(const Deployment& all, const Backend& server, std::uint32_t file, const Call& call, const Choice& workers, std::vector<Draft>& drafts) {
  const Spot at{file, call.at.line, call.at.column, call.offset, call.offset + call.callee.size()};
  const bool many = workers.value.of_cores || (workers.value.known() && workers.value.number > 1);
  if (!many && workers.value.known()) return;
  if (!many || !fixed_port(call)) { drafts.push_back(lint_unknown(all, rule_name, at, many ? "the port" : "how many workers there are")); return; }
  Draft draft = lint_draft(all, rule_name, at, {{"value", workers.value.text}, {"name", call.callee + "(" + call.arguments.substr(0, 40) + ")"}});
  also(all, draft, workers.at);
  if (server.config_guess) { draft.sure = Confidence::likely; draft.sure_because = "if this is the file that the command reads"; }
  drafts.push_back(std::move(draft));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto workers = server.settings.find("workers"), preload = server.settings.find("preload_app");
    if (workers == server.settings.end() || workers->second.empty()) continue;
    const auto most = std::ranges::max_element(workers->second, {}, [](const Choice& choice) { return choice.value.of_cores ? 2 : choice.value.known() ? choice.value.number : 0; });
    if (server.config != model::no_file) {
      const Module config = parse::python::module_of(all.files[server.config].text);
      for (const Call& call : config.calls)
        if ((call.function == "post_fork" || call.function == "post_worker_init") && opens_port(config, call)) say(all, server, server.config, call, *most, drafts);
    }
    // With preload_app the import happens once, in the master.
    const bool once = preload != server.settings.end() && std::ranges::any_of(preload->second, [](const Choice& choice) { return !choice.value.known() || choice.value.number != 0; });
    if (!server.application || once) continue;
    for (const int i : server.application->imported) {
      const model::Source& source = all.sources[static_cast<std::size_t>(i)];
      for (const Call& call : source.what.calls)
        if (opens_port(source.what, call) && (call.function.empty() || called_at_import(all, server, call.function))) say(all, server, source.file, call, *most, drafts);
    }
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_metrics = {"app_metrics", {"gunicorn.metrics-port-per-worker"}, look};
}

}  // namespace rule
