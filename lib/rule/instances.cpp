// What the words of each scope hold in a deployment: one place for all of them, hence over 300 lines. Each word is computed when a condition asks for it: a tree of 200 sites has many passes and a
// card asks for three words.
#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "flavour/nginx_time.hpp"
#include "model/gunicorn_value.hpp"
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

const model::Upstream* upstream_of(const Nginx& nginx, const Pass& pass) { return pass.upstream < 0 ? nullptr : &nginx.upstreams[static_cast<std::size_t>(pass.upstream)]; }
bool old_version(const Nginx& nginx, bool otherwise) {
  const auto version = condition::version_number(nginx.version);
  return version ? *version < 1029007 : otherwise;
}

std::optional<double> bytes_of(std::string_view text) {
  auto number = base::take_number(text);
  if (!number) return std::nullopt;
  const double times = text == "k" || text == "K" ? 1024 : text == "m" || text == "M" ? 1 << 20 : text == "g" || text == "G" ? 1 << 30 : text.empty() ? 1 : -1;
  return times < 0 ? std::nullopt : std::optional(static_cast<double>(*number) * times);
}

class PassWords {
 public:
  PassWords(const Nginx& nginx, const Pass& pass) : nginx_(nginx), pass_(pass) {}

  Choices of(std::string_view word) const {
    const model::Upstream* upstream = upstream_of(nginx_, pass_);
    if (word == "prefix") return one(model::text_value(pass_.prefix), pass_.at);
    if (word == "target") return one(model::text_value(pass_.target), pass_.at);
    if (word == "variable") return one(model::truth_value(pass_.variable), pass_.at);
    if (word == "peers") {
      if (pass_.address.empty() || (upstream && upstream->partly)) return open(pass_.at);
      return one(model::number_value(upstream ? static_cast<double>(upstream->peers.size()) : 1), pass_.at);
    }
    if (word == "connect_timeout" || word == "read_timeout" || word == "send_timeout") return time(word, "60s");
    if (word == "next_upstream_timeout") return time(word, "0");
    if (word == "next_upstream_tries") return number(word, 0);
    if (word == "next_upstream") return words(word, {"error", "timeout"});
    if (word == "max_fails" || word == "fail_timeout") return peer_number(word == "max_fails");
    if (word == "http_version") return http_version();
    if (word == "connection_cleared") return connection_cleared();
    if (word == "keepalive") return keepalive();
    if (word == "keepalive_timeout") return keepalive_timeout();
    if (word == "buffering" || word == "request_buffering") return flag(word, true);
    if (word == "ignore_client_abort") return flag(word, false);
    if (word == "buffer_size") {
      const auto found = setting(word);
      if (!found.node) return found.unsure ? open(pass_.at) : one(model::number_value(4096, "4k"), pass_.at, From::built_in);
      const auto bytes = bytes_of(found.node->directive.argument(0));
      return one(bytes ? model::number_value(*bytes, found.node->directive.argument(0)) : model::unknown_value(), nginx_.spot(*found.node));
    }
    if (word == "unix_path") return unix_path();
    if (word == "version") {
      const auto version = condition::version_number(nginx_.version);
      return version ? one(model::number_value(*version, nginx_.version), pass_.at) : open(pass_.at);
    }
    // Directives that came with 1.29 say that the nginx is not much older than the change.
    if (word == "assumed_old" && nginx_.version.empty() && nginx_.recent) return open(pass_.at);
    if (word == "assumed_old") return one(model::truth_value(old_version(nginx_, true)), pass_.at);
    return open(pass_.at);
  }

  Choices connection_kept() const {
    const Choices version = http_version(), cleared = connection_cleared();
    const auto& v = version.front().value;
    const auto& c = cleared.front().value;
    if (!old_version(nginx_, true)) return one(model::truth_value(true), pass_.at);
    if ((v.known() && v.text != "1.1") || (c.known() && c.number == 0)) return one(model::truth_value(false), pass_.at);
    return v.known() && c.known() ? one(model::truth_value(true), pass_.at) : open(pass_.at);
  }
  bool keepalive_set() const { return keepalive().front().from == From::configured; }

 private:
  // A default holds for the whole server block: said there, it is said once and not for each location.
  model::Spot server_spot() const {
    for (int block = pass_.block; block >= 0; block = nginx_.blocks[static_cast<std::size_t>(block)].parent) {
      const auto& here = nginx_.blocks[static_cast<std::size_t>(block)];
      if (here.context == "server" && here.node) return nginx_.spot(*here.node);
    }
    return pass_.at;
  }
  model::InForce setting(std::string_view word) const { return model::in_force(nginx_, pass_.block, pass_.prefix + "_" + std::string(word)); }

  Choices time(std::string_view word, const std::string& built_in) const {
    const auto found = setting(word);
    if (!found.node) return found.unsure ? open(pass_.at) : one(model::number_value(*flavour::nginx_seconds(built_in), built_in), pass_.at, From::built_in);
    const std::string& text = found.node->directive.argument(0);
    const auto seconds = flavour::nginx_seconds(text);
    return one(seconds ? model::number_value(*seconds, text) : model::unknown_value(), nginx_.spot(*found.node));
  }
  Choices number(std::string_view word, double built_in) const {
    const auto found = setting(word);
    if (!found.node) return found.unsure ? open(pass_.at) : one(model::number_value(built_in), pass_.at, From::built_in);
    const auto value = base::read_number(found.node->directive.argument(0));
    return one(value ? model::number_value(static_cast<double>(*value)) : model::unknown_value(), nginx_.spot(*found.node));
  }
  Choices words(std::string_view word, std::vector<std::string> built_in) const {
    const auto found = setting(word);
    if (!found.node) return found.unsure ? open(pass_.at) : one(model::list_value(std::move(built_in)), pass_.at, From::built_in);
    std::vector<std::string> all;
    for (std::size_t i = 1; i < found.node->directive.words.size(); ++i) all.push_back(found.node->directive.words[i].text);
    return one(model::list_value(std::move(all)), nginx_.spot(*found.node));
  }
  Choices flag(std::string_view word, bool built_in) const {
    const auto found = setting(word);
    if (!found.node) return found.unsure ? open(pass_.at) : one(model::truth_value(built_in), pass_.at, From::built_in);
    const std::string& text = found.node->directive.argument(0);
    return one(text == "on" || text == "off" ? model::truth_value(text == "on") : model::unknown_value(), nginx_.spot(*found.node));
  }
  Choices peer_number(bool fails) const {
    const model::Upstream* upstream = upstream_of(nginx_, pass_);
    if (pass_.address.empty() || (upstream && upstream->partly)) return open(pass_.at);
    if (!upstream || upstream->peers.empty()) return one(model::number_value(fails ? 1 : 10), pass_.at, From::built_in);
    const auto value = [&](const model::Peer& peer) { return fails ? peer.max_fails : peer.fail_timeout; };
    const auto least = std::ranges::min_element(upstream->peers, {}, value);
    const bool set = fails ? least->max_fails_set : least->fail_timeout_set;
    return one(model::number_value(value(*least)), least->at, set ? From::configured : From::built_in);
  }
  Choices http_version() const {
    const auto found = setting("http_version");
    if (found.node) return one(model::text_value(found.node->directive.argument(0)), nginx_.spot(*found.node));
    if (found.unsure || nginx_.version.empty()) return open(pass_.at);
    return one(model::text_value(old_version(nginx_, true) ? "1.0" : "1.1"), server_spot(), From::built_in);
  }
  Choices connection_cleared() const {
    if (!old_version(nginx_, true)) return one(model::truth_value(true), pass_.at, From::built_in);
    const auto found = model::in_force(nginx_, pass_.block, pass_.prefix + "_set_header");
    if (found.unsure) return open(pass_.at);
    if (found.node)
      for (const auto* node : model::own(nginx_, found.block, pass_.prefix + "_set_header")) {
        std::string name;
        for (const char c : node->directive.argument(0)) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (name != "connection") continue;
        const std::string value = node->directive.argument(1);
        if (value.empty() || value == "keep-alive" || value == "Keep-Alive") return one(model::truth_value(true), nginx_.spot(*node));
        if (value == "close") return one(model::truth_value(false), nginx_.spot(*node));
        return open(nginx_.spot(*node));  // $connection_upgrade is "" for plain requests where its map says so
      }
    return one(model::truth_value(false), pass_.at, From::built_in);
  }
  Choices keepalive() const {
    const model::Upstream* upstream = upstream_of(nginx_, pass_);
    if (!upstream) return pass_.address.empty() ? open(pass_.at) : one(model::number_value(0), pass_.at, From::built_in);
    const auto& block = nginx_.blocks[static_cast<std::size_t>(upstream->block)];
    for (const auto& node : *block.children)
      if (node.directive.name() == "keepalive") {
        const auto count = base::read_number(node.directive.argument(0));
        return one(count ? model::number_value(static_cast<double>(*count)) : model::unknown_value(), nginx_.spot(node));
      }
    const model::Spot at = block.node ? nginx_.spot(*block.node) : pass_.at;
    if (upstream->partly) return open(at);
    if (nginx_.version.empty()) return one(model::unknown_value(), at, From::built_in);
    return one(model::number_value(old_version(nginx_, true) ? 0 : 32), at, From::built_in);
  }
  Choices keepalive_timeout() const {
    const model::Upstream* upstream = upstream_of(nginx_, pass_);
    if (!upstream) return one(model::number_value(60, "60s"), pass_.at, From::built_in);
    for (const auto& node : *nginx_.blocks[static_cast<std::size_t>(upstream->block)].children)
      if (node.directive.name() == "keepalive_timeout") {
        const auto seconds = flavour::nginx_seconds(node.directive.argument(0));
        return one(seconds ? model::number_value(*seconds, node.directive.argument(0)) : model::unknown_value(), nginx_.spot(node));
      }
    return upstream->partly ? open(pass_.at) : one(model::number_value(60, "60s"), pass_.at, From::built_in);
  }
  Choices unix_path() const {
    const model::Upstream* upstream = upstream_of(nginx_, pass_);
    const std::string address = upstream ? (upstream->peers.empty() ? "" : upstream->peers.front().address) : pass_.address;
    if (address.empty()) return open(pass_.at);
    return one(model::text_value(base::starts_with(address, "unix:") ? address.substr(5) : ""), upstream && !upstream->peers.empty() ? upstream->peers.front().at : pass_.at);
  }

  const Nginx& nginx_;
  const Pass& pass_;
};

std::string pass_name(const Nginx& nginx, const Pass& pass) {
  for (int block = pass.block; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent) {
    const auto& here = nginx.blocks[static_cast<std::size_t>(block)];
    if (here.context != "location" || !here.node) continue;
    std::string name = "location";
    for (std::size_t i = 1; i < here.node->directive.words.size(); ++i) name += " " + here.node->directive.words[i].text;
    return name;
  }
  return pass.prefix + "_pass " + pass.target;
}

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

bool socket_activated(const Deployment& all, const Holder& holder) {
  if (holder.kind != Holder::Kind::unit) return false;
  const std::string socket = holder.name.substr(0, holder.name.find(".service")) + ".socket";
  const bool here = std::ranges::any_of(all.holders, [&](const Holder& other) { return other.kind == Holder::Kind::unit && other.name == socket; });
  const Choice* needs = model::only_choice(holder.settings, "requires");
  return here || holder.settings.contains("sockets") || (needs && base::contains(needs->value.text, ".socket"));
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
  if (word == "unix_bind" && holder && socket_activated(all, *holder)) return one(model::truth_value(false), holder->at);  // systemd makes the socket
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

// The server that a holder's command starts, from its words; "" when none is known.
std::string server_in(std::string_view command) {
  const auto words = base::shell_words(command);
  for (const std::string& word : words) {
    std::string_view name = base::file_name(word);
    while (!name.empty() && (name.front() == '-' || name.front() == '@')) name.remove_prefix(1);
    for (const std::string_view known : {"gunicorn", "uwsgi", "puma", "unicorn", "uvicorn", "celery", "hypercorn"}) if (name == known) return std::string(known);
    if (base::starts_with(name, "php-fpm")) return "php-fpm";
    if (name == "unicorn_rails") return "unicorn";
  }
  return {};
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
    return one(model::truth_value(socket_activated(all, holder)), holder.at);
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

std::vector<Instance> instances(const Deployment& all, std::string_view scope) {
  std::vector<Instance> out;
  if (scope == "nginx.pass") {
    for (const auto& nginx : all.nginx)
      for (const Pass& pass : nginx->passes)
        out.push_back({pass.at, pass_name(*nginx, pass), [words = PassWords(*nginx, pass)](std::string_view word) { return words.of(word); }, ""});
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
      out.push_back({pass.at, pass_name(nginx, pass),
                     [&all, &server, words = PassWords(nginx, pass)](std::string_view word) -> Choices {
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
