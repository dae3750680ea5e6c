// gunicorn's settings whose text has a grammar or a place of its own: the access log's variables, the heartbeat's folder, whose headers are believed.
#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;

// gunicorn/glogging.py atoms(), 20.1 to 26: what is none of these becomes "-".
void access_log(const Deployment& all, const Backend& server, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.access-log-format";
  const auto found = server.settings.find("access_log_format");
  if (found == server.settings.end()) return;
  const Choice *logger = model::only_choice(server.settings, "logger_class"), *kind = model::only_choice(server.settings, "class");
  for (const Choice& choice : found->second) {
    if (choice.from != model::From::configured) continue;
    if (!choice.value.known()) { drafts.push_back(lint_unknown(all, rule, choice.at, "the format")); continue; }
    // Another logger has variables of its own, and uvicorn's workers write their access log themselves.
    if ((logger && logger->from == model::From::configured) || !kind || !kind->value.known() || kind->value.text == "uvicorn") { drafts.push_back(lint_unknown(all, rule, choice.at, "what the logger makes of it")); continue; }
    const std::string& text = choice.value.text;
    std::set<std::string> unknown;
    std::string broken;
    for (std::size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 1)) {
      if (at + 1 < text.size() && text[at + 1] == '%') { ++at; continue; }
      if (at + 1 >= text.size() || text[at + 1] != '(') { broken = text.substr(at, 3); continue; }
      const auto close = text.find(')', at);
      if (close == std::string::npos) { broken = text.substr(at, 12); break; }
      const std::string name = text.substr(at + 2, close - at - 2);
      const bool one = name.size() == 1 && std::string_view("hlutrsmUqHbBfaTDMLp").find(name[0]) != std::string_view::npos;
      const bool braces = name.size() > 3 && name.front() == '{' && name[name.size() - 2] == '}' && std::string_view("ioe").find(name.back()) != std::string_view::npos;
      if (!one && !braces) unknown.insert("%(" + name + ")s");
    }
    if (!broken.empty()) drafts.push_back(lint_draft(all, rule, choice.at, {{"value", broken}, {"effect", "is no %(name)s: every line of the access log becomes an error in the error log"}}));
    else if (!unknown.empty()) drafts.push_back(lint_draft(all, rule, choice.at, {{"value", *unknown.begin()}, {"effect", "is no variable of gunicorn's: it is written as -"}}));
  }
}

void heartbeat(const Deployment& all, const Backend& server, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.worker-tmp-dir-disk";
  const auto found = server.settings.find("worker_tmp_dir");
  if (found == server.settings.end()) return;
  for (const Choice& choice : found->second) {
    if (choice.from != model::From::configured) continue;
    if (!choice.value.known()) { drafts.push_back(lint_unknown(all, rule, choice.at, "the folder")); continue; }
    const std::string& path = choice.value.text;
    // /tmp is memory on some systems and disk on others.
    if (base::starts_with(path, "/var/tmp")) drafts.push_back(lint_draft(all, rule, choice.at, {{"path", path}}));
    else if (base::starts_with(path, "/tmp")) drafts.push_back(lint_unknown(all, rule, choice.at, "whether /tmp is a disk there"));
    else if (base::starts_with(path, "/var/") && !base::starts_with(path, "/var/run")) drafts.push_back(lint_draft(all, rule, choice.at, {{"path", path}}));
    else if (base::starts_with(path, "/opt/") || base::starts_with(path, "/srv/") || base::starts_with(path, "/home/")) drafts.push_back(lint_draft(all, rule, choice.at, {{"path", path}}));
  }
}

// nginx in another container: its address is none of those that gunicorn believes by default (127.0.0.1, and ::1 from 23.0 on).
void believed(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "gunicorn.forwarded-allow-ips-missing";
  std::set<std::size_t> said;
  for (const model::Link& link : all.links) {
    const Backend& server = all.servers[link.server];
    const Holder* holder = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    const model::Nginx& nginx = *all.nginx[link.nginx];
    const model::Pass& pass = nginx.passes[link.pass];
    const std::string address = pass.upstream >= 0 ? (nginx.upstreams[static_cast<std::size_t>(pass.upstream)].peers.empty() ? "" : nginx.upstreams[static_cast<std::size_t>(pass.upstream)].peers.front().address) : pass.address;
    if (!holder || holder->kind != Holder::Kind::service || base::starts_with(address, "unix:") || base::starts_with(address, "127.") || base::starts_with(address, "localhost")) continue;
    const auto headers = model::in_force(nginx, pass.block, "proxy_set_header");
    bool scheme = false;
    if (headers.node)
      for (const auto* node : model::own(nginx, headers.block, "proxy_set_header")) scheme = scheme || node->directive.argument(0) == "X-Forwarded-Proto";
    const Choice* allowed = model::only_choice(server.settings, "forwarded_allow_ips");
    if (!scheme || !said.insert(link.server).second) continue;
    const bool environment = std::ranges::any_of(all.files, [](const model::File& file) { return base::contains(file.text, "FORWARDED_ALLOW_IPS"); });
    if (!allowed || environment || allowed->from == model::From::unknown || !allowed->value.known()) { drafts.push_back(lint_unknown(all, rule, pass.at, "forwarded_allow_ips")); continue; }
    if (allowed->from != model::From::built_in) continue;
    Draft draft = lint_draft(all, rule, server.at, {{"name", address}});
    also(all, draft, pass.at);
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    access_log(all, server, drafts);
    if (server.flavour == "gunicorn") heartbeat(all, server, drafts);
  }
  believed(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint gunicorn_texts = {"gunicorn_texts", {"gunicorn.access-log-format", "gunicorn.worker-tmp-dir-disk", "gunicorn.forwarded-allow-ips-missing"}, look};
}

}  // namespace rule
