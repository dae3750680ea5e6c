// The signal that a container or supervisor stops a server with, against what the server makes of it (facts of each server's manual and source;
// uwsgi, unicorn and php-fpm measured): the graceful one of one server is the quick one of another.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using parse::settings::Dialect;
using std::string_view_literals::operator""sv;

constexpr auto rule_name = "container.stopsignal-wrong";

struct Signals { std::string_view server, graceful, effect; std::array<std::string_view, 3> quick; };
constexpr std::array signals_of_servers{
    Signals{"gunicorn", "SIGTERM", "stops at once", {"SIGQUIT", "SIGINT", ""}},
    Signals{"uvicorn", "SIGTERM", "is killed by it", {"SIGQUIT", "SIGHUP", "SIGUSR1"}},
    Signals{"hypercorn", "SIGTERM", "is killed by it", {"SIGQUIT", "SIGUSR1", "SIGUSR2"}},
    Signals{"puma", "SIGTERM", "is killed by it", {"SIGQUIT", "SIGABRT", ""}},
    Signals{"unicorn", "SIGQUIT", "stops at once", {"SIGTERM", "SIGINT", ""}},
    Signals{"php-fpm", "SIGQUIT", "stops at once", {"SIGTERM", "SIGINT", ""}},
    Signals{"uwsgi", "SIGQUIT", "reloads instead of stopping, and is killed in the end", {"SIGTERM", "", ""}}};

std::string full_name(std::string_view text) {
  if (const auto number = base::signal_number(base::trim(text))) return base::signal_text(*number);
  return std::string(base::trim(text));
}

// An image of Docker's own list that sets no STOPSIGNAL: what is not written in the Dockerfile is SIGTERM.
bool plain_base(const Deployment& all, const Holder& image) {
  const Choice* from = model::only_choice(image.settings, "from");
  if (!from || from->at.file >= all.files.size()) return false;
  std::string_view name = std::string_view(from->value.text).substr(0, from->value.text.find_first_of(" \t"));
  if (base::starts_with(name, "docker.io/")) name.remove_prefix(10);
  if (base::starts_with(name, "library/")) name.remove_prefix(8);
  name = name.substr(0, name.find_first_of(":@"));
  return std::ranges::any_of(std::array{"python"sv, "debian"sv, "ubuntu"sv, "alpine"sv, "ruby"sv, "node"sv, "fedora"sv, "rockylinux"sv, "almalinux"sv, "pypy"sv, "centos"sv}, [&](std::string_view known) { return name == known; });
}

bool dies_on_term(const Deployment& all) {
  return std::ranges::any_of(all.files, [](const model::File& file) { return file.document.dialect != Dialect::nginx && (base::contains(file.text, "die-on-term") || base::contains(file.text, "die_on_term")); });
}

// Is the file that its command names here? Without it die-on-term may stand there.
bool config_is_here(const Deployment& all, const std::string& command) {
  const bool here = std::ranges::any_of(all.files, [](const model::File& file) { return file.document.dialect == Dialect::uwsgi; });
  return here || !(base::contains(command, ".ini") || base::contains(command, ".yaml") || base::contains(command, ".xml") || base::contains(command, ".json"));
}

// A gthread worker leaves by sys.exit, which waits for its threads: QUIT and INT cut nothing there before graceful_timeout (measured on 20.1.0, 23.0.0).
bool waits_for_threads(const Deployment& all, const Holder& holder) {
  for (const model::Backend& server : all.servers) {
    if (server.holder < 0 || &all.holders[static_cast<std::size_t>(server.holder)] != &holder) continue;
    const Choice* kind = model::only_choice(server.settings, "class");
    if (kind && kind->value.known() && kind->value.text == "gthread") return true;
  }
  return false;
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& holder : all.holders) {
    if (holder.kind != Holder::Kind::image && holder.kind != Holder::Kind::service && holder.kind != Holder::Kind::program) continue;
    const Choice* signal = model::only_choice(holder.settings, "stop_signal");
    const auto row = std::ranges::find(signals_of_servers, server_of(all, holder), &Signals::server);
    if (!signal || row == signals_of_servers.end()) continue;
    const bool written = signal->from == model::From::configured;
    if (!signal->value.known()) { drafts.push_back(lint_unknown(all, rule_name, signal->at, "the signal")); continue; }
    const std::string name = full_name(signal->value.text);
    if (std::ranges::find(row->quick, name) == row->quick.end()) continue;
    if (row->server == "gunicorn" && waits_for_threads(all, holder)) continue;
    // What is not written is SIGTERM for supervisor; of an image's parent that is only known where the parent is.
    const bool sure = written || holder.kind == Holder::Kind::program || (holder.kind == Holder::Kind::image && plain_base(all, holder));
    std::string command;
    model::Spot at = signal->at;
    for (const std::string_view key : {"command", "cmd", "entrypoint"})
      if (const Choice* line = model::only_choice(holder.settings, key)) { command += line->value.text + " "; if (!written) at = line->at; }
    if (!written && holder.kind == Holder::Kind::image && std::ranges::any_of(all.holders, [](const Holder& other) { const Choice* own = other.kind == Holder::Kind::service ? model::only_choice(other.settings, "stop_signal") : nullptr; return own && own->from == model::From::configured; })) { drafts.push_back(lint_unknown(all, rule_name, at, "which service runs the image")); continue; }
    if (!sure) { drafts.push_back(lint_unknown(all, rule_name, at, "the STOPSIGNAL of its image")); continue; }
    if (row->server == "uwsgi" && dies_on_term(all)) continue;
    if (row->server == "uwsgi" && !config_is_here(all, command)) { drafts.push_back(lint_unknown(all, rule_name, at, "the file that the command names")); continue; }
    Draft draft = lint_draft(all, rule_name, at, {{"signal", name}, {"name", std::string(row->server)}, {"effect", std::string(row->effect)}, {"better", std::string(row->graceful)}, {"detail", written ? "" : "the default, "}});
    if (written && holder.kind != Holder::Kind::program && signal->at.end > signal->at.at) edit(all, draft, signal->at.file, signal->at.at, signal->at.end, std::string(row->graceful));
    drafts.push_back(std::move(draft));
  }
}

}  // namespace

namespace lints_of {
extern const Lint stop_signals = {"stop_signals", {"container.stopsignal-wrong"}, look};
}

}  // namespace rule
