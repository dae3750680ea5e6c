// One reader for each kind of holder, hence over 300 lines. Units, images, services, pods, processes and programs, with what they say about starting and stopping. Defaults: systemd's and supervisor's
// manuals, docker stop (10 s), Kubernetes (30 s).
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "model/deployment.hpp"

namespace model {

namespace {

using parse::settings::Dialect;
using parse::settings::Entry;
using parse::settings::Yaml;

Spot spot_of(std::uint32_t file, const parse::settings::Place& at) { return {file, at.line, at.column, at.at, at.end}; }

void put(Holder& holder, std::string_view name, Value value, Spot at, From from = From::configured) { holder.settings.insert_or_assign(std::string(name), Choices{{std::move(value), "", at, from}}); }
void put_default(Holder& holder, std::string_view name, Value value) {
  if (holder.settings.find(name) == holder.settings.end()) put(holder, name, std::move(value), holder.at, From::built_in);
}
// A text that is replaced before it is read: ${VAR}, %i, $(X).
bool open_text(std::string_view text) { return base::contains(text, "$") || base::contains(text, "%"); }
Value span_value(std::string_view text) {
  const auto seconds = open_text(text) ? std::nullopt : span_seconds(text);
  if (!seconds) return unknown_value();
  return number_value(*seconds, std::string(text));
}

// "gunicorn.service" of gunicorn.service.d/override.conf and of a template gunicorn@.service.
std::string unit_name(const std::string& path) {
  const auto folder = path.rfind(".d/");
  std::string name = std::string(base::file_name(folder == std::string::npos ? std::string_view(path) : std::string_view(path).substr(0, folder)));
  for (const std::string_view ending : {".j2", ".example", ".sample", ".dist"}) if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  return name;
}

void add_unit_entry(Holder& unit, std::uint32_t file, const Entry& entry) {
  struct Key { std::string_view section, key, name; char kind; };  // s span, t text, b truth, n number
  constexpr Key keys[] = {{"Service", "TimeoutStopSec", "timeout_stop", 's'}, {"Service", "TimeoutSec", "timeout_stop", 's'}, {"Service", "KillMode", "kill_mode", 't'}, {"Service", "KillSignal", "kill_signal", 't'},
                          {"Service", "Type", "type", 't'}, {"Service", "Restart", "restart", 't'}, {"Service", "PrivateTmp", "private_tmp", 'b'}, {"Service", "ExecReload", "exec_reload", 't'},
                          {"Service", "ExecStart", "exec_start", 't'}, {"Service", "ExecStop", "exec_stop", 't'}, {"Service", "RuntimeDirectory", "runtime_directory", 't'}, {"Service", "RuntimeDirectoryPreserve", "runtime_preserve", 't'}, {"Service", "LimitNOFILE", "limit_nofile", 'n'},
                          {"Service", "User", "user", 't'}, {"Service", "Group", "group", 't'}, {"Service", "UMask", "umask", 't'}, {"Service", "WorkingDirectory", "working_directory", 't'}, {"Service", "PIDFile", "pidfile", 't'},
                          {"Service", "EnvironmentFile", "environment_file", 't'}, {"Service", "Sockets", "sockets", 't'}, {"Service", "SendSIGKILL", "send_sigkill", 'b'}, {"Service", "MemoryMax", "memory_max", 't'}, {"Service", "NotifyAccess", "notify_access", 't'},
                          {"Unit", "Requires", "requires", 't'}, {"Socket", "ListenStream", "listen", 't'}, {"Socket", "SocketMode", "socket_mode", 't'}, {"Socket", "SocketUser", "socket_user", 't'},
                          {"Socket", "SocketGroup", "socket_group", 't'}, {"Socket", "Backlog", "backlog", 'n'}, {"Socket", "RemoveOnStop", "remove_on_stop", 'b'}};
  for (const Key& key : keys) {
    if (entry.section != key.section || entry.key != key.key) continue;
    const Spot at = spot_of(file, entry.key_at);
    if (key.kind == 's') put(unit, key.name, span_value(entry.value), at);
    else if (key.kind == 'b') put(unit, key.name, truth_value(entry.value == "true" || entry.value == "yes" || entry.value == "on" || entry.value == "1"), at);
    else if (key.kind == 'n') {
      const auto number = base::read_number(std::string_view(entry.value).substr(0, entry.value.find(':')));
      put(unit, key.name, number ? number_value(static_cast<double>(*number), entry.value) : entry.value == "infinity" ? number_value(1e18, entry.value) : unknown_value(), at);
    } else put(unit, key.name, entry.value.empty() ? Value{} : text_value(entry.value), at);
  }
}

void add_units(Deployment& all) {
  std::map<std::string, std::vector<std::uint32_t>> units;  // name -> its file, then its drop-ins in the order of their names
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != Dialect::systemd || !file.template_language.empty()) continue;
    const auto slash = file.path.rfind('/');
    const bool drop_in = base::contains(file.path, ".d/");
    auto& files = units[drop_in ? unit_name(file.path) : file.path.substr(0, slash + 1) + unit_name(file.path)];
    if (drop_in) files.push_back(i);
    else files.insert(files.begin(), i);
  }
  // Drop-ins belong to the unit of their name, wherever that lies.
  for (auto& [name, files] : units) {
    if (name.find('/') != std::string::npos) continue;
    for (auto& [path, main] : units)
      if (path.ends_with("/" + name)) { main.insert(main.end(), files.begin(), files.end()); files.clear(); break; }
  }
  for (const auto& [name, files] : units) {
    if (files.empty()) continue;
    Holder unit;
    unit.kind = Holder::Kind::unit;
    unit.name = std::string(base::file_name(name));
    const auto& first = all.files[files.front()].document.entries;
    unit.at = first.empty() ? Spot{files.front(), 1, 1, 0, 0} : spot_of(files.front(), first.front().key_at);
    std::vector<std::string> listens;
    for (const std::uint32_t file : files)
      for (const Entry& entry : all.files[file].document.entries) {
        add_unit_entry(unit, file, entry);
        if (entry.section == "Socket" && entry.key == "ListenStream") entry.value.empty() ? listens.clear() : listens.push_back(entry.value);
        if (entry.section == "Service" && entry.key == "ExecStart" && !entry.value.empty()) unit.at = spot_of(file, entry.key_at);
      }
    if (!listens.empty()) unit.settings["listen"].front().value = list_value(listens);
    if (unit.name.ends_with(".service") || base::contains(unit.name, ".service")) {
      put_default(unit, "timeout_stop", number_value(90, "90s"));
      put_default(unit, "kill_mode", text_value("control-group"));
      put_default(unit, "kill_signal", text_value("SIGTERM"));
      put_default(unit, "restart", text_value("no"));
      put_default(unit, "type", text_value("simple"));
      put_default(unit, "private_tmp", truth_value(false));
      put_default(unit, "exec_reload", text_value(""));
    }
    all.holders.push_back(std::move(unit));
  }
}

void add_images(Deployment& all) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != Dialect::dockerfile || !file.template_language.empty() || file.document.entries.empty()) continue;
    const std::string last = file.document.entries.back().section;
    Holder image;
    image.kind = Holder::Kind::image;
    image.name = file.shown;
    image.at = spot_of(i, file.document.entries.front().key_at);
    for (const Entry& entry : file.document.entries) {
      if (entry.section != last) continue;
      const Spot at = spot_of(i, entry.value_at);
      if (entry.key == "STOPSIGNAL") put(image, "stop_signal", open_text(entry.value) ? unknown_value() : text_value(entry.value), at);
      else if (entry.key == "USER") put(image, "user", open_text(entry.value) ? unknown_value() : text_value(entry.value), at);
      else if (entry.key == "CMD") put(image, "cmd", text_value(entry.value), at);
      else if (entry.key == "ENTRYPOINT") { put(image, "entrypoint", text_value(entry.value), at); image.settings.erase("cmd"); }
      else if (entry.key == "FROM") { put(image, "from", text_value(entry.value), at); image.at = spot_of(i, entry.key_at); }
      else if (entry.key == "EXPOSE") put(image, "expose", text_value(entry.value), at);
      else if (entry.key == "WORKDIR") put(image, "working_directory", text_value(entry.value), at);
    }
    put_default(image, "stop_signal", text_value("SIGTERM"));
    all.holders.push_back(std::move(image));
  }
}

std::string words_of(const Yaml& node) {
  if (node.shape != Yaml::Shape::list) return node.text;
  std::string line;
  for (const Yaml& item : node.items) {
    if (!line.empty()) line += ' ';
    line += item.text.find_first_of(" \t\n'\"\\$&;|<>()") == std::string::npos && !item.text.empty() ? item.text : "'" + item.text + "'";
  }
  return line;
}

void add_services(Deployment& all) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != Dialect::compose || !file.template_language.empty()) continue;
    for (const Yaml& document : file.yaml.documents) {
      const Yaml* services = document.find("services");
      if (!services) continue;
      for (const auto& member : services->members) {
        const Yaml& from = member.value;
        Holder service;
        service.kind = Holder::Kind::service;
        service.name = member.key;
        service.at = spot_of(i, member.key_at);
        const auto take = [&](std::string_view key, std::string_view name, auto&& make) {
          if (const Yaml* value = from.find(key)) put(service, name, make(*value), spot_of(i, value->at));
        };
        const auto as_text = [](const Yaml& value) { return open_text(value.text) ? unknown_value() : text_value(value.text); };
        take("stop_grace_period", "stop_grace", [](const Yaml& value) { return span_value(value.text); });
        take("stop_signal", "stop_signal", as_text);
        const auto as_size = [](const Yaml& value) { const auto bytes = open_text(value.text) ? std::nullopt : size_bytes(value.text); return bytes ? number_value(*bytes, value.text) : unknown_value(); };
        take("mem_limit", "memory_limit", as_size);
        if (const Yaml* limit = from.path("deploy.resources.limits.memory")) put(service, "memory_limit", as_size(*limit), spot_of(i, limit->at));
        take("init", "init", [](const Yaml& value) { return truth_value(value.text == "true" || value.text == "yes"); });
        take("user", "user", as_text);
        take("image", "image", as_text);
        take("container_name", "container_name", as_text);
        take("working_dir", "working_directory", as_text);
        take("command", "command", [](const Yaml& value) { return text_value(words_of(value)); });
        take("entrypoint", "entrypoint", [](const Yaml& value) { return text_value(words_of(value)); });
        take("build", "build", [](const Yaml& value) {
          const Yaml* context = value.find("context");
          const Yaml* dockerfile = value.find("dockerfile");
          return list_value({context ? context->text : value.text.empty() ? "." : value.text, dockerfile ? dockerfile->text : ""});
        });
        if (const Yaml* environment = from.find("environment")) {
          std::string lines;
          for (const Yaml& one : environment->items) lines += one.text + "\n";
          for (const auto& one : environment->members) lines += one.key + "=" + one.value.text + "\n";
          put(service, "environment", text_value(std::move(lines)), spot_of(i, environment->at));
        }
        if (from.find("extends")) put(service, "extends", truth_value(true), spot_of(i, from.find("extends")->at));
        put_default(service, "stop_grace", number_value(10, "10s"));
        put_default(service, "stop_signal", text_value("SIGTERM"));
        all.holders.push_back(std::move(service));
      }
    }
  }
}

// The seconds that a preStop hook takes: a sleep, else unknown.
Value prestop_seconds(const Yaml& hook) {
  if (const Yaml* sleep = hook.path("sleep.seconds")) return span_value(sleep->text);
  const Yaml* command = hook.path("exec.command");
  if (!command) return unknown_value();
  const auto words = base::shell_words(words_of(*command));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto inner = base::shell_words(words[i]);
    for (std::size_t k = 0; k + 1 < inner.size(); ++k)
      if (base::file_name(inner[k]) == "sleep") return span_value(std::string_view(inner[k + 1]).substr(0, inner[k + 1].find_first_of(";&")));
    if (base::file_name(words[i]) == "sleep" && i + 1 < words.size()) return span_value(words[i + 1]);
  }
  return unknown_value();
}

void put_probe(Holder& pod, std::uint32_t file, const Yaml& container, std::string_view key, const std::string& name) {
  const Yaml* probe = container.find(key);
  if (!probe) return;
  const auto number = [&](std::string_view field, double otherwise) {
    const Yaml* value = probe->find(field);
    put(pod, name + "_" + std::string(field), value ? span_value(value->text) : number_value(otherwise), spot_of(file, value ? value->at : probe->at), value ? From::configured : From::built_in);
  };
  number("periodSeconds", 10);
  number("timeoutSeconds", 1);
  number("failureThreshold", 3);
  number("initialDelaySeconds", 0);
  const Yaml* path = probe->path("httpGet.path");
  const std::string kind = probe->find("httpGet") ? "http" : probe->find("tcpSocket") ? "tcp" : probe->find("exec") ? "exec" : "grpc";
  put(pod, name, text_value(kind), spot_of(file, probe->at));
  if (path) put(pod, name + "_path", text_value(path->text), spot_of(file, path->at));
}

void add_pod(Deployment& all, std::uint32_t i, const Yaml& spec, const std::string& owner, bool serves) {
  const Yaml* containers = spec.find("containers");
  if (!containers) return;
  for (const Yaml& container : containers->items) {
    Holder pod;
    pod.kind = Holder::Kind::pod;
    const Yaml* name = container.find("name");
    pod.name = owner + (name ? "/" + name->text : "");
    pod.at = spot_of(i, name ? name->at : container.at);
    if (const Yaml* grace = spec.find("terminationGracePeriodSeconds")) put(pod, "grace", span_value(grace->text), spot_of(i, grace->at));
    put_default(pod, "grace", number_value(30, "30"));
    if (const Yaml* hook = container.path("lifecycle.preStop")) put(pod, "prestop", prestop_seconds(*hook), spot_of(i, hook->at));
    put_default(pod, "prestop", number_value(0, "0"));
    put_probe(pod, i, container, "livenessProbe", "liveness");
    put_probe(pod, i, container, "readinessProbe", "readiness");
    put_probe(pod, i, container, "startupProbe", "startup");
    if (const Yaml* cpu = container.path("resources.limits.cpu")) {
      const std::string& text = cpu->text;
      const auto milli = text.ends_with("m") ? base::read_number(std::string_view(text).substr(0, text.size() - 1)) : std::nullopt;
      const auto whole = span_seconds(text.ends_with("m") ? "" : text);
      put(pod, "cpu_limit", milli ? number_value(static_cast<double>(*milli) / 1000, text) : whole ? number_value(*whole, text) : unknown_value(), spot_of(i, cpu->at));
    }
    if (const Yaml* memory = container.path("resources.limits.memory")) {
      const auto bytes = size_bytes(memory->text);
      put(pod, "memory_limit", bytes ? number_value(*bytes, memory->text) : unknown_value(), spot_of(i, memory->at));
    }
    for (const Yaml* level : {spec.find("securityContext"), container.find("securityContext")})
      if (level && (level->find("runAsUser") || level->find("runAsNonRoot"))) put(pod, "user", text_value(level->find("runAsUser") ? level->find("runAsUser")->text : "?"), spot_of(i, level->at));
    put(pod, "serves", truth_value(serves), pod.at);
    std::string line;
    Spot at;
    for (const std::string_view key : {"command", "args"})
      if (const Yaml* words = container.find(key)) {
        if (!at.known()) at = spot_of(i, words->at);
        at.end = words->at.end;
        line += (line.empty() ? "" : " ") + words_of(*words);
      }
    if (!line.empty()) put(pod, container.find("command") ? "command" : "args", text_value(line), at);
    if (const Yaml* image = container.find("image")) put(pod, "image", text_value(image->text), spot_of(i, image->at));
    if (const Yaml* environment = container.find("env")) {
      std::string lines;
      for (const Yaml& one : environment->items)
        if (const Yaml *key = one.find("name"), *value = one.find("value"); key && value) lines += key->text + "=" + value->text + "\n";
      put(pod, "environment", text_value(lines), pod.at);
    }
    all.holders.push_back(std::move(pod));
  }
}

void add_pods(Deployment& all) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != Dialect::kubernetes || !file.template_language.empty()) continue;
    std::vector<const Yaml*> objects;
    for (const Yaml& document : file.yaml.documents) {
      objects.push_back(&document);
      if (const Yaml* items = document.find("items")) for (const Yaml& item : items->items) objects.push_back(&item);
    }
    for (const Yaml* object : objects) {
      const Yaml* kind = object->find("kind");
      if (!kind) continue;
      const Yaml* name = object->path("metadata.name");
      const std::string owner = kind->text + " " + (name ? name->text : "?");
      const bool lasting = kind->text == "Deployment" || kind->text == "StatefulSet" || kind->text == "DaemonSet" || kind->text == "ReplicaSet";
      const Yaml* spec = kind->text == "Pod" ? object->find("spec") : object->path("spec.template.spec");
      if (spec && (lasting || kind->text == "Pod")) add_pod(all, i, *spec, owner, lasting);
    }
  }
}

void add_programs(Deployment& all) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (!file.template_language.empty()) continue;
    if (file.document.dialect == Dialect::procfile) {
      for (const Entry& entry : file.document.entries) {
        Holder process;
        process.kind = Holder::Kind::process;
        process.name = entry.key;
        process.at = spot_of(i, entry.value_at);
        put(process, "command", text_value(entry.value), process.at);
        all.holders.push_back(std::move(process));
      }
    } else if (file.document.dialect == Dialect::supervisor) {
      std::map<std::string, std::size_t> programs;
      for (const Entry& entry : file.document.entries) {
        if (!base::starts_with(entry.section, "program:")) continue;
        const auto [known, fresh] = programs.emplace(entry.section, all.holders.size());
        if (fresh) {
          Holder program;
          program.kind = Holder::Kind::program;
          program.name = entry.section.substr(8);
          program.at = spot_of(i, entry.key_at);
          all.holders.push_back(std::move(program));
        }
        Holder& program = all.holders[known->second];
        const Spot at = spot_of(i, entry.value_at);
        if (entry.key == "stopwaitsecs") put(program, "stopwait", span_value(entry.value), at);
        else if (entry.key == "stopsignal") put(program, "stop_signal", text_value(base::starts_with(entry.value, "SIG") ? entry.value : "SIG" + entry.value), at);
        else if (entry.key == "stopasgroup" || entry.key == "killasgroup") put(program, entry.key, truth_value(entry.value == "true" || entry.value == "1"), at);
        else if (entry.key == "command" || entry.key == "environment" || entry.key == "user" || entry.key == "directory") put(program, entry.key == "directory" ? "working_directory" : entry.key, text_value(entry.value), at);
      }
    }
  }
  for (Holder& holder : all.holders) {
    if (holder.kind != Holder::Kind::program) continue;
    put_default(holder, "stopwait", number_value(10, "10"));
    put_default(holder, "stop_signal", text_value("SIGTERM"));
  }
}

}  // namespace

void add_holders(Deployment& all) {
  add_units(all);
  add_images(all);
  add_services(all);
  add_pods(all);
  add_programs(all);
}

}  // namespace model
