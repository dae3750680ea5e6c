#include "doctor.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "probe/rights.hpp"
#include "source/live_host.hpp"

namespace triage {

namespace {

constexpr std::size_t width = 80;

std::string_view word_of(probe::Sight::State state) {
  switch (state) {
    case probe::Sight::State::ok: return "ok";
    case probe::Sight::State::partial: return "partial";
    case probe::Sight::State::no: return "no";
  }
  return "no";
}

// "           why: ..." with its further lines below the text.
void add_lines(std::string& out, std::string_view label, const std::string& text) {
  if (text.empty()) return;
  const std::string start = fmt::format("{:11}{}: ", "", label);
  std::string lead = start;
  for (const auto& line : base::wrap(base::printable(text, 1000), width - start.size())) {
    out += lead + line + "\n";
    lead.assign(start.size(), ' ');
  }
}

std::string as_text(const std::vector<probe::Sight>& sights, const probe::Rights& rights) {
  std::string out = fmt::format("Looking as {}, {}, kernel {}\n", rights.uid == 0 ? std::string("root") : "uid " + std::to_string(rights.uid),
                                !rights.container.empty() ? "inside a container (" + base::printable(rights.container, 20) + ")" : rights.own_pid_namespace ? "in a pid namespace of its own" : "on the host",
                                base::printable(rights.kernel, 24));
  std::size_t blind = 0;
  for (const auto& sight : sights) {
    if (sight.state != probe::Sight::State::ok) ++blind;
    const std::string start = fmt::format("{:<8} {:<28} ", word_of(sight.state), base::printable(sight.what, 28));
    std::string lead = start;
    for (const auto& line : base::wrap(base::printable(sight.detail, 1000), width - start.size())) {
      out += lead + line + "\n";
      lead.assign(start.size(), ' ');
    }
    add_lines(out, "why", sight.why);
    add_lines(out, "let me", sight.remedy);
    add_lines(out, "instead", sight.instead);
  }
  out += blind == 0 ? "\nReady: nothing is hidden.\n" : fmt::format("\nReady with {}. Verdicts will say where they matter.\n", base::counted(blind, "blind spot"));
  return out;
}

std::string as_json(const std::vector<probe::Sight>& sights, const probe::Rights& rights) {
  using Json = nlohmann::ordered_json;
  Json json;
  json["schema"] = "triage.doctor/1";
  json["uid"] = rights.uid;
  json["capabilities"] = fmt::format("{:016x}", rights.capabilities);
  json["container"] = base::printable(rights.container, 64);
  json["kernel"] = base::printable(rights.kernel, 64);
  json["seccomp"] = rights.seccomp;
  json["own_user_namespace"] = rights.own_user_namespace;
  json["own_pid_namespace"] = rights.own_pid_namespace;
  const auto number = [&](const char* name, const std::optional<int>& value) { json[name] = value ? Json(*value) : Json(nullptr); };
  number("yama_ptrace_scope", rights.yama);
  number("dmesg_restrict", rights.dmesg_restrict);
  number("perf_event_paranoid", rights.perf_paranoid);
  number("unprivileged_bpf_disabled", rights.unprivileged_bpf);
  json["btf"] = rights.btf;
  json["tracefs"] = rights.tracefs;
  json["sources"] = Json::array();
  std::size_t blind = 0;
  for (const auto& sight : sights) {
    if (sight.state != probe::Sight::State::ok) ++blind;
    json["sources"].push_back({{"what", base::printable(sight.what)}, {"state", word_of(sight.state)}, {"detail", base::printable(sight.detail)}, {"why", base::printable(sight.why)},
                               {"remedy", base::printable(sight.remedy)}, {"instead", base::printable(sight.instead)}});
  }
  json["blind_spots"] = blind;
  return json.dump(2) + "\n";
}

}  // namespace

int doctor(const DoctorOptions& options) {
  const source::LiveHost host;
  const probe::Rights rights = probe::read_rights(host);
  const auto sights = probe::sights(host, rights);
  const std::string text = options.format == "json" ? as_json(sights, rights) : as_text(sights, rights);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace triage
