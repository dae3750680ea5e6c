#include "reproduce/verdict.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "probe/child.hpp"
#include "reproduce/child.hpp"

namespace reproduce {

namespace {

constexpr std::size_t most_report = 8 << 20;

bool write_record(const std::string& text) {
  base::Fd fd(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));   // opened anew each time: the kernel's limit on records is one of each opening
  const std::string line = "<6>" + text + "\n";
  return fd && ::write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

std::string kernel_log() {
  const std::string dmesg = program("dmesg");
  if (dmesg.empty()) return {};
  const auto got = probe::run({dmesg, "-x", "--time-format", "iso"}, 20'000, 16 << 20);
  return got && got->status == 0 ? got->out : std::string();
}

std::string word(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int number(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

}  // namespace

base::Result<std::string> ask_triage(const std::vector<std::string>& words) {
  const std::string path = program("triage");
  if (path.empty()) return base::fail({base::Kind::missing, "asking triage", "it is not installed here", "it lies beside triage-repro", 0});
  std::vector<std::string> argv{path};
  argv.insert(argv.end(), words.begin(), words.end());
  argv.insert(argv.end(), {"--format", "json"});
  const auto got = probe::run(argv, 60'000, most_report);
  if (!got) return base::fail(got.error());
  if (got->late) return base::fail({base::Kind::busy, "asking triage", "it gave no answer within 60 s", "", 0});
  if (got->out.empty()) return base::fail({base::Kind::refused, "asking triage", std::string(base::trim(std::string_view(got->err).substr(0, 300))), "", 0});
  return got->out;
}

Command watch_command(int master, const Ground& ground) {
  Command command;
  command.words = {program("triage"), "watch", std::to_string(master), "--format", "jsonl"};
  command.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  command.folder = ground.folder;
  command.output = ground.folder + "/watch.jsonl";
  return command;
}

std::string watch_report(const std::string& lines, std::vector<std::string>& gaps) {
  nlohmann::json report{{"schema", "triage.report/1"}, {"findings", nlohmann::json::array()}};
  for (const auto line : base::split(lines, '\n')) {
    const auto said = nlohmann::json::parse(line, nullptr, false);
    const std::string type = said.is_object() ? word(said, "type") : std::string();
    if (type == "finding" && !said.value("provisional", false)) {
      // A later line about one death takes the place of the one before.
      auto& all = report["findings"];
      const auto before = std::find_if(all.begin(), all.end(), [&](const auto& one) { return word(one, "id") == word(said, "id"); });
      if (before == all.end()) all.push_back(said);
      else *before = said;
    }
    if (type == "event" && word(said, "event") == "lost") gaps.push_back("triage watch: " + word(said, "text"));
    if (type == "gap") gaps.push_back("triage watch: " + word(said, "wanted") + ": " + word(said, "reason"));
  }
  return report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<Event> findings_of(const std::string& report, double at) {
  std::vector<Event> events;
  const auto json = nlohmann::json::parse(report, nullptr, false);
  if (!json.is_object() || !json.contains("findings") || !json["findings"].is_array()) return events;
  for (const auto& finding : json["findings"]) {
    if (!finding.is_object()) continue;
    Event event;
    event.at = at;
    event.what = "triage";
    event.text = word(finding, "rule");
    event.who = word(finding, "sure");
    event.number = std::max(1, number(finding, "count"));
    if (const auto subject = finding.find("subject"); subject != finding.end() && subject->is_object()) {
      event.pid = number(*subject, "pid");
      event.host_pid = number(*subject, "host_pid");
    }
    events.push_back(event);
    if (const auto members = finding.find("members"); members != finding.end() && members->is_array())
      for (const auto& member : *members) {
        if (!member.is_object()) continue;
        const auto& subject = member.contains("subject") && member["subject"].is_object() ? member["subject"] : member;
        Event one = event;
        one.pid = number(subject, "pid");
        one.host_pid = number(subject, "host_pid");
        one.number = 1;
        if (one.pid != event.pid || one.host_pid != event.host_pid) events.push_back(one);
      }
  }
  return events;
}

KernelLog::KernelLog(std::string name) : name_(std::move(name)) { marked_ = write_record("triage-repro: " + name_ + " begins"); }

std::string KernelLog::save(const std::string& path) {
  if (!marked_) return "the kernel log cannot be written to: its silence about a death means nothing; run as root";
  // A server's log has whole seconds, and the kernel's clock runs some 100 ms apart from the wall's: surely later is two seconds on.
  timespec nap{2, 100'000'000};
  ::nanosleep(&nap, nullptr);
  write_record("triage-repro: " + name_ + " ends");
  const std::string all = kernel_log();
  const auto begins = all.find("triage-repro: " + name_ + " begins");
  if (begins == std::string::npos) return "the kernel log cannot be read, or is overrun";
  const auto line = all.rfind('\n', begins);
  return write_file(path, all.substr(line == std::string::npos ? 0 : line + 1)) ? "" : "the kernel log cannot be written to " + path;
}

}  // namespace reproduce
