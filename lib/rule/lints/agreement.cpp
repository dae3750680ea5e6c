// What nginx and the server have to say alike: the port between them, whose headers are believed, how large a body may be.
#include <algorithm>

#include "base/text.hpp"
#include "parse/python/bindings.hpp"
#include "parse/settings/document.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;
using model::Nginx;
using model::Pass;
using model::Spot;

struct Wanted { std::string host, port; Spot at; };

// "app:8000" -> app, 8000; nothing for a socket file, a variable, a name without a port that may stand for an upstream elsewhere.
std::optional<Wanted> wanted_of(std::string_view address, const Spot& at) {
  if (base::starts_with(address, "unix:") || address.find_first_of("$%{") != std::string_view::npos || base::contains(address, "[")) return std::nullopt;
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view port = address.substr(colon + 1);
  if (port.empty() || !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return Wanted{std::string(address.substr(0, colon)), std::string(port), at};
}

std::vector<Wanted> wanted_by(const Nginx& nginx, const Pass& pass) {
  std::vector<Wanted> all;
  const auto add = [&](std::string_view address, const Spot& at) {
    if (auto one = wanted_of(address, at)) all.push_back(std::move(*one));
  };
  if (pass.upstream >= 0) for (const auto& peer : nginx.upstreams[static_cast<std::size_t>(pass.upstream)].peers) add(peer.address, peer.at);
  else add(pass.address, pass.at);
  return all;
}

bool loopback(std::string_view host) { return host == "127.0.0.1" || host == "localhost"; }

// The TCP ports that a server binds. `known`: all of them; a socket file or a descriptor makes it none of our matter.
std::vector<std::string> ports_of(const Backend& server, bool& known, bool& other) {
  std::vector<std::string> ports;
  known = true;
  const auto bind = server.settings.find("bind");
  if (bind == server.settings.end()) return ports;
  for (const Choice& choice : bind->second) {
    known = known && choice.value.known();
    for (const std::string& item : choice.value.items) {
      if (base::starts_with(item, "unix:") || base::starts_with(item, "fd://") || item.find_first_of("$%") != std::string::npos) { other = true; continue; }
      const auto colon = item.rfind(':');
      ports.push_back(colon == std::string::npos || base::contains(item.substr(colon), "]") ? "8000" : item.substr(colon + 1));   // util.py parse_address: 8000
    }
  }
  return ports;
}

bool is_called(const Holder& holder, std::string_view host) {
  const Choice* name = model::only_choice(holder.settings, "container_name");
  return holder.kind == Holder::Kind::service && (holder.name == host || (name && name->value.text == host));
}

// In a compose network the service's name is its address: the port is the server's own. On one host, the only proxy and the only server.
void ports(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "chain.port-agree";
  std::vector<Wanted> every;
  bool all_known = true;
  for (const auto& nginx : all.nginx)
    for (const Pass& pass : nginx->passes) {
      const auto here = wanted_by(*nginx, pass);
      if (here.empty() || pass.prefix != "proxy") all_known = false;
      for (const Wanted& one : here)
        if (std::none_of(every.begin(), every.end(), [&](const Wanted& seen) { return seen.host == one.host && seen.port == one.port; })) every.push_back(one);
    }
  const bool sockets = std::any_of(all.holders.begin(), all.holders.end(), [](const Holder& holder) { return holder.kind == Holder::Kind::unit && holder.name.ends_with(".socket"); });
  for (const Backend& server : all.servers) {
    const Holder* holder = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    bool known = true, other = false;
    const auto listens = ports_of(server, known, other);
    if (other || !holder) continue;
    const bool alone = all.servers.size() == 1 && all_known && every.size() == 1 && !holder->container() && holder->kind == Holder::Kind::unit && !sockets;
    // A service with several servers: which of them is meant by the name is not known.
    const auto siblings = std::count_if(all.servers.begin(), all.servers.end(), [&](const Backend& one) { return one.holder == server.holder; });
    for (const Wanted& one : every) {
      const bool by_name = is_called(*holder, one.host) && siblings == 1;
      if (!by_name && !(alone && loopback(one.host))) continue;
      if (!known) { drafts.push_back(lint_unknown(all, rule, one.at, "the address that the server binds")); continue; }
      if (listens.empty() || std::find(listens.begin(), listens.end(), one.port) != listens.end()) continue;
      const auto bind = server.settings.find("bind");
      const bool written = bind != server.settings.end() && !bind->second.empty() && bind->second.front().from == model::From::configured;
      Draft draft = lint_draft(all, rule, one.at, {{"value", one.host + ":" + one.port}, {"other", listens.front() + (written ? "" : ", its default")}});
      also(all, draft, written ? bind->second.front().at : server.at);
      if (!by_name) {
        draft.sure = Confidence::likely;
        draft.sure_because = "they are the only proxy and the only server here";
      }
      drafts.push_back(std::move(draft));
    }
  }
}

// Its addresses, written as a list or as one text with commas.
std::vector<std::string> addresses_of(const Choice& choice) {
  std::vector<std::string> all = choice.value.items;
  for (const auto part : base::split(choice.value.text, ',')) all.emplace_back(base::trim(part));
  return all;
}

// nginx sets X-Forwarded-Proto; the server believes only those whom forwarded_allow_ips names (http/message.py:set_parse_headers@20.1.0), and a peer
// on a unix socket, which has no address, always.
void scheme(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "chain.scheme-trust";
  for (const model::Link& link : all.links) {
    if (link.guess) continue;
    const Nginx& nginx = *all.nginx[link.nginx];
    const Pass& pass = nginx.passes[link.pass];
    const auto peers = wanted_by(nginx, pass);
    if (peers.empty() || !std::all_of(peers.begin(), peers.end(), [](const Wanted& one) { return loopback(one.host); })) continue;
    const auto headers = model::in_force(nginx, pass.block, "proxy_set_header");
    if (!headers.node) continue;
    const bool sets = std::ranges::any_of(model::own(nginx, headers.block, "proxy_set_header"), [](const auto* node) { return node->directive.argument(0) == "X-Forwarded-Proto"; });
    const Choice* allowed = model::only_choice(all.servers[link.server].settings, "forwarded_allow_ips");
    if (!sets || !allowed || allowed->from != model::From::configured) continue;
    if (!allowed->value.known()) { drafts.push_back(lint_unknown(all, rule, pass.at, "forwarded_allow_ips")); continue; }
    const auto addresses = addresses_of(*allowed);
    if (std::any_of(addresses.begin(), addresses.end(), [](const std::string& one) { return one == "*" || base::starts_with(one, "127.") || base::contains(one, "/"); })) continue;
    std::string value;
    for (const std::string& one : addresses) if (!one.empty()) value += (value.empty() ? "" : ",") + one;
    Draft draft = lint_draft(all, rule, allowed->at, {{"value", value.empty() ? "\"\"" : value}, {"name", "127.0.0.1"}});
    also(all, draft, pass.at);
    drafts.push_back(std::move(draft));
  }
}

// ---- bodies -----------------------------------------------------------------------------------------------------------------------------------
struct Limit { double bytes = 0; std::string text; Spot at; };

// Flask's MAX_CONTENT_LENGTH, wherever an application's module sets it: `app.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024`, a class attribute.
// Nothing where it is set twice, or to what no literal tells.
std::optional<Limit> taken_by(const Deployment& all, const Backend& server, bool& unknown) {
  constexpr std::string_view name = "MAX_CONTENT_LENGTH";
  std::optional<Limit> found;
  if (!server.application) return found;
  for (const int index : server.application->imported) {
    const model::Source& source = all.sources[static_cast<std::size_t>(index)];
    const std::string& text = all.files[source.file].text;
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      const auto end = std::min(text.find('\n', at), text.size());
      const std::string_view line = std::string_view(text).substr(at, end - at);
      const auto equals = line.find('=');
      if (equals == std::string_view::npos || equals + 1 >= line.size() || line[equals + 1] == '=') continue;
      const std::string_view between = line.substr(name.size(), equals - name.size());
      if (between.find_first_not_of(" ]'\"") != std::string_view::npos) continue;
      const auto value = parse::python::bindings_of("x = " + std::string(line.substr(equals + 1)) + "\n");
      const auto* bound = value.names.size() == 1 && value.names.front().values.size() == 1 ? &value.names.front().values.front().value : nullptr;
      const bool number = bound && bound->known() && (bound->kind == parse::python::Value::Kind::integer || bound->kind == parse::python::Value::Kind::real);
      if (!number || found) { unknown = true; return std::nullopt; }
      const auto place = parse::settings::place_at(text, at, at + name.size());
      const double bytes = bound->kind == parse::python::Value::Kind::integer ? static_cast<double>(bound->number) : bound->real;
      found = Limit{bytes, base::bytes_text(static_cast<std::uint64_t>(std::max(bytes, 0.0))), {source.file, place.line, place.column, place.at, place.end}};
    }
  }
  return found;
}

void bodies(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "chain.body-limit-chain";
  for (const model::Link& link : all.links) {
    const Nginx& nginx = *all.nginx[link.nginx];
    const Pass& pass = nginx.passes[link.pass];
    bool unknown = false;
    const auto taken = taken_by(all, all.servers[link.server], unknown);
    if (unknown) drafts.push_back(lint_unknown(all, rule, pass.at, "MAX_CONTENT_LENGTH of the application"));
    if (!taken) continue;
    const auto set = model::in_force(nginx, pass.block, "client_max_body_size");
    if (!set.node && (set.unsure || !nginx.whole)) { drafts.push_back(lint_unknown(all, rule, pass.at, "client_max_body_size")); continue; }
    const auto limit = set.node ? model::size_bytes(set.node->directive.argument(0)) : std::optional(1048576.0);
    if (!limit) { drafts.push_back(lint_unknown(all, rule, pass.at, "client_max_body_size")); continue; }
    if (*limit == 0 || *limit >= taken->bytes) continue;
    const Spot at = set.node ? nginx.spot(*set.node, 1) : pass.at;
    Draft draft = lint_draft(all, rule, at, {{"value", set.node ? std::string(set.node->directive.argument(0)) : "1m, its default"}, {"limit", taken->text}});
    also(all, draft, taken->at);
    if (link.guess) { draft.sure = Confidence::likely; draft.sure_because = "if that is the server behind it"; }
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  ports(all, drafts);
  bodies(all, drafts);
  scheme(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint agreement = {"agreement", {"chain.port-agree", "chain.scheme-trust", "chain.body-limit-chain"}, look};
}

}  // namespace rule
