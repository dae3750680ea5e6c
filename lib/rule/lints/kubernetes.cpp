// Manifests: probes against the server that they ask, limits against the workers that share them, an Ingress against the server behind it.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Yaml;
using std::string_view_literals::operator""sv;

// Below this no Python interpreter with a framework fits: a bare gunicorn worker of 20.1 to 26 has about 20 MiB of its own.
constexpr double least_worker = 24.0 * 1024 * 1024;

const Choice* setting(const Holder& holder, std::string_view name) { return model::only_choice(holder.settings, name); }
double number(const Holder& holder, std::string_view name, double otherwise) {
  const Choice* found = setting(holder, name);
  return found && found->value.known() ? found->value.number : otherwise;
}

// Packages that take long to import, or models that are loaded at the start.
std::string heavy_package(const Deployment& all) {
  constexpr std::array names{"torch"sv, "tensorflow"sv, "transformers"sv, "sentence-transformers"sv, "keras"sv, "jax"sv, "spacy"sv, "vllm"sv};
  for (const model::File& file : all.files)
    if (file.document.dialect == Dialect::requirements)
      for (const auto& entry : file.document.entries)
        if (std::ranges::find(names, entry.key) != names.end()) return entry.key;
  return {};
}

void probes(const Deployment& all, const Holder& pod, std::vector<Draft>& drafts) {
  const Choice *liveness = setting(pod, "liveness"), *readiness = setting(pod, "readiness");
  // A readiness probe that gives up takes the pod out of the service for a while: no restart.
  const Choice *waits = setting(pod, "readiness_timeoutSeconds"), *served = setting(pod, "serves");
  if (readiness && readiness->value.text == "http" && served && served->value.number != 0 && !server_of(all, pod).empty() && waits && waits->value.known() && waits->value.number <= 1 && !liveness) {
    Draft draft = lint_draft(all, "kubernetes.probe-timeout-1s", waits->from == model::From::configured ? waits->at : readiness->at, {{"detail", waits->from == model::From::configured ? "timeoutSeconds is 1" : "timeoutSeconds is not set: 1"}});
    draft.level = Level::note;
    drafts.push_back(std::move(draft));
  }
  if (!liveness) return;
  if (server_of(all, pod).empty()) {
    for (const char* rule : {"kubernetes.probe-timeout-1s", "kubernetes.no-startup-probe"}) drafts.push_back(lint_unknown(all, rule, liveness->at, "what the container runs"));
  } else {
    const Choice* timeout = setting(pod, "liveness_timeoutSeconds");
    if (liveness->value.text == "http" && timeout && timeout->value.known() && timeout->value.number <= 1) drafts.push_back(lint_draft(all, "kubernetes.probe-timeout-1s", timeout->from == model::From::configured ? timeout->at : liveness->at, {{"detail", timeout->from == model::From::configured ? "timeoutSeconds is 1" : "timeoutSeconds is not set: 1"}}));
    // Until then a container that has not answered is restarted.
    const double allowed = number(pod, "liveness_initialDelaySeconds", 0) + number(pod, "liveness_periodSeconds", 10) * number(pod, "liveness_failureThreshold", 3);
    const std::string heavy = heavy_package(all);
    if (!setting(pod, "startup") && liveness->value.text != "exec" && allowed < (heavy.empty() ? 30.0 : 120.0)) {
      Draft draft = lint_draft(all, "kubernetes.no-startup-probe", liveness->at, {{"value", std::to_string(static_cast<long>(allowed)) + "s"}, {"detail", heavy.empty() ? "" : ", and " + heavy + " is among the packages"}});
      if (heavy.empty()) draft.level = Level::note;
      drafts.push_back(std::move(draft));
    }
  }
  const Choice *live = setting(pod, "liveness_path"), *ready = setting(pod, "readiness_path");
  if (liveness->value.text == "http" && readiness && live && ready) {
    if (live->value.text.find('$') != std::string::npos) drafts.push_back(lint_unknown(all, "kubernetes.liveness-equals-readiness", live->at, live->value.text));
    else if (live->value.text == ready->value.text) {
      Draft draft = lint_draft(all, "kubernetes.liveness-equals-readiness", live->at, {{"path", live->value.text}});
      also(all, draft, ready->at);
      drafts.push_back(std::move(draft));
    }
  }
}

void limits(const Deployment& all, const Backend& server, std::vector<Draft>& drafts) {
  if (server.holder < 0) return;
  const Holder& holder = all.holders[static_cast<std::size_t>(server.holder)];
  const auto workers = server.settings.find("workers");
  const Choice *cpu = setting(holder, "cpu_limit"), *memory = setting(holder, "memory_limit") ? setting(holder, "memory_limit") : setting(holder, "memory_max");
  const bool pod = holder.kind == Holder::Kind::pod;
  if (workers == server.settings.end()) return;
  for (const Choice& choice : workers->second) {
    const std::string under = choice.when.empty() ? "" : " when " + choice.when;
    if (pod && cpu && cpu->value.known()) {
      if (!choice.value.known()) { if (!choice.value.of_cores) drafts.push_back(lint_unknown(all, "kubernetes.cpu-limit-vs-workers", choice.at, "how many workers there are")); }
      else if (choice.value.number > std::max(2.0, 2 * cpu->value.number + 1)) {
        Draft draft = lint_draft(all, "kubernetes.cpu-limit-vs-workers", cpu->at, {{"value", choice.value.text}, {"limit", cpu->value.text}, {"under", under}});
        also(all, draft, choice.at);
        drafts.push_back(std::move(draft));
      }
    }
    const char* rule = pod ? "kubernetes.memory-limit-vs-workers" : "gunicorn.workers-vs-memory";
    if (!memory || memory->value.text == "infinity") continue;
    const auto bytes = memory->value.kind == model::Value::Kind::number ? std::optional(memory->value.number) : model::size_bytes(memory->value.text);
    if (!bytes || !choice.value.known()) { drafts.push_back(lint_unknown(all, rule, memory->at, bytes ? "how many workers there are" : memory->value.text)); continue; }
    if (*bytes / (choice.value.number + 1) >= least_worker) continue;
    Draft draft = lint_draft(all, rule, memory->at, {{"limit", memory->value.text}, {"workers", choice.value.text}, {"usage", base::bytes_text(static_cast<std::uint64_t>(*bytes / (choice.value.number + 1)))}, {"under", under}});
    also(all, draft, choice.at);
    drafts.push_back(std::move(draft));
  }
}

// nginx's Ingress gives up after 60 s unless it is told otherwise; a sync worker goes on until its own timeout.
void ingresses(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "kubernetes.ingress-timeout-vs-app";
  std::vector<const Backend*> servers;
  for (const Backend& server : all.servers)
    if (server.holder >= 0 && all.holders[static_cast<std::size_t>(server.holder)].kind == Holder::Kind::pod) servers.push_back(&server);
  if (servers.size() != 1) return;
  const Backend& server = *servers.front();
  const Choice *timeout = model::only_choice(server.settings, "timeout"), *kind = model::only_choice(server.settings, "class");
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::kubernetes) continue;
    for (const Yaml& object : all.files[i].yaml.documents) {
      const Yaml* what = object.find("kind");
      if (!what || what->text != "Ingress") continue;
      const Yaml *annotations = object.path("metadata.annotations"), *chosen = object.path("spec.ingressClassName");
      bool nginx = chosen && base::contains(chosen->text, "nginx");
      const Yaml* own = nullptr;
      if (annotations)
        for (const auto& member : annotations->members) {
          nginx = nginx || base::starts_with(member.key, "nginx.ingress.kubernetes.io/") || (member.key == "kubernetes.io/ingress.class" && base::contains(member.value.text, "nginx"));
          if (member.key == "nginx.ingress.kubernetes.io/proxy-read-timeout") own = &member.value;
        }
      if (!nginx) continue;
      const Spot at = own ? Spot{i, own->at.line, own->at.column, own->at.at, own->at.end} : Spot{i, what->at.line, what->at.column, what->at.at, what->at.end};
      const auto seconds = own ? model::span_seconds(own->text) : std::optional(60.0);
      if (!seconds || !timeout || !timeout->value.known() || !kind || !kind->value.known()) { drafts.push_back(lint_unknown(all, rule, at, "the timeouts of both")); continue; }
      if (kind->value.text != "sync" || timeout->value.number <= *seconds) continue;
      Draft draft = lint_draft(all, rule, at, {{"value", own ? own->text : "60"}, {"timeout", timeout->value.text}});
      also(all, draft, timeout->at);
      draft.sure = Confidence::likely;
      draft.sure_because = "it is the only server of these manifests";
      drafts.push_back(std::move(draft));
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& holder : all.holders)
    if (holder.kind == Holder::Kind::pod) probes(all, holder, drafts);
  for (const Backend& server : all.servers) limits(all, server, drafts);
  ingresses(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint kubernetes = {"kubernetes",
                                {"kubernetes.probe-timeout-1s", "kubernetes.no-startup-probe", "kubernetes.liveness-equals-readiness", "kubernetes.cpu-limit-vs-workers", "kubernetes.memory-limit-vs-workers", "gunicorn.workers-vs-memory",
                                 "kubernetes.ingress-timeout-vs-app"},
                                look};
}

}  // namespace rule
