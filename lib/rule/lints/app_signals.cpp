// A SIGTERM handler that takes gunicorn's graceful stop away: set in post_worker_init, or while the application is imported in the worker; both come
// after Worker.init_signals. In post_fork, and with preload_app, init_signals comes later and undoes it.
#include <algorithm>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using parse::python::Call;
using parse::python::Module;
using parse::settings::Dialect;

constexpr auto rule_name = "gunicorn.sigterm-overridden";

bool takes_term(const Module& module, const Call& call) { return module.full(call.callee) == "signal.signal" && base::contains(call.arguments, "SIGTERM") && !base::contains(call.arguments, "SIG_DFL"); }

void look(const Deployment& all, std::vector<Draft>& drafts) {
  const auto say = [&](std::uint32_t file, const Call& call) { drafts.push_back(lint_draft(all, rule_name, {file, call.at.line, call.at.column, call.offset, call.offset + call.callee.size()})); };
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::gunicorn) continue;
    if (!file.template_language.empty()) { drafts.push_back(lint_unknown(all, rule_name, {i, 1, 1, 0, 0}, "what the template becomes")); continue; }
    if (!base::contains(file.text, "post_worker_init")) continue;
    const Module config = parse::python::module_of(file.text);
    for (const Call& call : config.calls)
      if (call.function == "post_worker_init" && takes_term(config, call)) say(i, call);
  }
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto classes = server.settings.find("class"), preload = server.settings.find("preload_app");
    if (!server.application || classes == server.settings.end() || preload == server.settings.end()) continue;
    // uvicorn's workers take the signals again when they serve.
    const bool own_loop = std::ranges::any_of(classes->second, [](const Choice& choice) { return !choice.value.known() || (choice.value.text != "sync" && choice.value.text != "gthread" && choice.value.text != "gevent" && choice.value.text != "eventlet"); });
    const bool early = std::ranges::any_of(preload->second, [](const Choice& choice) { return !choice.value.known() || choice.value.number != 0; });
    if (own_loop || early) continue;
    for (const int i : server.application->imported) {
      const model::Source& source = all.sources[static_cast<std::size_t>(i)];
      for (const Call& call : source.what.calls)
        if (call.function.empty() && takes_term(source.what, call)) say(source.file, call);
    }
  }
}

}  // namespace

namespace lints_of {
extern const Lint app_signals = {"app_signals", {"gunicorn.sigterm-overridden"}, look};
}

}  // namespace rule
