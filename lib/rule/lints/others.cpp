// uwsgi, php-fpm, puma and unicorn: what their own files leave unset, and the socket that both sides must name alike.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/nginx_time.hpp"
#include "rule/entry.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;

const Entry* find(const model::File& file, std::string_view section, std::initializer_list<std::string_view> keys) { return entry_of(file, section, keys); }
bool on(const Entry* entry) { return switched_on(entry); }

// Who stops uwsgi with QUIT or INT, which it takes for a stop: systemd's KillSignal, supervisor's stopsignal, an image's STOPSIGNAL.
bool stopped_by_quit(const Deployment& all) {
  for (const Holder& holder : all.holders)
    for (const std::string_view name : {"kill_signal", "stop_signal"})
      if (const Choice* signal = model::only_choice(holder.settings, name); signal && (base::contains(signal->value.text, "QUIT") || base::contains(signal->value.text, "INT"))) return true;
  return false;
}

// Seconds of the read timeouts of the passes with this prefix that can only mean this server: all of them, where there is one file.
std::vector<std::pair<double, Spot>> read_timeouts(const Deployment& all, std::string_view prefix) {
  std::vector<std::pair<double, Spot>> out;
  for (const auto& nginx : all.nginx)
    for (const auto& pass : nginx->passes) {
      if (pass.prefix != prefix) continue;
      const auto found = model::in_force(*nginx, pass.block, std::string(prefix) + "_read_timeout");
      if (found.unsure) continue;
      if (!found.node) out.emplace_back(60, pass.at);
      else if (const auto seconds = flavour::nginx_seconds(found.node->directive.argument(0))) out.emplace_back(*seconds, nginx->spot(*found.node));
    }
  return out;
}

void add_line(const Deployment& all, Draft& draft, const Spot& beside, const std::string& line) { rule::add_line(all, draft, beside, "[uwsgi]", line); }

void uwsgi(const Deployment& all, std::vector<Draft>& drafts) {
  std::size_t runs = 0;
  for (const auto& file : all.files) runs += file.document.dialect == Dialect::uwsgi;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::uwsgi) continue;
    const auto unknown = [&](std::string what) {
      for (const char* rule : {"systemd.uwsgi-sigterm-reload", "uwsgi.no-die-on-term", "uwsgi.harakiri-missing", "uwsgi.listen-100", "uwsgi.harakiri-vs-read-timeout", "uwsgi.no-master-or-need-app"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, what));
    };
    if (!file.template_language.empty()) { unknown("what the template becomes"); continue; }
    const Entry* app = find(file, "uwsgi", {"module", "wsgi", "wsgi-file", "file", "mount", "pythonpath", "processes", "workers", "callable", "psgi", "rack"});
    const Entry* serves = find(file, "uwsgi", {"socket", "uwsgi-socket", "http", "http-socket", "https", "https-socket", "fastcgi-socket", "processes", "workers", "master"});
    const bool emperor = find(file, "uwsgi", {"emperor"}) != nullptr;
    if (!app || !serves || emperor) continue;  // a build profile, or an emperor's own file
    const Spot at = spot_of(i, serves->key_at);
    if (find(file, "uwsgi", {"ini", "include", "inherit", "for-readline"}) || std::ranges::any_of(file.document.entries, [](const Entry& entry) { return base::starts_with(entry.key, "if-") || entry.key == "if"; })) { unknown("what the included file sets"); continue; }
    if (!on(find(file, "uwsgi", {"die-on-term"})) && !find(file, "uwsgi", {"hook-master-start"}) && !stopped_by_quit(all)) {
      drafts.push_back(lint_draft(all, "uwsgi.no-die-on-term", at));
      add_line(all, drafts.back(), at, "die-on-term = true");
    }
    const bool master = on(find(file, "uwsgi", {"master"})), needs_app = on(find(file, "uwsgi", {"need-app"}));
    if (!master || !needs_app) {
      Draft draft = lint_draft(all, "uwsgi.no-master-or-need-app", at, {{"setting", !master ? "master" : "need-app"}, {"effect", !master ? "a worker that dies is not replaced" : "without its application it stays up and answers 500"}});
      if (master) draft.level = Level::note;
      if (!master) add_line(all, draft, at, "master = true");
      if (!needs_app) add_line(all, draft, at, "need-app = true");
      drafts.push_back(std::move(draft));
    }
    const Entry* harakiri = find(file, "uwsgi", {"harakiri", "http-harakiri"});
    if (!harakiri) drafts.push_back(lint_draft(all, "uwsgi.harakiri-missing", at));
    const Entry* listen = find(file, "uwsgi", {"listen"});
    const auto backlog = listen ? base::read_number(listen->value) : std::nullopt;
    if (!listen || (backlog && *backlog <= 100)) drafts.push_back(lint_draft(all, "uwsgi.listen-100", listen ? spot_of(i, listen->value_at) : at, {{"value", listen ? listen->value : "100"}}));
    if (harakiri && runs == 1) {
      const auto seconds = base::read_number(harakiri->value);
      if (!seconds) drafts.push_back(lint_unknown(all, "uwsgi.harakiri-vs-read-timeout", spot_of(i, harakiri->value_at), harakiri->value));
      else
        for (const auto& [timeout, where] : read_timeouts(all, "uwsgi")) {
          if (static_cast<double>(*seconds) < timeout) continue;
          Draft draft = lint_draft(all, "uwsgi.harakiri-vs-read-timeout", spot_of(i, harakiri->value_at), {{"value", harakiri->value}, {"other", std::to_string(static_cast<long>(timeout))}});
          also(all, draft, where);
          drafts.push_back(std::move(draft));
          break;
        }
    }
  }
}

// The unit that runs uwsgi stops it with SIGTERM, and nothing makes that a stop: neither its command nor the ini that it names.
void uwsgi_units(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& unit : all.holders) {
    const Choice *command = unit.kind == Holder::Kind::unit ? model::only_choice(unit.settings, "exec_start") : nullptr, *signal = model::only_choice(unit.settings, "kill_signal"), *stop = model::only_choice(unit.settings, "exec_stop");
    if (!command || !signal || stop) continue;
    const auto words = base::shell_words(command->value.text);
    if (words.empty() || base::file_name(words.front()) != "uwsgi") continue;
    if (signal->value.text != "SIGTERM" && signal->value.text != "TERM" && signal->value.text != "15") continue;
    bool term = base::contains(command->value.text, "die-on-term") || base::contains(command->value.text, "--emperor");
    bool seen = true;
    for (std::size_t k = 0; k < words.size(); ++k) {
      std::string named = words[k].ends_with(".ini") || words[k].ends_with(".xml") || words[k].ends_with(".yaml") || words[k].ends_with(".yml") || words[k].ends_with(".json") ? words[k] : "";
      if (const auto equals = named.find('='); equals != std::string::npos) named.erase(0, equals + 1);
      if (named.empty()) continue;
      const auto file = std::ranges::find_if(all.files, [&](const model::File& one) { return one.document.dialect == Dialect::uwsgi && base::file_name(one.path) == base::file_name(named); });
      if (file == all.files.end()) seen = false;
      else term = term || on(find(*file, "uwsgi", {"die-on-term"})) || find(*file, "uwsgi", {"emperor"});
    }
    if (term) continue;
    if (!seen) { drafts.push_back(lint_unknown(all, "systemd.uwsgi-sigterm-reload", command->at, "the file that it names")); continue; }
    Draft draft = lint_draft(all, "systemd.uwsgi-sigterm-reload", signal->from == model::From::configured ? signal->at : command->at, {{"name", unit.name}});
    const std::string& text = all.files[command->at.file].text;
    const auto end = std::min(text.find('\n', command->at.at), text.size());
    if (signal->from != model::From::configured && end > 0 && text[end - 1] != '\\') edit(all, draft, command->at.file, end, end, "\nKillSignal=SIGQUIT");
    drafts.push_back(std::move(draft));
  }
}

void php(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::phpfpm) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"phpfpm.request-terminate-missing", "phpfpm.terminate-vs-fastcgi-read", "phpfpm.listen-mode-owner"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    for (const model::File& section : sections_of(file)) {
      const std::string& pool = section.document.entries.front().section;
      if (pool == "global" || pool.empty()) continue;
      const Entry* manager_mode = find(section, pool, {"pm"});
      if (!manager_mode) continue;  // a file that only adds to a pool defined elsewhere
      const Spot at = spot_of(i, manager_mode->key_at);
      const Entry* terminate = find(section, pool, {"request-terminate-timeout"});
      const auto seconds = terminate ? model::span_seconds(terminate->value) : std::optional<double>(0);
      if (!seconds) drafts.push_back(lint_unknown(all, "phpfpm.request-terminate-missing", spot_of(i, terminate->value_at), terminate->value));
      else if (*seconds == 0) drafts.push_back(lint_draft(all, "phpfpm.request-terminate-missing", terminate ? spot_of(i, terminate->value_at) : at, {{"name", pool}}));
      else
        for (const auto& [timeout, where] : read_timeouts(all, "fastcgi")) {
          if (*seconds < timeout) continue;
          Draft draft = lint_draft(all, "phpfpm.terminate-vs-fastcgi-read", spot_of(i, terminate->value_at), {{"value", terminate->value}, {"other", std::to_string(static_cast<long>(timeout))}});
          also(all, draft, where);
          drafts.push_back(std::move(draft));
          break;
        }
      const Entry *listen = find(section, pool, {"listen"}), *owner = find(section, pool, {"listen.owner"}), *group = find(section, pool, {"listen.group"}), *mode = find(section, pool, {"listen.mode"}), *acl = find(section, pool, {"listen.acl-users", "listen.acl-groups"});
      if (listen && base::starts_with(listen->value, "/") && !acl) {
        // Without an owner the socket is root's with 0660, and no nginx but root's gets in.
        const bool open = mode && (mode->value == "0666" || mode->value == "666" || mode->value == "0777" || mode->value == "777");
        const bool root_owned = (!owner || owner->value == "root") && (!group || group->value == "root");
        if (!open && root_owned) drafts.push_back(lint_draft(all, "phpfpm.listen-mode-owner", spot_of(i, listen->value_at), {{"path", listen->value}, {"name", pool}}));
      }
    }
  }
}

// "60", "5 * 60", "1_000": what Ruby files write for seconds.
std::optional<long> ruby_number(std::string_view text) {
  long product = 1;
  for (const auto part : base::split(text, '*')) {
    std::string digits;
    for (const char c : base::trim(part)) if (c != '_') digits += c;
    const auto number = base::read_number(digits);
    if (!number || *number < 0 || *number > 1'000'000 || product > 1'000'000) return std::nullopt;
    product *= static_cast<long>(*number);
  }
  return product;
}

void ruby(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    const bool puma = file.document.dialect == Dialect::puma;
    if (!puma && file.document.dialect != Dialect::unicorn) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"puma.worker-timeout-misread", "puma.persistent-vs-nginx", "unicorn.timeout"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    for (const Entry& entry : file.document.entries) {
      const auto number = ruby_number(entry.value);
      const Spot at = spot_of(i, entry.value_at);
      const auto open = [&](const char* rule) { drafts.push_back(lint_unknown(all, rule, at, entry.value)); };
      if (puma && entry.key == "worker_timeout") {
        // 3600 in development is the generated file's own line, for a debugger.
        if (!number) open("puma.worker-timeout-misread");
        else if (*number < 60 && entry.section.empty()) drafts.push_back(lint_draft(all, "puma.worker-timeout-misread", at, {{"value", entry.value}}));
      } else if (puma && entry.key == "persistent_timeout") {
        if (!number) { open("puma.persistent-vs-nginx"); continue; }
        for (const auto& nginx : all.nginx)
          for (const auto& upstream : nginx->upstreams) {
            const auto kept = model::own(*nginx, upstream.block, "keepalive");
            if (kept.empty()) continue;
            const auto timeout = model::own(*nginx, upstream.block, "keepalive_timeout");
            const double seconds = timeout.empty() ? 60 : flavour::nginx_seconds(timeout.front()->directive.argument(0)).value_or(1e9);
            if (seconds < static_cast<double>(*number)) continue;
            Draft draft = lint_draft(all, "puma.persistent-vs-nginx", at, {{"value", entry.value}, {"other", std::to_string(static_cast<long>(seconds))}});
            also(all, draft, nginx->spot(*kept.front()));
            drafts.push_back(std::move(draft));
          }
      } else if (!puma && entry.key == "timeout") {
        if (!number) open("unicorn.timeout");
        else if (*number >= 120) drafts.push_back(lint_draft(all, "unicorn.timeout", at, {{"value", entry.value}}));
      }
    }
  }
}

// One nginx and one gunicorn, each with one socket file, and they are not the same: the pass leads nowhere.
void socket_paths(const Deployment& all, std::vector<Draft>& drafts) {
  if (all.servers.size() != 1) return;
  const model::Backend& server = all.servers.front();
  const auto bind = server.settings.find("bind");
  if (bind == server.settings.end()) return;
  std::vector<std::string> paths;
  bool known = true;
  for (const Choice& choice : bind->second) {
    known = known && choice.value.known();
    for (const std::string& item : choice.value.items) {
      if (base::starts_with(item, "unix:")) paths.push_back(item.substr(5));
      else if (base::starts_with(item, "fd://")) return;
    }
  }
  Spot listens = bind->second.front().at;
  if (server.holder >= 0) {
    const Holder& holder = all.holders[static_cast<std::size_t>(server.holder)];
    const std::string socket = holder.name.substr(0, holder.name.find(".service")) + ".socket";
    for (const Holder& other : all.holders)
      if (other.kind == Holder::Kind::unit && other.name == socket)
        if (const Choice* listen = model::only_choice(other.settings, "listen")) { paths.clear(); known = true; listens = listen->at; for (const std::string& item : listen->value.items) if (base::starts_with(item, "/")) paths.push_back(item); }
  }
  for (std::string& path : paths) while (base::starts_with(path, "//")) path.erase(0, 1);
  for (const auto& nginx : all.nginx) {
    std::vector<std::pair<std::string, Spot>> wanted;
    for (const auto& pass : nginx->passes) {
      if (pass.prefix != "proxy") continue;
      if (pass.upstream >= 0) { for (const auto& peer : nginx->upstreams[static_cast<std::size_t>(pass.upstream)].peers) wanted.emplace_back(peer.address, peer.at); }
      else wanted.emplace_back(pass.address, pass.at);
    }
    std::vector<std::string> sockets;
    for (const auto& [address, at] : wanted)
      if (base::starts_with(address, "unix:") && std::ranges::find(sockets, address) == sockets.end()) sockets.push_back(address);
    if (sockets.size() != 1 || wanted.empty()) continue;
    std::string path = sockets.front().substr(5);
    while (base::starts_with(path, "//")) path.erase(0, 1);
    const Spot at = std::ranges::find_if(wanted, [&](const auto& one) { return one.first == sockets.front(); })->second;
    if (!known || path.find('$') != std::string::npos || std::ranges::any_of(paths, [](const std::string& one) { return one.find('%') != std::string::npos || one.find('$') != std::string::npos; })) { drafts.push_back(lint_unknown(all, "chain.socket-path-agree", at, "the socket of the server")); continue; }
    if (paths.empty() || std::ranges::find(paths, path) != paths.end()) continue;
    Draft draft = lint_draft(all, "chain.socket-path-agree", at, {{"path", path}, {"other", paths.front()}});
    also(all, draft, listens);
    draft.sure = Confidence::likely;
    draft.sure_because = "they are the only proxy and the only server here";
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  uwsgi(all, drafts);
  uwsgi_units(all, drafts);
  php(all, drafts);
  ruby(all, drafts);
  socket_paths(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint others = {"others",
                            {"systemd.uwsgi-sigterm-reload", "uwsgi.no-die-on-term", "uwsgi.harakiri-missing", "uwsgi.listen-100", "uwsgi.harakiri-vs-read-timeout", "uwsgi.no-master-or-need-app", "phpfpm.request-terminate-missing", "phpfpm.terminate-vs-fastcgi-read", "phpfpm.listen-mode-owner",
                             "puma.worker-timeout-misread", "puma.persistent-vs-nginx", "unicorn.timeout", "chain.socket-path-agree"},
                            look};
}

}  // namespace rule
