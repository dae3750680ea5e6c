#include "reproduce/server_kind.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"

namespace reproduce {

std::string Asked::value(std::string_view own, std::string_view otherwise) const {
  const auto found = std::ranges::find(settings, own, &Pairs::value_type::first);
  return found == settings.end() ? std::string(otherwise) : found->second;
}

const ServerKind* server_kind(std::string_view name) {
  const auto all = servers();
  const auto found = std::ranges::find(all, name, &ServerKind::name);
  return found == all.end() ? nullptr : *found;
}

std::vector<std::string_view> server_names() {
  std::vector<std::string_view> names{triage_server, gunicorn};
  for (const ServerKind* kind : servers()) names.push_back(kind->name);
  return names;
}

std::string server_program(const std::string& server) {
  const ServerKind* kind = server_kind(server);
  if (!kind) return program(server);
  for (const auto needed : base::split(kind->needs, ' '))
    if (!needed.empty() && ::access(std::string(needed).c_str(), R_OK) != 0) return {};
  for (const auto word : base::split(kind->programs, ' ')) {
    const std::string name(word);
    if (name.starts_with('/') ? ::access(name.c_str(), X_OK) == 0 : !program(name).empty()) return name.starts_with('/') ? name : program(name);
  }
  return {};
}

}  // namespace reproduce
