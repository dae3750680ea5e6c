#include "model/code_folders.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"

namespace model {

namespace {

constexpr std::size_t most_named = 16;

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::string with_slash(std::string folder) {
  if (!folder.empty() && !folder.ends_with("/")) folder += '/';
  return folder;
}

// Folders that images are made of: what a Dockerfile copies, what a service is built from or mounts. The code may lie in each of them.
std::vector<std::string> copied(const Deployment& all) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view folder) {
    folder = base::trim(folder);
    while (base::starts_with(folder, "./")) folder.remove_prefix(2);
    while (folder.ends_with("/")) folder.remove_suffix(1);
    if (!folder.empty() && folder != "." && folder.find_first_of("$*:~") == std::string_view::npos && folder.front() != '/' && out.size() < most_named) out.emplace_back(folder);
  };
  for (const File& file : all.files) {
    if (file.document.dialect == parse::settings::Dialect::dockerfile)
      for (const auto& entry : file.document.entries) {
        if ((entry.key != "COPY" && entry.key != "ADD") || base::contains(entry.value, "--from")) continue;
        auto words = base::shell_words(entry.value);
        if (!words.empty()) words.pop_back();
        for (const auto& word : words) if (!base::starts_with(word, "--") && word.find('[') == std::string::npos) add(word);
      }
    for (const auto& document : file.yaml.documents)
      if (const auto* services = document.find("services"))
        for (const auto& service : services->members) {
          if (const auto* build = service.value.find("build")) add(build->find("context") ? build->find("context")->text : build->text);
          if (const auto* volumes = service.value.find("volumes"))
            for (const auto& one : volumes->items) if (const auto colon = one.text.find(':'); colon != std::string::npos) add(std::string_view(one.text).substr(0, colon));
        }
  }
  return out;
}

}  // namespace

std::string own_folder(const Deployment& all, const Backend& server) {
  if (server.holder >= 0 && all.holders[static_cast<std::size_t>(server.holder)].kind == Holder::Kind::process && !server.settings.contains("chdir") && !server.settings.contains("pythonpath") && !base::contains(server.command, "cd "))
    return folder_of(all.files[server.at.file].path);
  return {};
}

// Where a module may lie: the folders of the command and of the configuration, those above, and in each the folder that is named.
std::vector<std::string> code_folders(const Deployment& all, const Backend& server) {
  std::vector<std::string> starts, out;
  const auto add = [&](std::vector<std::string>& to, std::string folder) {
    folder = with_slash(std::move(folder));
    if (!folder.empty() && std::ranges::find(to, folder) == to.end() && to.size() < 120) to.push_back(std::move(folder));
  };
  const auto climb = [&](std::uint32_t file) {
    if (file >= all.files.size()) return;
    std::string folder = folder_of(all.files[file].path);
    for (int i = 0; i < 4 && folder.size() > 1; ++i) {
      add(starts, folder);
      folder = folder_of(folder.substr(0, folder.size() - 1));
    }
  };
  if (server.at.known()) climb(server.at.file);
  climb(server.config);
  std::vector<std::string> named;
  const auto name = [&](const Choice* choice) {
    if (!choice || choice->from != From::configured || !choice->value.known()) return;
    for (const auto part : base::split(choice->value.text, ','))
      if (!base::trim(part).empty()) named.emplace_back(base::trim(part));
  };
  name(only_choice(server.settings, "chdir"));
  name(only_choice(server.settings, "pythonpath"));
  if (server.holder >= 0) name(only_choice(all.holders[static_cast<std::size_t>(server.holder)].settings, "working_directory"));
  for (std::string& folder : copied(all)) named.push_back(std::move(folder));
  if (server.at.known()) {
    // `cd src` in front of the command, or in the script that holds it.
    const File& file = all.files[server.at.file];
    const std::string_view text = file.document.dialect == parse::settings::Dialect::script ? std::string_view(file.text) : std::string_view(server.command);
    for (auto at = text.find("cd "); at != std::string_view::npos && named.size() < most_named; at = text.find("cd ", at + 3))
      if (at == 0 || text[at - 1] == '\n' || text[at - 1] == ' ' || text[at - 1] == ';' || text[at - 1] == '"' || text[at - 1] == '\'') {
        const std::string_view rest = text.substr(at + 3, 200);
        named.emplace_back(rest.substr(0, rest.find_first_of(" \t\n;&\"'")));
      }
  }
  for (const std::string& folder : starts) {
    add(out, folder);
    for (std::string one : named) {
      if (base::starts_with(one, "./")) one.erase(0, 2);
      // "/opt/site/backend" on the machine it is made for may be ./backend here.
      while (!one.empty() && one != "." && one.find("..") == std::string::npos) {
        add(out, folder + (base::starts_with(one, "/") ? one.substr(1) : one));
        const auto slash = one.find('/', 1);
        one = slash == std::string::npos || !base::starts_with(one, "/") ? "" : one.substr(slash);
      }
    }
  }
  return out;
}

}  // namespace model
