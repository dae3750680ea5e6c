// What the words of each scope hold in a deployment. Each word is computed when a condition asks for it: a tree of 200 sites has many passes and
// a card asks for three words.
#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "model/gunicorn_value.hpp"
#include "model/pass.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Choices;
using model::Deployment;
using model::From;
using model::Holder;
using model::Nginx;
using model::Pass;
using model::Value;

Choices one(Value value, const model::Spot& at, From from = From::configured) { return {{std::move(value), "", at, from}}; }
Choices open(const model::Spot& at) { return one(model::unknown_value(), at, From::unknown); }

const Holder* holder_of(const Deployment& all, const Backend& server) { return server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)]; }

bool any_container(const Deployment& all) {
  return std::ranges::any_of(all.holders, [](const Holder& holder) { return holder.container(); });
}

bool public_address(std::string_view bind) {
  if (base::starts_with(bind, "unix:") || base::starts_with(bind, "/") || base::starts_with(bind, "fd:")) return false;
  return base::starts_with(bind, "0.0.0.0") || base::starts_with(bind, "[::]") || base::starts_with(bind, ":") || base::starts_with(bind, "*:");
}

Choices of_binds(const Backend& server, bool (*holds)(std::string_view)) {
  Choices out;
  const auto bind = server.settings.find("bind");
  if (bind == server.settings.end()) return open(server.at);
  for (const Choice& choice : bind->second) {
    Choice copy = choice;
    const auto& items = choice.value.items;
    const bool yes = std::ranges::any_of(items, [&](const std::string& item) { return holds(item); });
    // "0.0.0.0:$PORT" is open in its port only.
    if (!choice.value.known()) copy.value = yes ? model::truth_value(true) : model::unknown_value();
    else copy.value = model::truth_value(yes);
    if (!choice.value.items.empty()) copy.value.text = choice.value.text;
    out.push_back(std::move(copy));
  }
  return out;
}

// A file whose name says that it is for development.
bool for_development(const Deployment& all, const Holder& holder) {
  if (holder.at.file >= all.files.size()) return false;
  std::string name;
  for (const char c : base::file_name(all.files[holder.at.file].path)) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string_view word : {"dev", "local", "test", "debug", "override"}) if (base::contains(name, word)) return true;
  return false;
}

Choices server_word(const Deployment& all, const Backend& server, std::string_view word) {
  const Holder* holder = holder_of(all, server);
  if (word == "has_command") return one(model::truth_value(!server.command.empty()), server.at);
  if (word == "in_container") {
    if (holder && holder->container()) return one(model::truth_value(true), holder->at);
    if (holder && holder->kind == Holder::Kind::script) return open(holder->at);  // an entrypoint script, or one that systemd starts
    return !holder && any_container(all) ? open(server.at) : one(model::truth_value(false), server.at);
  }
  if (word == "supervised") return one(model::truth_value(holder && holder->kind != Holder::Kind::script && holder->kind != Holder::Kind::process && !for_development(all, *holder)), server.at);
  if (word == "public_bind") return of_binds(server, public_address);
  if (word == "unix_bind" && holder && model::socket_activated(all, *holder)) return one(model::truth_value(false), holder->at);  // systemd makes the socket
  if (word == "unix_bind") return of_binds(server, [](std::string_view bind) { return base::starts_with(bind, "unix:") || base::starts_with(bind, "/"); });
  if (word == "behind_nginx") {
    const auto index = static_cast<std::size_t>(&server - all.servers.data());
    const auto link = std::ranges::find_if(all.links, [&](const model::Link& link_) { return link_.server == index; });
    if (link == all.links.end()) return one(model::truth_value(false), server.at);
    return one(model::truth_value(true), all.nginx[link->nginx]->passes[link->pass].at);
  }
  if (word == "version" || word == "server_version") {
    const auto version = condition::version_number(server.version);
    return version ? one(model::number_value(*version, server.version), server.at) : open(server.at);
  }
  const auto found = server.settings.find(word);
  return found == server.settings.end() ? open(server.at) : found->second;
}

std::string server_name(const Deployment& all, const Backend& server) {
  const Holder* holder = holder_of(all, server);
  if (holder) return holder->name;
  return server.at.file < all.files.size() ? all.files[server.at.file].shown : "gunicorn";
}

Choices holder_word(const Deployment& all, const Holder& holder, const Backend* server, std::string_view word) {
  if (word == "kind") {
    constexpr std::string_view kinds[] = {"unit", "image", "service", "pod", "process", "program", "script"};
    return one(model::text_value(std::string(kinds[static_cast<std::size_t>(holder.kind)])), holder.at);
  }
  const auto found = holder.settings.find(word);
  if (word == "server") {
    if (server) return one(model::text_value(server->flavour), server->at);
    for (const std::string_view key : {"exec_start", "command", "cmd", "entrypoint"})
      if (const Choice* line = model::only_choice(holder.settings, key)) if (std::string name = server_in(line->value.text); !name.empty()) return one(model::text_value(name), line->at);
    return open(holder.at);
  }
  if (word == "reload_hup") {
    const Choice* reload = model::only_choice(holder.settings, "exec_reload");
    if (!reload) return one(model::truth_value(false), holder.at);
    const std::string& text = reload->value.text;
    return one(model::truth_value(base::contains(text, "HUP") || base::contains(text, "kill -1 ")), reload->at);
  }
  if (word == "socket_unit") {
    return one(model::truth_value(model::socket_activated(all, holder)), holder.at);
  }
  if (word == "prestop_set") {
    const Choice* prestop = model::only_choice(holder.settings, "prestop");
    return one(model::truth_value(prestop && prestop->from == From::configured), prestop ? prestop->at : holder.at);
  }
  if (word == "serves") return found != holder.settings.end() ? found->second : one(model::truth_value(false), holder.at);
  if (word == "liveness_window") {
    const Choice *period = model::only_choice(holder.settings, "liveness_periodSeconds"), *failures = model::only_choice(holder.settings, "liveness_failureThreshold");
    if (!period || !failures || !period->value.known() || !failures->value.known()) return open(holder.at);
    const double seconds = period->value.number * failures->value.number;
    return one(model::number_value(seconds, std::to_string(static_cast<long>(seconds)) + "s"), model::only_choice(holder.settings, "liveness")->at);
  }
  if (word == "liveness") return found != holder.settings.end() ? found->second : one(model::text_value(""), holder.at, From::built_in);
  for (const condition::Word& known : condition::scope("server.stop")->words) {
    if (known.name != word) continue;
    // The server's own settings; what is no setting of this kind of holder is not there at all.
    if (word == "graceful_timeout" || word == "timeout" || word == "class" || word == "preload_app" || word == "daemon" || word == "max_requests" || word == "worker_connections") return server ? server_word(all, *server, word) : open(holder.at);
  }
  if (found != holder.settings.end()) return found->second;
  return open(holder.at);
}

}  // namespace

std::string server_in(std::string_view command) {
  std::string text(command);
  if (base::starts_with(base::trim(command), "["))  // the exec form
    for (char& c : text) if (c == '[' || c == ']' || c == ',') c = ' ';
  for (const std::string& word : base::shell_words(text)) {
    std::string_view name = base::file_name(word);
    while (!name.empty() && (name.front() == '-' || name.front() == '@')) name.remove_prefix(1);
    for (const std::string_view known : {"gunicorn", "uwsgi", "puma", "unicorn", "uvicorn", "celery", "hypercorn", "daphne", "granian", "waitress-serve"}) if (name == known) return std::string(known);
    if (base::starts_with(name, "php-fpm")) return "php-fpm";
    if (name == "unicorn_rails") return "unicorn";
    // sh -c "exec uwsgi ..."
    if (word.find(' ') != std::string::npos && word.size() < command.size())
      if (std::string inner = server_in(word); !inner.empty()) return inner;
  }
  return {};
}

std::string server_of(const Deployment& all, const Holder& holder) {
  const auto index = static_cast<int>(&holder - all.holders.data());
  for (const Backend& server : all.servers)
    if (server.holder == index) return server.flavour;
  for (const std::string_view key : {"exec_start", "command", "cmd", "entrypoint"})
    if (const Choice* line = model::only_choice(holder.settings, key))
      if (std::string name = server_in(line->value.text); !name.empty()) return name;
  return {};
}

std::vector<Instance> instances(const Deployment& all, std::string_view scope) {
  std::vector<Instance> out;
  if (scope == "nginx.pass") {
    for (const auto& nginx : all.nginx)
      for (const Pass& pass : nginx->passes)
        out.push_back({pass.at, model::pass_name(*nginx, pass), [words = model::PassSettings(*nginx, pass)](std::string_view word) { return words.of(word); }, ""});
  } else if (scope == "gunicorn.server") {
    for (const Backend& server : all.servers)
      out.push_back({server.at, server_name(all, server), [&all, &server](std::string_view word) { return server_word(all, server, word); }, ""});
  } else if (scope == "server.stop") {
    for (std::size_t h = 0; h < all.holders.size(); ++h) {
      const Holder& holder = all.holders[h];
      if (holder.kind == Holder::Kind::unit && !holder.settings.contains("exec_start")) continue;  // sockets, timers, targets
      const auto of = [&](const Backend* server) { out.push_back({server ? server->at : holder.at, holder.name, [&all, &holder, server](std::string_view word) { return holder_word(all, holder, server, word); }, ""}); };
      bool held = false;
      for (const Backend& server : all.servers)
        if (server.holder == static_cast<int>(h)) { of(&server); held = true; }
      if (!held) of(nullptr);
    }
  } else if (scope == "chain") {
    for (const model::Link& link : all.links) {
      const Nginx& nginx = *all.nginx[link.nginx];
      const Pass& pass = nginx.passes[link.pass];
      const Backend& server = all.servers[link.server];
      out.push_back({pass.at, model::pass_name(nginx, pass),
                     [&all, &server, words = model::PassSettings(nginx, pass)](std::string_view word) -> Choices {
                       if (word == "proxy_keepalive") return words.of("keepalive");
                       if (word == "proxy_keepalive_timeout") return words.of("keepalive_timeout");
                       if (word == "proxy_keepalive_set") return one(model::truth_value(words.keepalive_set()), words.of("keepalive").front().at);
                       if (word == "nginx_version") return words.of("version");
                       if (word == "connection_kept") return words.connection_kept();
                       for (const std::string_view of_pass : {"read_timeout", "connect_timeout", "request_buffering", "buffering", "peers", "next_upstream", "next_upstream_tries", "next_upstream_timeout", "unix_path"})
                         if (word == of_pass) return words.of(word);
                       return server_word(all, server, word);
                     },
                     link.guess ? " (a guess: " + link.why + ")" : ""});
    }
  }
  return out;
}

}  // namespace rule
