// What a condition over one pass cannot say: several directives of a block seen together, addresses, the order of lines.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "parse/nginx/route.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Block;
using model::Deployment;
using model::Nginx;
using model::Pass;
using model::Spot;
using parse::nginx::Node;
using std::string_view_literals::operator""sv;

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_localhost(std::string_view address) { return address == "localhost" || base::starts_with(address, "localhost:"); }
bool numeric(std::string_view address) {
  if (base::starts_with(address, "unix:") || base::starts_with(address, "[")) return true;
  const std::string_view host = address.substr(0, address.rfind(':'));
  return !host.empty() && std::ranges::all_of(host, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.'; });
}

void localhost(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  const auto say = [&](const Spot& at) {
    Draft draft = lint_draft(all, "nginx.proxy-pass-localhost", at);
    const std::string_view raw = std::string_view(all.files[at.file].text).substr(at.at, at.end - at.at);
    const auto found = raw.find("localhost");
    if (found != std::string_view::npos) edit(all, draft, at.file, at.at + found, at.at + found + 9, "127.0.0.1");
    drafts.push_back(std::move(draft));
  };
  for (const Pass& pass : nginx.passes) {
    if (pass.upstream >= 0) continue;
    if (is_localhost(pass.address)) say(pass.at);
    else if (pass.address.empty()) drafts.push_back(lint_unknown(all, "nginx.proxy-pass-localhost", pass.at, "what " + pass.target + " holds"));
  }
  for (const auto& upstream : nginx.upstreams)
    for (const auto& peer : upstream.peers)
      if (is_localhost(peer.address)) say(peer.at);
}

void wrong_prefix(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  constexpr std::array prefixes{"proxy"sv, "uwsgi"sv, "fastcgi"sv, "scgi"sv, "grpc"sv};
  for (const Pass& pass : nginx.passes) {
    const Block& block = nginx.blocks[static_cast<std::size_t>(pass.block)];
    if (block.context != "location") continue;
    const bool nested = std::ranges::any_of(*block.children, [](const Node& node) { return node.directive.block; });
    for (const Node& node : *block.children) {
      const std::string& name = node.directive.name();
      if (name == "include" && !node.directive.block) { drafts.push_back(lint_unknown(all, "nginx.wrong-prefix-timeout", nginx.spot(node), "what the include holds")); continue; }
      for (const std::string_view prefix : prefixes) {
        if (prefix == pass.prefix || !base::starts_with(name, prefix)) continue;
        const std::string_view rest = std::string_view(name).substr(prefix.size());
        if (rest != "_connect_timeout" && rest != "_read_timeout" && rest != "_send_timeout") continue;
        const bool other_pass = std::ranges::any_of(*block.children, [&](const Node& other) { return other.directive.name() == std::string(prefix) + "_pass"; });
        if (other_pass || nested) continue;
        const std::string better = pass.prefix + std::string(rest);
        Draft draft = lint_draft(all, "nginx.wrong-prefix-timeout", nginx.spot(node), {{"setting", name}, {"better", better}, {"name", pass.prefix + "_pass"}});
        also(all, draft, nginx.spot(*pass.node));
        const auto& word = node.directive.words.front();
        if (model::own(nginx, pass.block, better).empty()) edit(all, draft, nginx.spot(node).file, word.at, word.end, better, false);
        drafts.push_back(std::move(draft));
      }
    }
  }
}

void upstream_lines(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const auto& upstream : nginx.upstreams) {
    const Block& block = nginx.blocks[static_cast<std::size_t>(upstream.block)];
    const auto down = static_cast<std::size_t>(std::ranges::count_if(upstream.peers, [](const model::Peer& peer) { return peer.down; }));
    const Spot at = nginx.spot(*block.node, 1);
    if (upstream.partly) {
      for (const char* rule : {"nginx.down-peer-counts", "nginx.fail-timeout-noop-single", "nginx.lb-method-after-keepalive", "nginx.unix-socket-in-tmp"}) drafts.push_back(lint_unknown(all, rule, at, "what the upstream's include holds"));
      continue;
    }
    if (down > 0 && upstream.peers.size() - down == 1) {
      for (const auto& peer : upstream.peers)
        if (peer.down) drafts.push_back(lint_draft(all, "nginx.down-peer-counts", peer.at, {{"name", upstream.name}}));
    }
    if (upstream.peers.size() == 1) {
      const auto& peer = upstream.peers.front();
      if (!numeric(peer.address)) {
        if (peer.max_fails_set || peer.fail_timeout_set) drafts.push_back(lint_unknown(all, "nginx.fail-timeout-noop-single", peer.at, "how many addresses the name has"));
      } else if (peer.max_fails_set || peer.fail_timeout_set) {
        for (const Node& node : *block.children) {
          if (node.directive.name() != "server") continue;
          for (std::size_t i = 2; i < node.directive.words.size(); ++i) {
            const auto& word = node.directive.words[i];
            if (!base::starts_with(word.text, "max_fails=") && !base::starts_with(word.text, "fail_timeout=")) continue;
            Draft draft = lint_draft(all, "nginx.fail-timeout-noop-single", nginx.spot(node, i), {{"value", word.text}, {"name", upstream.name}});
            edit(all, draft, nginx.spot(node).file, node.directive.words[i - 1].end, word.end, "");
            drafts.push_back(std::move(draft));
          }
        }
      }
    }
    const Node* keepalive = nullptr;
    for (const Node& node : *block.children) {
      const std::string& name = node.directive.name();
      if (name == "keepalive") keepalive = &node;
      const bool method = name == "least_conn" || name == "ip_hash" || name == "hash" || name == "random" || name == "least_time";
      if (!keepalive || !method) continue;
      const auto version = condition::version_number(nginx.version);
      if (version && *version >= 1029007) continue;
      Draft draft = lint_draft(all, "nginx.lb-method-after-keepalive", nginx.spot(node), {{"setting", name}});
      also(all, draft, nginx.spot(*keepalive));
      drafts.push_back(std::move(draft));
    }
  }
}

bool in_tmp(std::string_view address) { return base::starts_with(address, "unix:/tmp/") || base::starts_with(address, "unix:///tmp/") || base::starts_with(address, "unix:/var/tmp/"); }

void sockets(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const auto& upstream : nginx.upstreams)
    for (const auto& peer : upstream.peers)
      if (in_tmp(peer.address)) drafts.push_back(lint_draft(all, "nginx.unix-socket-in-tmp", peer.at, {{"path", peer.address.substr(5)}}));
  for (const Pass& pass : nginx.passes)
    if (pass.upstream < 0 && in_tmp(pass.address)) drafts.push_back(lint_draft(all, "nginx.unix-socket-in-tmp", pass.at, {{"path", pass.address.substr(5)}}));
}

// A variable's possible values from `set`, in the pass's own blocks; empty when it comes from elsewhere (a map, a request).
std::vector<std::string> set_values(const Nginx& nginx, int block, std::string_view variable) {
  std::vector<std::string> values;
  for (; block >= 0; block = nginx.blocks[static_cast<std::size_t>(block)].parent)
    for (const Node* node : model::own(nginx, block, "set"))
      if (node->directive.argument(0) == variable) values.push_back(node->directive.argument(1));
  return values;
}

void resolver(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const Pass& pass : nginx.passes) {
    if (!pass.variable || !pass.address.empty()) continue;
    const auto found = model::in_force(nginx, pass.block, "resolver");
    if (found.node) continue;
    std::string_view host = pass.target;
    if (const auto scheme = host.find("://"); scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
    if (base::starts_with(host, "unix:")) continue;
    host = host.substr(0, host.find('/'));
    const auto dollar = host.find('$');
    if (dollar == std::string_view::npos) continue;
    std::size_t end = dollar + 1;
    while (end < host.size() && (std::isalnum(static_cast<unsigned char>(host[end])) != 0 || host[end] == '_')) ++end;
    const std::string_view variable = host.substr(dollar, end - dollar);
    const auto values = set_values(nginx, pass.block, variable);
    bool sure_name = false;
    for (const std::string& value : values) {
      std::string_view address = value;
      if (const auto scheme = address.find("://"); scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
      address = address.substr(0, address.find('/'));
      const bool upstream = std::ranges::any_of(nginx.upstreams, [&](const auto& one) { return one.name == address; });
      if (!address.empty() && address.find('$') == std::string_view::npos && !upstream && !numeric(address) && !numeric(std::string(address) + ":80")) sure_name = true;
    }
    // Without the main file a resolver may stand there; without a literal the variable may hold an address.
    if (sure_name && nginx.whole && !found.unsure) drafts.push_back(lint_draft(all, "nginx.variable-proxy-pass-no-resolver", pass.at, {{"name", std::string(variable)}}));
    else if (sure_name && !found.unsure) {
      Draft draft = lint_draft(all, "nginx.variable-proxy-pass-no-resolver", pass.at, {{"name", std::string(variable)}});
      draft.sure = Confidence::likely;
      draft.sure_because = "unless the main file, which is not here, names a resolver";
      drafts.push_back(std::move(draft));
    } else drafts.push_back(lint_unknown(all, "nginx.variable-proxy-pass-no-resolver", pass.at, "what " + std::string(variable) + " holds"));
  }
}

void headers(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const Pass& pass : nginx.passes) {
    const std::string name = pass.prefix == "proxy" || pass.prefix == "grpc" ? pass.prefix + "_set_header" : "";
    if (name.empty()) continue;
    const auto here = model::in_force(nginx, pass.block, name);
    if (!here.node) {
      if (here.unsure) drafts.push_back(lint_unknown(all, "nginx.header-redefinition", pass.at, "what an include sets"));
      continue;
    }
    const Block& block = nginx.blocks[static_cast<std::size_t>(here.block)];
    const auto above = model::in_force(nginx, block.parent, name);
    if (!above.node) continue;
    const bool include_here = !model::own(nginx, here.block, "include").empty();
    std::vector<std::string> own_names;
    for (const Node* node : model::own(nginx, here.block, name)) own_names.push_back(lower(node->directive.argument(0)));
    std::string lost;
    for (const Node* node : model::own(nginx, above.block, name)) {
      const std::string header = lower(node->directive.argument(0));
      if (header == "connection" || header == "upgrade" || std::ranges::find(own_names, header) != own_names.end()) continue;
      lost += (lost.empty() ? "" : ", ") + node->directive.argument(0);
    }
    if (lost.empty()) continue;
    if (include_here) { drafts.push_back(lint_unknown(all, "nginx.header-redefinition", nginx.spot(*here.node), "what the include sets")); continue; }
    Draft draft = lint_draft(all, "nginx.header-redefinition", nginx.spot(*here.node), {{"value", here.node->directive.argument(0)}, {"name", lost}});
    also(all, draft, nginx.spot(*above.node));
    drafts.push_back(std::move(draft));
  }
}

void whole_server(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  if (!nginx.whole) return;
  const Node* connections = nullptr;
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i)
    if (nginx.blocks[i].context == "events")
      for (const Node* node : model::own(nginx, static_cast<int>(i), "worker_connections")) connections = node;
  const auto limit = model::own(nginx, 0, "worker_rlimit_nofile");
  if (!connections || nginx.passes.empty()) return;
  const auto count = base::read_number(connections->directive.argument(0));
  const Spot at = nginx.spot(*connections, 1);
  const auto descriptors = base::read_number(limit.empty() ? "" : limit.front()->directive.argument(0));
  if (!count || (!limit.empty() && !descriptors)) { drafts.push_back(lint_unknown(all, "nginx.worker-connections-vs-nofile", at, "a number")); return; }
  // Without a limit of its own nginx has what starts it gives: 1024 by systemd and by a shell, about a million in a container.
  const bool container = std::ranges::any_of(all.holders, [](const model::Holder& holder) { return holder.container(); });
  if (limit.empty() && container) { drafts.push_back(lint_unknown(all, "nginx.worker-connections-vs-nofile", at, "the descriptor limit of the container")); return; }
  const bool too_few = descriptors ? *descriptors < *count * 2 : *count >= 4096;
  if (!too_few) return;
  Draft draft = lint_draft(all, "nginx.worker-connections-vs-nofile", at, {{"value", connections->directive.argument(0)}, {"limit", descriptors ? "worker_rlimit_nofile is " + std::to_string(*descriptors) : "worker_rlimit_nofile is not set, and 1024 is what a process usually has"}, {"better", std::to_string(*count * 2)}});
  if (!limit.empty()) also(all, draft, nginx.spot(*limit.front(), 1));
  drafts.push_back(std::move(draft));
}

void logs(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (std::size_t i = 0; i < nginx.blocks.size(); ++i) {
    const Block& block = nginx.blocks[i];
    const bool wide = block.context == "main" || block.context == "http" || block.context == "server";
    if (!wide && block.context != "location") continue;
    for (const Node* node : model::own(nginx, static_cast<int>(i), "error_log")) {
      // A location that answers by itself (/health, favicon.ico) may well be silent.
      if (!wide && std::ranges::none_of(nginx.passes, [&](const Pass& pass) { return pass.block == static_cast<int>(i); })) continue;
      const std::string &file = node->directive.argument(0), &level = node->directive.argument(1);
      if (base::contains(file, "$") || base::contains(level, "$")) { drafts.push_back(lint_unknown(all, "nginx.error-log-off-or-crit", nginx.spot(*node, 1), "where the log goes")); continue; }
      const bool nowhere = file == "off" || file == "/dev/null";
      if (nowhere || level == "crit" || level == "alert" || level == "emerg") {
        Draft draft = lint_draft(all, "nginx.error-log-off-or-crit", nginx.spot(*node, nowhere ? 1 : 2), {{"value", file + (level.empty() ? "" : " " + level)}, {"kind", file == "off" ? "a file called 'off' is written" : nowhere ? "nothing is kept" : "lines of level error are dropped"}});
        drafts.push_back(std::move(draft));
      }
    }
  }
}

void client_keepalive(const Deployment& all, const Nginx& nginx, std::vector<Draft>& drafts) {
  for (const Pass& pass : nginx.passes) {
    if (pass.upstream < 0) continue;
    const auto& upstream = nginx.upstreams[static_cast<std::size_t>(pass.upstream)];
    if (model::own(nginx, upstream.block, "keepalive").empty() || !model::own(nginx, upstream.block, "keepalive_timeout").empty()) continue;
    const auto found = model::in_force(nginx, pass.block, "keepalive_timeout");
    if (!found.node) { if (found.unsure) drafts.push_back(lint_unknown(all, "nginx.keepalive-timeout-wrong-block", pass.at, "what an include sets")); continue; }
    if (nginx.blocks[static_cast<std::size_t>(found.block)].context != "location") continue;
    Draft draft = lint_draft(all, "nginx.keepalive-timeout-wrong-block", nginx.spot(*found.node), {{"name", upstream.name}, {"value", found.node->directive.argument(0)}});
    also(all, draft, nginx.spot(*nginx.blocks[static_cast<std::size_t>(upstream.block)].node));
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const auto& nginx : all.nginx) {
    localhost(all, *nginx, drafts);
    wrong_prefix(all, *nginx, drafts);
    upstream_lines(all, *nginx, drafts);
    sockets(all, *nginx, drafts);
    resolver(all, *nginx, drafts);
    headers(all, *nginx, drafts);
    whole_server(all, *nginx, drafts);
    logs(all, *nginx, drafts);
    client_keepalive(all, *nginx, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint nginx = {"nginx",
                           {"nginx.proxy-pass-localhost", "nginx.wrong-prefix-timeout", "nginx.fail-timeout-noop-single", "nginx.keepalive-timeout-wrong-block", "nginx.lb-method-after-keepalive", "nginx.variable-proxy-pass-no-resolver",
                            "nginx.unix-socket-in-tmp", "nginx.header-redefinition", "nginx.worker-connections-vs-nofile", "nginx.error-log-off-or-crit", "nginx.down-peer-counts"},
                           look};
}

}  // namespace rule
